// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCommandLineCanBePasted(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"plain words stay as they are": {
			[]string{"get", "apikeys.apikey-operator.io", "-n", "a", "-o=wide"}, "kubectl get apikeys.apikey-operator.io -n a -o=wide",
		},
		"what a shell would read otherwise is quoted": {[]string{"-p", `{"spec":{}}`, "a b", "$x"}, `kubectl -p '{"spec":{}}' 'a b' '$x'`},
		"a quote is quoted":                           {[]string{"it's"}, `kubectl 'it'\''s'`},
		"an empty word is seen":                       {[]string{""}, "kubectl ''"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := commandLine(c.args); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

func TestKubectlRunsAsItsUser(t *testing.T) {
	k := kubectl{program: "/bin/sh", kubeconfig: "/some/kubeconfig", cache: "/some/cache", workDir: t.TempDir()}
	got, err := k.with([]byte("manifest")).run(t.Context(), "-c", `cat; echo " $KUBECONFIG $KUBECACHEDIR $KUBECTL_KUBERC"`)
	if err != nil {
		t.Fatal(err)
	}
	if want := "manifest /some/kubeconfig /some/cache false"; got != want {
		t.Errorf("printed %q, want %q", got, want)
	}
}

func TestKubectlThatFailsSaysWhatItPrinted(t *testing.T) {
	printed, err := kubectl{program: "/bin/sh"}.run(t.Context(), "-c", "echo no such thing >&2; exit 1")
	if err == nil || !strings.Contains(err.Error(), "exit status 1\nno such thing") || printed != "no such thing" {
		t.Errorf("printed %q with error %v", printed, err)
	}
}

func TestKubectlThatIsCutShortSaysWhy(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("stop")
	cancel(why)
	if _, err := (kubectl{program: "/bin/sh"}).run(ctx, "-c", "exec sleep 60"); !errors.Is(err, why) {
		t.Errorf("error is %v, want %v", err, why)
	}
}

func TestCurlAndItsStandInSayTheSame(t *testing.T) {
	program, err := exec.LookPath("curl")
	if err != nil {
		t.Skip("there is no curl on this machine")
	}
	var sent http.Header
	server := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sent = r.Header
		w.Header().Set("X-Apikey-Reason", "missing")
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = w.Write([]byte("one\ntwo\n"))
	})
	url := served(t, server).String() + "/customers"
	headers := []string{`X-API-Key: a "quoted" \ value`, "X-API-Key: another"}
	for name, c := range map[string]curl{"curl": {program: program}, "its stand-in": {}} {
		got, err := c.get(t.Context(), url, headers)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if diff := cmp.Diff([]string{`a "quoted" \ value`, "another"}, sent["X-Api-Key"]); diff != "" {
			t.Errorf("%s: the server was sent (-want +got):\n%s", name, diff)
		}
		const want = "one\ntwo"
		if got.status != http.StatusUnauthorized || got.header.Get("X-Apikey-Reason") != "missing" || got.body != want {
			t.Errorf("%s: answered %d %v %q", name, got.status, got.header, got.body)
		}
		if !strings.HasPrefix(got.whole, "HTTP/1.1 401 Unauthorized\n") || !strings.HasSuffix(got.whole, "\n\n"+want) {
			t.Errorf("%s: the whole answer is\n%s", name, got.whole)
		}
	}
}

func TestKeysAreNotAmongTheArgumentsOfCurl(t *testing.T) {
	seen := filepath.Join(t.TempDir(), "arguments")
	program := filepath.Join(t.TempDir(), "curl")
	script := "#!/bin/sh\necho \"$@\" > '" + seen + "'; cat >> '" + seen + ".stdin'; printf 'HTTP/1.1 200 OK\\r\\n\\r\\n'\n"
	if err := os.WriteFile(program, []byte(script), 0o700); err != nil { //nolint:gosec // it is to be run
		t.Fatal(err)
	}
	if _, err := (curl{program: program}).get(t.Context(), "http://127.0.0.1:1/", []string{"X-API-Key: secret"}); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]bool{seen: false, seen + ".stdin": true} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "secret") != want {
			t.Errorf("%s holds the key: %t, want %t", filepath.Base(file), !want, want)
		}
	}
}

func TestCurlThatIsCutShortSaysWhy(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("stop")
	cancel(why)
	for name, c := range map[string]curl{"curl": {program: "/bin/true"}, "its stand-in": {}} {
		if _, err := c.get(ctx, "http://127.0.0.1:1/", nil); !errors.Is(err, why) {
			t.Errorf("%s: error is %v, want %v", name, err, why)
		}
	}
}
