// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ui

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/cli/operations"
)

// noon is the present of the tables.
var noon = time.Date(2026, time.November, 26, 12, 0, 0, 0, time.UTC)

func at(d time.Duration) *metav1.Time { return &metav1.Time{Time: noon.Add(d)} }

// apikey returns an Active APIKey that was used a minute ago, with changes.
func apikey(name string, changes ...func(*v1alpha1.APIKey)) *v1alpha1.APIKey {
	k := &v1alpha1.APIKey{
		ObjectMeta: metav1.ObjectMeta{Namespace: "storefront", Name: name, UID: "uid", CreationTimestamp: *at(-48 * time.Hour)},
		Spec:       v1alpha1.APIKeySpec{Environment: v1alpha1.EnvironmentProduction, Permissions: []v1alpha1.Permission{"customers:read"}},
		Status: v1alpha1.APIKeyStatus{
			Phase: v1alpha1.PhaseActive, LastUsedAt: at(-time.Minute),
			Keys: []v1alpha1.KeyRecord{{ID: "first", State: v1alpha1.KeyActive, CreatedAt: *at(-48 * time.Hour)}},
		},
	}
	for _, change := range changes {
		change(k)
	}

	return k
}

func phase(p v1alpha1.Phase) func(*v1alpha1.APIKey) {
	return func(k *v1alpha1.APIKey) { k.Status.Phase = p }
}

func condition(name string, status metav1.ConditionStatus, reason string) func(*v1alpha1.APIKey) {
	return func(k *v1alpha1.APIKey) {
		k.Status.Conditions = append(k.Status.Conditions, metav1.Condition{Type: name, Status: status, Reason: reason, Message: "Because."})
	}
}

func retiring(until time.Duration) func(*v1alpha1.APIKey) {
	return func(k *v1alpha1.APIKey) {
		k.Status.Keys = append(k.Status.Keys, v1alpha1.KeyRecord{ID: "old", State: v1alpha1.KeyRetiring, NotAfter: at(until)})
	}
}

func expires(in time.Duration) func(*v1alpha1.APIKey) {
	return func(k *v1alpha1.APIKey) { k.Spec.ExpiresAt, k.Status.ExpiresAt = at(in), at(in) }
}

// delivered makes the key one that is handed out once and has to be claimed within a time.
func delivered(within time.Duration) func(*v1alpha1.APIKey) {
	return func(k *v1alpha1.APIKey) {
		k.Spec.Secret = &v1alpha1.SecretTemplate{Delivery: v1alpha1.DeliveryOnce}
		k.Status.Keys[0].ClaimDeadline = at(within)
	}
}

func claimed(k *v1alpha1.APIKey) {
	k.Status.ClaimedAt, k.Status.Keys[0].ClaimDeadline = at(-time.Minute), nil
}

func TestDeliveryWords(t *testing.T) {
	for want, key := range map[string]*v1alpha1.APIKey{
		"": apikey("a"),
		"once; it is revoked unless it is claimed until 13:20":           apikey("a", delivered(80*time.Minute)),
		"once; it was not claimed in time, and so was revoked":           apikey("a", delivered(-time.Second)),
		"once; claimed 1 minute ago, and no copy is left in the cluster": apikey("a", delivered(time.Hour), claimed),
	} {
		if got := deliveryWords(summarize(key), noon); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestChips(t *testing.T) {
	stalled := func(reason string) func(*v1alpha1.APIKey) {
		return condition(v1alpha1.ConditionStalled, metav1.ConditionTrue, reason)
	}
	pending := phase(v1alpha1.PhasePending)
	noncompliant := condition(v1alpha1.ConditionCompliant, metav1.ConditionFalse, "PolicyDenied")
	disputed := condition(v1alpha1.ConditionDisputed, metav1.ConditionTrue, "Disputed")
	for name, test := range map[string]struct {
		key  *v1alpha1.APIKey
		want chip
	}{
		"it works":                      {apikey("a"), chip{"Active", toneOK, false}},
		"it was never used":             {apikey("a", func(k *v1alpha1.APIKey) { k.Status.LastUsedAt = nil }), chip{"Active, never used", toneOK, true}},
		"an overlap runs":               {apikey("a", retiring(80*time.Minute)), chip{"Rotating until 13:20", toneWarn, false}},
		"an overlap until tomorrow":     {apikey("a", retiring(24*time.Hour)), chip{"Rotating until 27 November, 12:00", toneWarn, false}},
		"an overlap has ended":          {apikey("a", retiring(0)), chip{"Active", toneOK, false}},
		"a policy is not met":           {apikey("a", noncompliant), chip{"Active, against policy", toneWarn, false}},
		"another APIKey has it":         {apikey("a", disputed), chip{"Refused: disputed", toneBad, false}},
		"it is new":                     {apikey("a", pending), chip{"Being made", toneWarn, true}},
		"the operator never saw it":     {apikey("a", phase("")), chip{"Being made", toneWarn, true}},
		"its Secret's name is taken":    {apikey("a", pending, stalled(v1alpha1.ReasonSecretConflict)), chip{"No key: Secret name is taken", toneBad, false}},
		"it works and cannot go on":     {apikey("a", stalled(v1alpha1.ReasonRequestRefused)), chip{"Stuck: the operator lacks a right", toneBad, false}},
		"a reason of a later version":   {apikey("a", stalled("NewReason")), chip{"Stuck: NewReason", toneBad, false}},
		"it is disabled":                {apikey("a", phase(v1alpha1.PhaseSuspended)), chip{"Inactive, disabled", toneOff, false}},
		"it is revoked":                 {apikey("a", phase(v1alpha1.PhaseRevoked)), chip{"Inactive, revoked", toneOff, true}},
		"it waits for a claim":          {apikey("a", delivered(80*time.Minute)), chip{"To be claimed until 13:20", toneWarn, false}},
		"nobody has claimed it":         {apikey("a", delivered(0)), chip{"Inactive, not claimed", toneOff, true}},
		"it was claimed":                {apikey("a", delivered(0), claimed), chip{"Active", toneOK, false}},
		"it has expired":                {apikey("a", phase(v1alpha1.PhaseExpired)), chip{"Expired", toneOff, true}},
		"it expires now, not yet told":  {apikey("a", expires(0)), chip{"Expired", toneOff, true}},
		"it expires in a second":        {apikey("a", expires(time.Second)), chip{"Active", toneOK, false}},
		"it is revoked and past expiry": {apikey("a", phase(v1alpha1.PhaseRevoked), expires(-time.Hour)), chip{"Inactive, revoked", toneOff, true}},
		"it is being deleted":           {apikey("a", func(k *v1alpha1.APIKey) { k.DeletionTimestamp = at(0) }), chip{"Being deleted", toneOff, true}},
	} {
		if got := chipOf(summarize(test.key), noon); got != test.want {
			t.Errorf("%s: %+v, want %+v", name, got, test.want)
		}
	}
}

func TestWords(t *testing.T) {
	for _, test := range []struct{ got, want string }{
		{span(0), "0 seconds"},
		{span(-time.Hour), "0 seconds"},
		{span(time.Second), "1 second"},
		{span(59 * time.Second), "59 seconds"},
		{span(time.Minute), "1 minute"},
		{span(119 * time.Minute), "119 minutes"},
		{span(2 * time.Hour), "2 hours"},
		{span(47 * time.Hour), "47 hours"},
		{span(48 * time.Hour), "2 days"},
		{span(59 * day), "59 days"},
		{span(60 * day), "2 months"},
		{span(364 * day), "12 months"},
		{span(729 * day), "24 months"},
		{span(730 * day), "2 years"},
		{until(noon.Add(12*day), noon), "in 12 days"},
		{until(noon.Add(-12*day), noon), "12 days ago"},
		{since(noon.Add(time.Hour), noon), "just now"},
		{since(noon.Add(-4*time.Second), noon), "just now"},
		{since(noon.Add(-5*time.Second), noon), "5 seconds ago"},
		{clockTime(noon.Add(time.Hour), noon), "13:00"},
		{clockTime(noon.AddDate(1, 0, 0), noon), "26 November, 12:00"},
		{plural(1, "key"), "1 key"},
		{plural(0, "key"), "0 keys"},
		{number(0), "0"},
		{number(999), "999"},
		{number(1000), "1,000"},
		{number(1234567), "1,234,567"},
		{number(-1000), "-1,000"},
		{limitWords(nil), "no limit"},
		{limitWords(&v1alpha1.RateLimit{Requests: 1000, Per: "1m"}), "1,000 / 1m"},
		{limitSentence(&v1alpha1.RateLimit{Requests: 100, Per: "1h", Burst: 20}), "100 per hour, 20 at once"},
		{limitSentence(&v1alpha1.RateLimit{Requests: 100, Per: "10s"}), "100 per 10 seconds"},
		{lengthWords("720h"), "30 days"},
		{lengthWords("90m"), "90 minutes"},
		{lengthWords("junk"), "junk"},
		{capital(""), ""},
		{capital("école"), "École"},
	} {
		if test.got != test.want {
			t.Errorf("%q, want %q", test.got, test.want)
		}
	}
}

// fleetOf returns summaries of keys in all states.
func fleetOf() []*summary {
	named := func(name string) func(*v1alpha1.APIKey) {
		return func(k *v1alpha1.APIKey) { k.Spec.DisplayName = name }
	}
	in := func(namespace string, e v1alpha1.Environment) func(*v1alpha1.APIKey) {
		return func(k *v1alpha1.APIKey) { k.Namespace, k.Spec.Environment = namespace, e }
	}
	var all []*summary
	for _, k := range []*v1alpha1.APIKey{
		apikey("web", named("Website"), expires(12*day)),
		apikey("sync", named("synchronizer"), in("crm", v1alpha1.EnvironmentStaging), func(k *v1alpha1.APIKey) { k.Spec.Owner = "Jane@example.com" }),
		apikey("old", phase(v1alpha1.PhaseExpired), expires(-day)),
		apikey("off", phase(v1alpha1.PhaseSuspended)),
		apikey("dead", phase(v1alpha1.PhaseRevoked)),
		apikey("stuck", phase(v1alpha1.PhasePending), condition(v1alpha1.ConditionStalled, metav1.ConditionTrue, v1alpha1.ReasonSecretConflict)),
		apikey("idle", func(k *v1alpha1.APIKey) { k.Status.LastUsedAt = at(-100 * day) }),
	} {
		all = append(all, summarize(k))
	}

	return all
}

func titles(v *listView) string {
	var all []string
	for _, r := range v.Rows {
		all = append(all, r.Title)
	}

	return strings.Join(all, " ")
}

// TestList: each address shows what it asks for, in its order.
func TestList(t *testing.T) {
	for address, want := range map[string]string{
		"":                             "dead idle off old stuck synchronizer Website",
		"sort=-name":                   "Website synchronizer stuck old off idle dead",
		"sort=expires":                 "old Website dead idle off stuck synchronizer",
		"sort=status":                  "stuck idle synchronizer Website old off dead",
		"sort=used":                    "dead off old stuck synchronizer Website idle",
		"sort=nothing":                 "dead idle off old stuck synchronizer Website",
		"status=active":                "idle synchronizer Website",
		"status=inactive":              "dead off",
		"status=expired":               "old",
		"status=expiring":              "Website",
		"status=unused":                "idle",
		"status=attention":             "stuck",
		"status=nothing":               "",
		"q=JANE":                       "synchronizer",
		"q=website+customers":          "Website",
		"q=storefront/web":             "Website",
		"q=first&environment=Staging":  "synchronizer",
		"namespace=crm":                "synchronizer",
		"namespace=crm&q=web":          "",
		"q=%00%3Cscript%3E":            "",
		"page=99":                      "dead idle off old stuck synchronizer Website",
		"page=-1&page=x":               "dead idle off old stuck synchronizer Website",
		"environment=Production&q=old": "old",
	} {
		values, err := url.ParseQuery(address)
		if err != nil {
			t.Fatal(err)
		}
		v := newListView(fleetOf(), parseListQuery(values), scope{}, noon)
		if got := titles(v); got != want {
			t.Errorf("%s: %q, want %q", address, got, want)
		}
		if (v.Empty != nil) != (want == "") {
			t.Errorf("%s: an empty list has to say so, and no other", address)
		}
	}
}

// TestListLinks: following the links of a list keeps the rest of what was asked for, and reading an address gives back the query.
func TestListLinks(t *testing.T) {
	q := listQuery{Search: "a b&c", Namespace: "crm", Environment: "Staging", Status: pickActive, Sort: columnUsed, Reverse: true, Page: 3}
	again, err := url.Parse(q.path())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(q, parseListQuery(again.Query())); diff != "" {
		t.Error(diff)
	}
	v := newListView(fleetOf(), listQuery{Search: "o"}, scope{}, noon)
	for _, p := range v.Picks {
		if p.Path != "/?q=o" && !strings.HasPrefix(p.Path, "/?q=o&status=") {
			t.Errorf("%s leads to %s", p.Name, p.Path)
		}
		values, err := url.Parse(p.Path)
		if err != nil {
			t.Fatal(err)
		}
		if got := newListView(fleetOf(), parseListQuery(values.Query()), scope{}, noon); number(len(got.Rows)) != p.Count {
			t.Errorf("%s says %s and leads to %d", p.Name, p.Count, len(got.Rows))
		}
	}
	if v.Columns[0].Sort != "ascending" || v.Columns[0].Path != "/?q=o&sort=-name" || v.Columns[5].Path != "/?q=o&sort=expires" {
		t.Errorf("%+v", v.Columns)
	}
}

// TestPages: pages follow each other without a gap.
func TestPages(t *testing.T) {
	var all []*summary
	for i := range 250 {
		all = append(all, summarize(apikey(fmt.Sprintf("key-%03d", i))))
	}
	var seen []string
	q, pages := listQuery{}, 0
	for {
		v := newListView(all, q, scope{}, noon)
		seen = append(seen, strings.Fields(titles(v))...)
		pages++
		if v.Pages.Next == "" {
			break
		}
		next, err := url.Parse(v.Pages.Next)
		if err != nil {
			t.Fatal(err)
		}
		q = parseListQuery(next.Query())
	}
	if pages != 3 || len(seen) != 250 || seen[0] != "key-000" || seen[249] != "key-249" {
		t.Errorf("%d pages, %d keys", pages, len(seen))
	}
	if v := newListView(all, listQuery{Page: 3}, scope{}, noon); v.Pages.Words != "201 to 250 of 250" {
		t.Error(v.Pages.Words)
	}
}

// TestActions: a key offers what can be done with it, and nothing else.
func TestActions(t *testing.T) {
	suspended := func(k *v1alpha1.APIKey) { k.Status.Phase, k.Spec.Suspend = v1alpha1.PhaseSuspended, true }
	for name, test := range map[string]struct {
		key  *v1alpha1.APIKey
		want string
	}{
		"active":        {apikey("a"), "Rename Regenerate Disable Revoke Delete"},
		"disabled":      {apikey("a", suspended), "Rename Regenerate Enable Revoke Delete"},
		"revoked":       {apikey("a", phase(v1alpha1.PhaseRevoked)), "Rename Delete"},
		"expired":       {apikey("a", phase(v1alpha1.PhaseExpired)), "Rename Delete"},
		"being deleted": {apikey("a", func(k *v1alpha1.APIKey) { k.DeletionTimestamp = at(0) }), ""},
	} {
		var got []string
		for _, a := range actionsFor(test.key, noon) {
			got = append(got, a.Name)
		}
		if strings.Join(got, " ") != test.want {
			t.Errorf("%s: %v, want %s", name, got, test.want)
		}
	}
	if newActionForm("explode", apikey("a"), noon) != nil {
		t.Error("an unknown action has a form")
	}
}

// TestSeen: what another person changes meanwhile makes a form stale, and what the programs report does not.
func TestSeen(t *testing.T) {
	before := seen(apikey("a"))
	for name, test := range map[string]struct {
		change func(*v1alpha1.APIKey)
		stale  bool
	}{
		"a use":              {func(k *v1alpha1.APIKey) { k.Status.LastUsedAt, k.ResourceVersion = at(0), "9" }, false},
		"a change of spec":   {func(k *v1alpha1.APIKey) { k.Generation++ }, true},
		"another object":     {func(k *v1alpha1.APIKey) { k.UID = "other" }, true},
		"a rotation":         {func(k *v1alpha1.APIKey) { k.Status.Keys[0].ID = "second" }, true},
		"the end of the key": {func(k *v1alpha1.APIKey) { k.Status.Keys = nil }, true},
	} {
		if got := seen(apikey("a", test.change)) != before; got != test.stale {
			t.Errorf("%s: stale is %v", name, got)
		}
	}
}

// TestTimeline: the latest comes first, the present is among the moments, and an event that repeats the status is left out.
func TestTimeline(t *testing.T) {
	entries := timelineOf([]operations.Moment{
		{At: noon.Add(-2 * day), What: "APIKey created"},
		{At: noon.Add(-2 * day), What: "key abc minted"},
		{At: noon.Add(-2 * day), What: "Normal Minted: …", Event: &operations.EventText{Reason: "Minted", Message: `Secret "a" holds key abc`}},
		{At: noon.Add(-time.Hour), What: "Warning …", Event: &operations.EventText{Warning: true, Reason: "SecretModified", Message: "the Secret was edited"}},
		{At: noon.Add(-time.Minute), What: "rotated (Annotation)"},
		{At: noon.Add(day), What: "expiry"},
	}, noon)
	var got []string
	for _, e := range entries {
		got = append(got, e.What+" | "+e.When.Words)
	}
	if diff := cmp.Diff([]string{
		"Expiry | 27 November 2026, in 24 hours",
		"Now | 12:00",
		"Regenerated on request | 11:59, 1 minute ago",
		"The Secret was edited | 11:00, 60 minutes ago",
		"Key abc minted | 24 November 2026, 2 days ago",
		"APIKey created | 24 November 2026, 2 days ago",
	}, got); diff != "" {
		t.Error(diff)
	}
}

func TestAKeyThatExpiresSoonIsNoted(t *testing.T) {
	noted := []flash{{toneWarn, "This key expires soon.", "Because."}}
	over := []flash{{toneOff, "This key has expired.", "It cannot be renewed. Create another one for what still needs access."}}
	suspended, revoked := phase(v1alpha1.PhaseSuspended), phase(v1alpha1.PhaseRevoked)
	soon := condition(v1alpha1.ConditionExpiringSoon, metav1.ConditionTrue, v1alpha1.ReasonExpiringSoon)
	for name, test := range map[string]struct {
		key  *v1alpha1.APIKey
		want []flash
	}{
		"it does":                     {apikey("a", expires(time.Hour), soon), noted},
		"it does, and is disabled":    {apikey("a", expires(time.Hour), suspended, soon), noted},
		"it does not":                 {apikey("a", expires(time.Hour)), nil},
		"it has ended, not yet told":  {apikey("a", expires(0), soon), over},
		"it is revoked, not yet told": {apikey("a", revoked, soon), nil},
	} {
		if diff := cmp.Diff(test.want, notesFor(test.key, summarize(test.key), noon)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	views := conditionsOf(apikey("a", condition("Stalled", metav1.ConditionFalse, "S"), soon, condition("Ready", metav1.ConditionTrue, "R")), noon)
	var texts []string
	for _, view := range views {
		texts = append(texts, view.Text)
	}
	want := []string{"The cluster is as the key declares", "It expires soon", "The operator needs no help"}
	if !slices.Equal(texts, want) {
		t.Errorf("conditions are %q, want %q", texts, want)
	}
}
