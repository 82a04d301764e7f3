// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"bytes"
	"errors"
	"flag"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

func TestParseRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"an unknown flag":       {[]string{"--no-such-flag"}, "not defined: -no-such-flag"},
		"an argument":           {[]string{"start"}, `argument "start": there are only flags`},
		"a prefix out of shape": {[]string{"--key-prefix=AK_"}, "--key-prefix: key prefix \"AK_\": must be 1 to 10"},
		"no concurrency":        {[]string{"--concurrent-reconciles=0"}, "must be from 1 to 1000"},
		"too much concurrency":  {[]string{"--concurrent-reconciles=1001"}, "must be from 1 to 1000"},
		"no time to start":      {[]string{"--start-timeout=0s"}, "--start-timeout=0s: must be more than 0"},
		"a short lease":         {[]string{"--leader-elect-lease-duration=1s"}, "must be whole seconds from 2s to 10m"},
		"a long lease":          {[]string{"--leader-elect-lease-duration=601s"}, "must be whole seconds from 2s to 10m"},
		"half a second":         {[]string{"--leader-elect-lease-duration=4500ms"}, "must be whole seconds from 2s to 10m"},
		"no deadline":           {[]string{"--leader-elect-renew-deadline=0s"}, "less than --leader-elect-lease-duration=4s"},
		"a late deadline":       {[]string{"--leader-elect-renew-deadline=4s"}, "less than --leader-elect-lease-duration=4s"},
		"hasty renewals":        {[]string{"--leader-elect-retry-period=99ms"}, "must be at least 100ms"},
		"rare renewals":         {[]string{"--leader-elect-retry-period=2500ms"}, "less than 5/6 of --leader-elect-renew-deadline=3s"},
		"a level that is none":  {[]string{"--log-level=loud"}, "log-level"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := Parse(c.args, io.Discard); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one that says %q", err, c.want)
			}
		})
	}
}

func TestParseTakesTimesOfTheLease(t *testing.T) {
	for _, args := range [][]string{
		{},
		{"--leader-elect-lease-duration=2s", "--leader-elect-renew-deadline=1999ms", "--leader-elect-retry-period=100ms"},
		{"--leader-elect-lease-duration=10m", "--leader-elect-renew-deadline=9m", "--leader-elect-retry-period=2m"},
		{"--leader-elect-retry-period=2499ms"},
	} {
		if _, err := Parse(args, io.Discard); err != nil {
			t.Errorf("%v: %v", args, err)
		}
	}
}

func TestHelpNamesEveryFlag(t *testing.T) {
	var help bytes.Buffer
	if _, err := Parse([]string{"--help"}, &help); !errors.Is(err, flag.ErrHelp) {
		t.Fatal(err)
	}
	var o Options
	newFlagSet(&o).VisitAll(func(f *flag.Flag) {
		if !strings.Contains(help.String(), "-"+f.Name) || f.Usage == "" {
			t.Errorf("--help does not explain --%s", f.Name)
		}
	})
}

// TestDeployment checks what of the manifests no API server checks: that the program takes the flags, and that it is
// as unprivileged as the README says.
func TestDeployment(t *testing.T) {
	var deployment *appsv1.Deployment
	for _, found := range testkit.Manifests[appsv1.Deployment](t, "config/default", "Deployment") {
		if found.Name == "apikey-operator-controller-manager" {
			deployment = &found
		}
	}
	if deployment == nil {
		t.Fatal("config/default has no Deployment of the manager")
	}
	pod := deployment.Spec.Template.Spec
	container := pod.Containers[0]
	o, err := Parse(container.Args, io.Discard)
	if err != nil {
		t.Fatalf("the manager refuses the flags of its own Deployment: %v", err)
	}
	security := container.SecurityContext
	for what, ok := range map[string]bool{
		"its replicas are never on one node of two": len(pod.TopologySpreadConstraints) == 1 &&
			pod.TopologySpreadConstraints[0].WhenUnsatisfiable == corev1.DoNotSchedule &&
			*pod.TopologySpreadConstraints[0].NodeTaintsPolicy == corev1.NodeInclusionPolicyIgnore &&
			cmp.Equal(pod.TopologySpreadConstraints[0].MatchLabelKeys, []string{appsv1.DefaultDeploymentUniqueLabelKey}),
		"a lost node is given up within 30 s": len(pod.Tolerations) == 2 && *pod.Tolerations[0].TolerationSeconds < 30 &&
			*pod.Tolerations[1].TolerationSeconds < 30,
		"its log cannot fill the node":    !container.Resources.Limits.StorageEphemeral().IsZero() && !container.Resources.Requests.StorageEphemeral().IsZero(),
		"leader election is on":           o.leaderElect,
		"guardrails are required":         o.requireGuardrails,
		"metrics are secured":             o.Metrics.Secure,
		"it does not run as root":         *pod.SecurityContext.RunAsNonRoot,
		"its filesystem is read-only":     *security.ReadOnlyRootFilesystem,
		"it cannot gain privileges":       !*security.AllowPrivilegeEscalation,
		"it has no capabilities":          len(security.Capabilities.Drop) == 1 && security.Capabilities.Drop[0] == "ALL",
		"it has a seccomp profile":        pod.SecurityContext.SeccompProfile.Type == "RuntimeDefault",
		"it is asked whether it lives":    container.LivenessProbe.HTTPGet.Path == "/healthz",
		"it is asked whether it is ready": container.ReadinessProbe.HTTPGet.Path == "/readyz",
	} {
		if !ok {
			t.Errorf("not so: %s", what)
		}
	}
}
