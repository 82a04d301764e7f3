// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"strings"
	"testing"
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
