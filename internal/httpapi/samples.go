package httpapi

import "github.com/danielgtaylor/huma/v2"

// samples are bodies that show what an operation is for, by its id. Others get one made of their members' examples.
var samples = map[string]any{
	"create-notification": map[string]any{"to": map[string]any{"user": "dl_ann"}, "text": "Your build is done."},
	"create-notifications": map[string]any{"notifications": []any{
		map[string]any{"to": map[string]any{"user": "dl_ann"}, "text": "Your build is done.", "idempotency_key": "build-1234"},
		map[string]any{"to": map[string]any{"user": "dl_ben"}, "text": "Ann's build is done.", "in": "10s"},
	}},
	"notify-group":            map[string]any{"text": "The office is closed tomorrow.", "topic": "closing-days"},
	"reschedule-notification": map[string]any{"in": "1h30m"},
	"edit-notification":       map[string]any{"text": "Your build is done after all."},
	"replay-deliveries":       map[string]any{"state": "failed", "limit": 100},
	"report-job-progress":     map[string]any{"text": "Half of the tests have passed.", "percent": 50},
	"create-job":              map[string]any{"to": map[string]any{"user": "dl_ann"}, "name": "build", "value": map[string]any{"number": 7}},
	"complete-job":            map[string]any{"text": "Your build is done."},
	"create-schedule": map[string]any{
		"name": "stand-up", "rule": map[string]any{"cron": "30 9 * * MON-FRI", "zone": "Europe/Berlin"},
		"notification": map[string]any{"to": map[string]any{"tag": "team"}, "text": "Time for the stand-up.", "expires_in": "15m"},
	},
	"put-template": map[string]any{
		"default_language": "en",
		"parameters":       []any{map[string]any{"name": "deal", "type": "object", "required": true, "example": map[string]any{"name": "Contoso", "amount": 12400}}},
		"languages": map[string]any{
			"en": map[string]any{"notice": map[string]any{"what": "${data.deal.name} was won", "facts": []any{map[string]any{"title": "Amount", "value": "${number(data.deal.amount)}"}}}},
			"de": map[string]any{"markdown": "**${data.deal.name}** ist gewonnen: ${number(data.deal.amount)}"},
		},
	},
	"create-preview":   map[string]any{"notice": map[string]any{"what": "The invoice needs your approval", "item": map[string]any{"title": "INV-2041"}}, "locale": "en-GB"},
	"preview-schedule": map[string]any{"rule": map[string]any{"rrule": "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1", "start": "2026-12-01T16:00", "zone": "Europe/Berlin"}, "n": 3},
	"change-schedule":  map[string]any{"rule": map[string]any{"cron": "0 10 * * MON-FRI", "zone": "Europe/Berlin"}},
	"find-person":      map[string]any{"user": "dl_ann"},
	"export-person":    map[string]any{"external_id": "employee-4711"},
	"erase-person":     map[string]any{"user": "dl_ann", "channel": "directline"},
	"import-references": map[string]any{"references": []any{map[string]any{"external_id": "employee-4711", "reference": map[string]any{
		"channelId": "msteams", "serviceUrl": "https://smba.trafficmanager.net/emea/", "user": map[string]any{"id": "29:1q", "name": "Nadia"},
		"bot": map[string]any{"id": "28:3c"}, "conversation": map[string]any{"id": "a:1m", "tenantId": "5f0f6b0e-2f6a-4c61-9d63-0a3b7c1d9e20"},
	}}}},
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
