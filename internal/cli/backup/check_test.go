// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package backup_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/cli/backup"
)

// tampering are changes of an entry with an overlap, after which it must not be restored.
func tampering(t testing.TB) map[string]func(e *backup.Entry) {
	other := activeEntry(t, "other")
	foreign := newKey(t)

	return map[string]func(e *backup.Entry){
		"the digest is that of another key": func(e *backup.Entry) { e.APIKey.Status.Keys[1] = record(foreign, v1alpha1.KeyActive, nil) },
		"the digest and its account are those of another key": func(e *backup.Entry) {
			e.APIKey.Status.Keys[1] = record(foreign, v1alpha1.KeyActive, nil)
			account(e)
		},
		"the Secret is that of another APIKey": func(e *backup.Entry) { e.Secret = clone(t, other).Secret },
		"the key is another one": func(e *backup.Entry) {
			e.Secret.Data[v1alpha1.SecretKeyDefault] = []byte(foreign.Reveal())
		},
		"the key is no key":          func(e *backup.Entry) { e.Secret.Data[v1alpha1.SecretKeyDefault] = []byte("password") },
		"the previous key is no key": func(e *backup.Entry) { e.Secret.Data["previous-api-key"] = []byte("password") },
		"the key has another character": func(e *backup.Entry) {
			value := e.Secret.Data[v1alpha1.SecretKeyDefault]
			value[20] ^= 1
		},
		"the key is gone":              func(e *backup.Entry) { delete(e.Secret.Data, v1alpha1.SecretKeyDefault) },
		"the Secret is gone":           func(e *backup.Entry) { e.Secret = nil },
		"the previous key is another":  func(e *backup.Entry) { e.Secret.Data["previous-api-key"] = []byte(foreign.Reveal()) },
		"the Secret has another entry": func(e *backup.Entry) { e.Secret.Data["tls.key"] = []byte(foreign.Reveal()) },
		"a record was added": func(e *backup.Entry) {
			e.APIKey.Status.Keys = append(e.APIKey.Status.Keys, record(foreign, v1alpha1.KeyActive, nil))
		},
		"a retiring record was added": func(e *backup.Entry) {
			until := metav1.NewTime(time.Now().Add(time.Hour))
			e.APIKey.Status.Keys = append(e.APIKey.Status.Keys, record(foreign, v1alpha1.KeyRetiring, &until))
		},
		"an announced record was added": func(e *backup.Entry) {
			e.APIKey.Status.Keys = append(e.APIKey.Status.Keys, record(foreign, v1alpha1.KeyPending, nil))
		},
		"an announced record and its account were added": func(e *backup.Entry) {
			e.APIKey.Status.Keys = append(e.APIKey.Status.Keys, record(foreign, v1alpha1.KeyPending, nil))
			e.Secret.Annotations[v1alpha1.SecretValidKeysAnnotation] += "," + foreign.Digest().String()
		},
		"the id is that of another digest": func(e *backup.Entry) { e.APIKey.Status.Keys[1].ID = foreign.Digest().ID() },
		"the digest is none":               func(e *backup.Entry) { e.APIKey.Status.Keys[1].Digest = "AAAA" },
		"five records": func(e *backup.Entry) {
			for range 3 {
				e.APIKey.Status.Keys = append(e.APIKey.Status.Keys, e.APIKey.Status.Keys[0])
			}
		},
		"no record":               func(e *backup.Entry) { e.APIKey.Status.Keys = nil },
		"it was not claimed":      func(e *backup.Entry) { e.APIKey.Status.ClaimedAt, e.Secret = new(start()), nil },
		"it has another name":     func(e *backup.Entry) { e.APIKey.Spec.Secret = &v1alpha1.SecretTemplate{Key: "token"} },
		"the name has markup":     func(e *backup.Entry) { e.APIKey.Name = "<b>\x1b[2J" },
		"the name is long":        func(e *backup.Entry) { e.APIKey.Name = strings.Repeat("a", 254) },
		"the name is a path":      func(e *backup.Entry) { e.APIKey.Name = "../web" },
		"no name":                 func(e *backup.Entry) { e.APIKey.Name = "" },
		"the namespace is a path": func(e *backup.Entry) { e.APIKey.Namespace = "a/b" },
		"no namespace":            func(e *backup.Entry) { e.APIKey.Namespace = "" },
		"no creation":             func(e *backup.Entry) { e.APIKey.CreatedAt = metav1.Time{} },
	}
}

// TestCheck accepts what a backup writes, and refuses each change that would make a record of an unknown key valid.
func TestCheck(t *testing.T) {
	now := time.Now()
	for name, e := range map[string]*backup.Entry{
		"active": activeEntry(t, "web"), "overlap": overlapping(t, "web"), "claimed": claimedEntry(t, "web"), "ended": endedEntry(t, "web"),
		"pending": pendingEntry(t, "web"), "valid for": validForEntry(t, "web"),
	} {
		if err := e.Check(now); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, change := range tampering(t) {
		e := clone(t, overlapping(t, "web"))
		if err := e.Check(now); err != nil {
			t.Fatal(err)
		}
		secrets := fmt.Sprint(e.Secret.Data)
		change(e)
		err := e.Check(now)
		if err == nil {
			t.Errorf("%s: it is accepted", name)

			continue
		}
		for _, secret := range []string{"password", secrets} {
			if strings.Contains(err.Error(), secret) {
				t.Errorf("%s: the message holds the value", name)
			}
		}
	}
}

// TestRead refuses files that are no whole backup of this version.
func TestRead(t *testing.T) {
	whole := string(written(t, activeEntry(t, "web"), overlapping(t, "shop")))
	lines := strings.SplitAfter(whole, "\n")
	for name, test := range map[string]struct{ file, says string }{
		"nothing":            {"", "empty"},
		"a manifest":         {"apiVersion: apikey-operator.io/v1alpha1\n", "line 1"},
		"an object":          {"{}\n", "the first line"},
		"another version":    {strings.Replace(whole, `"version":1`, `"version":2`, 1), `version 2 of the format, and this program reads version 1`},
		"an unknown field":   {strings.Replace(whole, `"environment"`, `"moon":1,"environment"`, 1), `unknown field "moon"`},
		"no end":             {strings.Join(lines[:3], ""), "ends early"},
		"a line is missing":  {lines[0] + lines[1] + lines[3], "lines are missing"},
		"a line is twice":    {lines[0] + lines[1] + lines[1] + lines[2] + lines[3], "lines are missing, or were added"},
		"a line at the end":  {whole + lines[1], "behind its end"},
		"two headers":        {lines[0] + whole, "the first line"},
		"half a line":        {whole[:len(whole)-len(lines[3])-9], "line 3"},
		"two values":         {lines[0] + strings.TrimSpace(lines[1]) + lines[2] + lines[3], "more than one value"},
		"two objects":        {lines[0] + `{"role":{"name":"a"},"policy":{"name":"b"}}` + "\n" + lines[3], "more than one object"},
		"a Secret alone":     {lines[0] + `{"secret":{"data":{}}}` + "\n" + lines[3], "more than one object"},
		"a line of 5 MiB":    {lines[0] + strings.Repeat("a", 5<<20) + "\n", "longer than"},
		"a key in its place": {strings.Replace(whole, `"createdAt":"2`, `"createdAt":"`+newKey(t).Reveal()+`2`, 1), "[redacted]"},
	} {
		if _, err := backup.Read(strings.NewReader(test.file)); err == nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %v, want %q", name, err, test.says)
		}
	}
	if got := read(t, []byte(whole)).Counts(); got.APIKeys != 2 {
		t.Errorf("the whole backup has %+v", got)
	}
}

// TestSecretPrintsNothing: no verb prints the Secret of an entry.
func TestSecretPrintsNothing(t *testing.T) {
	e := activeEntry(t, "web")
	plain := string(e.Secret.Data[v1alpha1.SecretKeyDefault])
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		if text := fmt.Sprintf(verb, *e.Secret); strings.Contains(text, plain[8:30]) || bytes.Contains([]byte(text), []byte("api-key")) {
			t.Errorf("%s prints %s", verb, text)
		}
	}
}

// FuzzRead: no text makes it panic, and what it accepts is as it was written.
func FuzzRead(f *testing.F) {
	f.Add(written(f, activeEntry(f, "web"), claimedEntry(f, "shop")))
	f.Fuzz(func(t *testing.T, file []byte) {
		archive, err := backup.Read(bytes.NewReader(file))
		if err != nil {
			return
		}
		for e := range archive.Entries() {
			_ = e.Check(time.Now())
		}
	})
}
