package httpapi_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/pace"
)

func TestPausesAreListedAndEnded(t *testing.T) {
	t.Parallel()
	f := newAPI(t)
	route := pace.Route{App: "app", Channel: "msteams", Tenant: "t", Host: "smba.example"}
	f.limits.Pause(route.OfConversation("19:x"), time.Now().Add(time.Minute), pace.ReasonThrottled)
	f.limits.Pause(route.OfHost(), time.Now().Add(-time.Second), pace.ReasonUnreachable)
	f.limits.Pause(route.OfTenant(), time.Now().Add(time.Hour), pace.ReasonThrottled)

	list := decode[api.Pauses](t, f.call(t, "GET", "/v1/pauses?limit=2", ""))
	if list.Total != 3 || len(list.Pauses) != 2 {
		t.Fatalf("%+v", list)
	}
	host, tenant := list.Pauses[0], list.Pauses[1]
	if host.Level != "host" || host.Host != "smba.example" || host.State != "trying" || host.Reason != "unreachable" || host.Times != 1 {
		t.Errorf("the first is %+v", host)
	}
	if tenant.Level != "tenant" || tenant.Channel != "msteams" || tenant.Tenant != "t" || tenant.State != "paused" || tenant.Conversation != "" {
		t.Errorf("the second is %+v", tenant)
	}
	if w := f.call(t, "DELETE", "/v1/pauses/"+tenant.ID, ""); w.Code != http.StatusOK || decode[api.Pause](t, w).ID != tenant.ID {
		t.Errorf("ended: %d %s", w.Code, w.Body)
	}
	if w := f.call(t, "DELETE", "/v1/pauses/"+tenant.ID, ""); w.Code != http.StatusNotFound {
		t.Errorf("ended again: %d", w.Code)
	}
	if ps := f.limits.Pauses(); len(ps) != 2 {
		t.Errorf("paused still: %v", ps)
	}
}
