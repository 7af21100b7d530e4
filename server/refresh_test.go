//go:build unix

package server_test

import (
	"net/http"
	"os/exec"
	"strings"
	"testing"

	"github.com/headsup-bot/headsup/bottest/fakelogin"
	"github.com/headsup-bot/headsup/server"
)

// TestAttackWithdrawnKeys is J17 on the binary as it is shipped: a key that was withdrawn is refused when "headsup auth refresh"
// has ended, and the audit log says who asked for that.
func TestAttackWithdrawnKeys(t *testing.T) {
	t.Parallel()
	b := besiege(t, func(cfg *server.Azure) { cfg.Callers = []string{azureTenant} })
	b.welcome("a:1", "1")
	fresh := b.named("channel-2")
	fresh.Endorsements = b.forger.Channel.Endorsements
	b.azure.login.Channel.Publish(fresh)
	if status := b.sentWith(b.forger.Channel, "2"); status/100 != 2 {
		t.Errorf("before anybody asks for it: %d", status)
	}
	refresh := func() (string, error) {
		out, err := exec.CommandContext(t.Context(), b.binary, "auth", "refresh", "--data", b.data).CombinedOutput()
		return string(out), err
	}
	if said, err := refresh(); err != nil || !strings.Contains(said, "channels: 1 key from "+b.azure.login.Cloud().ChannelMetadata+"\n") ||
		!strings.Contains(said, "entra: 1 key from ") {
		t.Fatalf("%v: %s", err, said)
	}
	before := b.dump()
	if status := b.sentWith(b.forger.Channel, "3"); status != http.StatusUnauthorized {
		t.Errorf("J17: a key that was withdrawn: %d", status)
	}
	b.unchanged(t, before)
	if status := b.sentWith(fresh, "4"); status/100 != 2 {
		t.Errorf("the key that is in its place: %d", status)
	}
	if _, log := b.api(b.key, http.MethodGet, "/v1/audit?action=auth.refresh", ""); strings.Count(log, `"action":"auth.refresh","actor":"local","from":"127.0.0.1"`) != 1 {
		t.Errorf("the audit log has %s", log)
	}
	b.azure.login.Channel.Answer(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }, nil)
	if said, err := refresh(); err == nil || !strings.Contains(said, "the answer was 502") || !strings.Contains(said, "1 set could not be fetched") {
		t.Errorf("with the issuer away: %v: %s", err, said)
	}
	if status := b.sentWith(fresh, "5"); status/100 != 2 {
		t.Errorf("with the issuer away: %d", status)
	}
	_, manager := b.newKey("manage")
	if status, answer := b.api(manager, http.MethodPost, "/v1/auth/refresh", ""); status != http.StatusForbidden {
		t.Errorf("without the scope admin: %d %s", status, answer)
	}
}

// TestWithdrawnKeysAreRefusedOnEveryNode when one was asked.
func TestWithdrawnKeysAreRefusedOnEveryNode(t *testing.T) {
	t.Parallel()
	a := newAzure(t)
	b := newNodes(t, 2, server.Config{Azure: a.config()})
	one, other := b.servers[0].String(), b.servers[1].String()
	say := func(node, conversation string) int {
		body, token := a.said(conversation, a.channel.ServiceURL(azureTenant))
		r, _ := request(t, http.MethodPost, node+"/api/messages", body, "Authorization", token)
		return r.StatusCode
	}
	for _, node := range []string{one, other} {
		if status := say(node, "a:1"); status/100 != 2 {
			t.Fatalf("%s: %d", node, status)
		}
	}
	a.login.Channel.Publish(fakelogin.NewKey("k2", "msteams"))
	if status := say(other, "a:2"); status/100 != 2 {
		t.Errorf("before anybody asks for it: %d", status)
	}
	if r, answer := request(t, http.MethodPost, one+"/v1/auth/refresh", ""); r.StatusCode != http.StatusOK {
		t.Fatalf("%s %s", r.Status, answer)
	}
	if status := say(one, "a:1"); status != http.StatusUnauthorized {
		t.Errorf("on the node that was asked: %d", status)
	}
	eventually(t, func() string { return "the other node refuses it" }, func() bool { return say(other, "a:1") == http.StatusUnauthorized })
}
