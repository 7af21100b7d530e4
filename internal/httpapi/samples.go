package httpapi

import "github.com/danielgtaylor/huma/v2"

// samples are bodies that show what an operation is for, by its id. Others get one made of their members' examples.
var samples = map[string]any{
	"create-notification": map[string]any{"to": map[string]any{"user": "dl_ann"}, "text": "Your build is done."},
	"create-job":          map[string]any{"to": map[string]any{"user": "dl_ann"}, "name": "build", "value": map[string]any{"number": 7}},
	"complete-job":        map[string]any{"text": "Your build is done."},
	"update-conversation": map[string]any{"tags": []any{"on-call"}, "external_id": "employee-4711"},
}

// describeSamples puts the samples into the document.
func describeSamples(a huma.API) {
	for _, item := range a.OpenAPI().Paths {
		for _, op := range []*huma.Operation{item.Get, item.Post, item.Put, item.Patch, item.Delete} {
			if op == nil || op.RequestBody == nil || samples[op.OperationID] == nil {
				continue
			}
			op.RequestBody.Content["application/json"].Example = samples[op.OperationID]
		}
	}
}
