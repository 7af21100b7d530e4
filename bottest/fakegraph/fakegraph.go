// Package fakegraph stands for Microsoft Graph: people, groups, the catalog of apps, and installations, over real HTTPS.
//
//	fake, err := fakegraph.New()
//	defer fake.Close()
//	fake.AddUser(fakegraph.User{ID: "…", UPN: "nadia@contoso.example"})
//	fake.AddApp(fakegraph.App{ID: "catalog-1", ExternalID: manifestID})
//	client, err := graph.New(graph.Config{Tokens: tokens, BaseURL: fake.URL, RootCAs: fake.Roots(), AllowLoopback: true})
//
// What goes wrong is asked for: [Server.Throttle], [Server.Deny], [Server.Forbid], [Server.Fail].
package fakegraph

import (
	"crypto/x509"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup/bottest/fakechannel"
)

// User is a person of the tenant.
type User struct {
	ID   string `json:"id"`
	Name string `json:"displayName"`
	Mail string `json:"mail"`
	UPN  string `json:"userPrincipalName"`
	Type string `json:"userType"`
}

// App is an app of the catalog.
type App struct {
	ID           string `json:"id"`
	ExternalID   string `json:"externalId"`
	Name         string `json:"displayName"`
	Distribution string `json:"distributionMethod"`
}

// Installed is that an app was installed: what Teams would tell the bot of.
type Installed struct {
	AppID string
	// User is the person's object id, or Team the id of the team's group.
	User, Team string
	// Chat is the conversation with the person.
	Chat string
}

// Server is Graph of one tenant. Make it with [New]; safe for concurrent use.
type Server struct {
	// URL is its address, without a slash at its end.
	URL string

	http  *fakechannel.Server // that serves it; nil if it is served by another
	serve http.Handler

	mu        sync.Mutex // guards all below
	users     map[string]User
	groups    map[string][]string
	apps      map[string]App
	installed map[string]Installed // by the id of the installation
	told      func(Installed)
	chatOf    func(user string) string
	granted   func(token string) bool
	denied    map[string]string // permission that is missing, by the begin of "METHOD path"
	forbidden map[string]bool   // users and teams where a policy forbids installations
	failures  []failure
	requests  []string
	next      string // what members names as the next page, in place of its own
}

type failure struct {
	status     int
	retryAfter string
}

// New starts a server. Close ends it. It panics if there is no port to listen on.
func New() *Server {
	s := Open()
	var err error
	if s.http, err = fakechannel.New(fakechannel.Config{TLS: true, Beside: s}); err != nil {
		panic(err)
	}
	s.URL = s.http.URL()
	return s
}

// Open is a Graph that does not listen: it is a handler for paths below /v1.0/. Who serves it sets URL.
func Open() *Server {
	s := &Server{
		users: make(map[string]User), groups: make(map[string][]string), apps: make(map[string]App), installed: make(map[string]Installed),
		denied: make(map[string]string), forbidden: make(map[string]bool), told: func(Installed) {}, chatOf: func(user string) string { return "a:chat-" + user },
		granted: func(token string) bool { return token != "" },
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1.0/users", s.findUsers)
	mux.HandleFunc("GET /v1.0/users/{user}", s.user)
	mux.HandleFunc("GET /v1.0/groups/{group}/transitiveMembers/microsoft.graph.user", s.members)
	mux.HandleFunc("GET /v1.0/appCatalogs/teamsApps", s.findApps)
	for _, place := range []string{"users/{user}/teamwork", "teams/{team}"} {
		mux.HandleFunc("GET /v1.0/"+place+"/installedApps", s.installations)
		mux.HandleFunc("POST /v1.0/"+place+"/installedApps", s.install)
	}
	mux.HandleFunc("GET /v1.0/users/{user}/teamwork/installedApps/{installation}/chat", s.chat)
	s.serve = s.guarded(mux)
	return s
}

// ServeHTTP answers as Graph does.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.serve.ServeHTTP(w, r) }

// Close ends a server that [New] has started.
func (s *Server) Close() {
	if s.http != nil {
		_ = s.http.Close() // nobody waits for what was running
	}
}

// Roots are the authorities that vouch for a server that [New] has started.
func (s *Server) Roots() *x509.CertPool {
	if s.http == nil {
		return nil
	}
	return s.http.RootCAs()
}

// AuthorityPEM is Roots as PEM.
func (s *Server) AuthorityPEM() []byte {
	return s.http.AuthorityPEM()
}

// AddUser adds a person, who is a member of the tenant if nothing else is said.
func (s *Server) AddUser(u User) {
	if u.Type == "" {
		u.Type = "Member"
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.users[u.ID] = u
}

// AddGroup adds a group of people, by their object ids. A team is a group.
func (s *Server) AddGroup(id string, members ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.groups[id] = members
}

// AddApp adds an app to the catalog, as the organisation's if nothing else is said.
func (s *Server) AddApp(a App) {
	if a.Distribution == "" {
		a.Distribution = "organization"
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.apps[a.ID] = a
}

// RemoveApp takes an app out of the catalog.
func (s *Server) RemoveApp(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.apps, id)
}

// Tells has f called after each installation, as Teams would tell the bot.
func (s *Server) Tells(f func(Installed)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.told = f
}

// NamesChats has f say what the conversation of the bot and a person is called.
func (s *Server) NamesChats(f func(user string) string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.chatOf = f
}

// SetInstalled has an app be installed, or not, as if somebody had done it without Graph. Nobody is told. One of User and
// Team is set.
func (s *Server) SetInstalled(i Installed, installed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !installed {
		delete(s.installed, i.id())
		return
	}
	s.installed[i.id()] = i
}

// id is that of the installation.
func (i Installed) id() string { return i.User + i.Team + "-" + i.AppID }

// Grants says which tokens are good. By itself all are.
func (s *Server) Grants(f func(token string) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.granted = f
}

// Deny has requests refused for want of a permission, by how "METHOD /path" begins; an empty permission takes it back.
func (s *Server) Deny(prefix, permission string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.denied[prefix] = permission; permission == "" {
		delete(s.denied, prefix)
	}
}

// Forbid has a policy of the tenant keep the app from a person or team.
func (s *Server) Forbid(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forbidden[id] = true
}

// Throttle has the next n requests answered with 429, and with a Retry-After of so many seconds unless that is negative.
func (s *Server) Throttle(n, seconds int) { s.Fail(n, http.StatusTooManyRequests, seconds) }

// Fail has the next n requests answered with a status.
func (s *Server) Fail(n, status, seconds int) {
	after := ""
	if seconds >= 0 {
		after = strconv.Itoa(seconds)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for range n {
		s.failures = append(s.failures, failure{status, after})
	}
}

// NextPage has the members of groups continue at an address, which may be another's.
func (s *Server) NextPage(address string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next = address
}

// Requests are all that were made so far, as "METHOD path".
func (s *Server) Requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.requests...)
}

// guarded is what comes before every answer.
func (s *Server) guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked := r.Method + " " + r.URL.Path
		s.mu.Lock()
		s.requests = append(s.requests, asked)
		granted, permission := s.granted, ""
		for prefix, missing := range s.denied {
			if strings.HasPrefix(asked, prefix) {
				permission = missing
			}
		}
		var wrong *failure
		if len(s.failures) > 0 {
			wrong, s.failures = &s.failures[0], s.failures[1:]
		}
		s.mu.Unlock()
		w.Header().Set("Request-Id", "request-"+strconv.Itoa(len(asked)))
		token, isBearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		switch {
		case wrong != nil:
			if wrong.retryAfter != "" {
				w.Header().Set("Retry-After", wrong.retryAfter)
			}
			refuse(w, wrong.status, "TooManyRequests", "Too many requests")
		case !isBearer || !granted(token):
			refuse(w, http.StatusUnauthorized, "InvalidAuthenticationToken", "Access token is empty or has expired.")
		case permission != "":
			refuse(w, http.StatusForbidden, "Forbidden", "Missing role permissions on the request. API requires one of '"+permission+"'.")
		default:
			next.ServeHTTP(w, r)
		}
	})
}

func refuse(w http.ResponseWriter, status int, code, message string) {
	answer(w, status, map[string]any{"error": map[string]any{"code": code, "message": message}})
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.MarshalWrite(w, body)
}

func list(w http.ResponseWriter, items any) {
	answer(w, http.StatusOK, map[string]any{"value": items})
}

// known finds a person as Graph does in a path: by object id or user principal name. s.mu is held.
func (s *Server) known(name string) (User, bool) {
	if u, ok := s.users[name]; ok {
		return u, true
	}
	for _, u := range s.users {
		if u.UPN != "" && strings.EqualFold(u.UPN, name) {
			return u, true
		}
	}
	return User{}, false
}

func (s *Server) user(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	u, ok := s.known(r.PathValue("user"))
	s.mu.Unlock()
	if !ok {
		refuse(w, http.StatusNotFound, "Request_ResourceNotFound", "Resource '"+r.PathValue("user")+"' does not exist or one of its queried reference-property objects are not present.")
		return
	}
	answer(w, http.StatusOK, u)
}

// literal is the first text in a filter.
func literal(r *http.Request) string {
	_, rest, _ := strings.Cut(r.URL.Query().Get("$filter"), "'")
	value, _, _ := strings.Cut(strings.ReplaceAll(rest, "''", "\x00"), "'")
	return strings.ReplaceAll(value, "\x00", "'")
}

func (s *Server) findUsers(w http.ResponseWriter, r *http.Request) {
	found := []User{}
	s.mu.Lock()
	for _, u := range s.users {
		if strings.EqualFold(u.Mail, literal(r)) {
			found = append(found, u)
		}
	}
	s.mu.Unlock()
	list(w, found)
}

func (s *Server) findApps(w http.ResponseWriter, r *http.Request) {
	found := []App{}
	s.mu.Lock()
	for _, a := range s.apps {
		if a.ExternalID == literal(r) {
			found = append(found, a)
		}
	}
	s.mu.Unlock()
	list(w, found)
}

func (s *Server) members(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	top, err := strconv.Atoi(query.Get("$top"))
	if err != nil || top < 1 || top > 999 {
		top = 100
	}
	after, _ := strconv.Atoi(query.Get("$skiptoken"))
	s.mu.Lock()
	ids, ok := s.groups[r.PathValue("group")]
	page := []User{}
	for _, id := range ids[min(after, len(ids)):min(after+top, len(ids))] {
		page = append(page, s.users[id])
	}
	elsewhere := s.next
	s.mu.Unlock()
	if !ok {
		refuse(w, http.StatusNotFound, "Request_ResourceNotFound", "Resource does not exist.")
		return
	}
	body := map[string]any{"value": page}
	if elsewhere != "" {
		body["@odata.nextLink"] = elsewhere
	} else if after+top < len(ids) {
		query.Set("$skiptoken", strconv.Itoa(after+top))
		body["@odata.nextLink"] = s.URL + r.URL.Path + "?" + query.Encode()
	}
	answer(w, http.StatusOK, body)
}

// at finds the place of a request: a person's object id or a team's id. s.mu is held.
func (s *Server) at(r *http.Request) (user, team string, ok bool) {
	if name := r.PathValue("user"); name != "" {
		u, ok := s.known(name)
		return u.ID, "", ok
	}
	team = r.PathValue("team")
	_, ok = s.groups[team]
	return "", team, ok
}

func (s *Server) installations(w http.ResponseWriter, r *http.Request) {
	found := []map[string]any{}
	s.mu.Lock()
	user, team, ok := s.at(r)
	for id, i := range s.installed {
		if i.User == user && i.Team == team && i.AppID == literal(r) {
			found = append(found, map[string]any{"id": id, "teamsApp": s.apps[i.AppID]})
		}
	}
	s.mu.Unlock()
	if !ok {
		refuse(w, http.StatusNotFound, "NotFound", "The user or team does not exist.")
		return
	}
	list(w, found)
}

func (s *Server) install(w http.ResponseWriter, r *http.Request) {
	var body map[string]string
	if err := json.UnmarshalRead(r.Body, &body); err != nil {
		refuse(w, http.StatusBadRequest, "BadRequest", err.Error())
		return
	}
	bind := body["teamsApp@odata.bind"]
	appID := bind[strings.LastIndexByte(bind, '/')+1:]
	s.mu.Lock()
	user, team, ok := s.at(r)
	app, inCatalog := s.apps[appID]
	made := Installed{AppID: app.ID, User: user, Team: team}
	_, there := s.installed[made.id()]
	guest := s.users[user].Type == "Guest"
	forbidden := s.forbidden[user+team]
	told, chatOf := s.told, s.chatOf
	if ok && inCatalog && !there && !guest && !forbidden {
		s.installed[made.id()] = made
	}
	s.mu.Unlock()
	if user != "" {
		made.Chat = chatOf(user)
	}
	switch {
	case !ok:
		refuse(w, http.StatusNotFound, "NotFound", "The user or team does not exist.")
	case !inCatalog:
		refuse(w, http.StatusNotFound, "NotFound", "The app is not found in the catalog.")
	case there:
		refuse(w, http.StatusConflict, "Conflict", "The app is already installed.")
	case guest:
		refuse(w, http.StatusForbidden, "Forbidden", "Apps cannot be installed for guests.")
	case forbidden:
		refuse(w, http.StatusForbidden, "Forbidden", "The app is blocked by an app permission policy.")
	default:
		w.WriteHeader(http.StatusCreated)
		told(made)
	}
}

func (s *Server) chat(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	i, ok := s.installed[r.PathValue("installation")]
	chatOf := s.chatOf
	s.mu.Unlock()
	if !ok || i.User != r.PathValue("user") {
		refuse(w, http.StatusNotFound, "NotFound", "No installation was found.")
		return
	}
	answer(w, http.StatusOK, map[string]any{"id": chatOf(i.User), "chatType": "oneOnOne"})
}
