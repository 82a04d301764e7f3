// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"io"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/apikey-operator/apikey-operator/internal/manager"
	"github.com/apikey-operator/apikey-operator/internal/verifier"
)

// TestWrongValuesAreRefused sets wrong values, and expects an error that names the value and says why.
func TestWrongValuesAreRefused(t *testing.T) {
	t.Parallel()
	h := newHelm(t)
	for set, want := range map[string]string{ //nolint:gosec // G101: names of Secrets
		"--set=verifer.replicas=3":                                                "additional properties 'verifer' not allowed",
		"--set=verifier.replica=3":                                                "at '/verifier': additional properties 'replica' not allowed",
		"--set=manager.replicas=0":                                                "at '/manager/replicas': minimum: got 0, want 1",
		"--set=verifier.replicas=two":                                             "at '/verifier/replicas': got string, want integer",
		"--set=manager.keyPrefix=AK_":                                             "at '/manager/keyPrefix': 'AK_' does not match pattern",
		"--set=manager.leaseDuration=1s":                                          "at '/manager/leaseDuration': '1s' does not match pattern",
		"--set=manager.leaseDuration=601s":                                        "at '/manager/leaseDuration': '601s' does not match pattern",
		"--set=manager.leaseDuration=4500ms":                                      "at '/manager/leaseDuration': '4500ms' does not match pattern",
		"--set=manager.leaseDuration=":                                            "at '/manager/leaseDuration': '' does not match pattern",
		"--set=manager.renewDeadline=0s":                                          "at '/manager/renewDeadline': '0s' does not match pattern",
		"--set=manager.renewDeadline=1m":                                          "at '/manager/renewDeadline': '1m' does not match pattern",
		"--set=manager.retryPeriod=99ms":                                          "at '/manager/retryPeriod': '99ms' does not match pattern",
		"--set=manager.leaseDuration=3s":                                          "manager.renewDeadline=3s must be less than manager.leaseDuration=3s",
		"--set=manager.renewDeadline=4s":                                          "manager.renewDeadline=4s must be less than manager.leaseDuration=4s",
		"--set=manager.renewDeadline=4001ms":                                      "manager.renewDeadline=4001ms must be less than manager.leaseDuration=4s",
		"--set=manager.retryPeriod=2500ms":                                        "must be less than 5/6 of manager.renewDeadline=3s",
		"--set=manager.renewDeadline=600ms":                                       "must be less than 5/6 of manager.renewDeadline=600ms",
		"--set=manager.spread=maybe":                                              "at '/manager/spread': value must be one of 'hard', 'soft', 'none'",
		"--set=manager.logLevel=loud":                                             "at '/manager/logLevel': 'loud' does not match pattern",
		"--set=manager.extraArgs={leader-elect}":                                  "at '/manager/extraArgs/0': 'leader-elect' does not match pattern",
		"--set=manager.resources.limits.memory=lots":                              "at '/manager/resources/limits/memory': 'lots' does not match pattern",
		"--set=image.digest=sha256:12":                                            "at '/image/digest': 'sha256:12' does not match pattern",
		"--set=image.pullPolicy=Sometimes":                                        "at '/image/pullPolicy': value must be one of",
		"--set=imagePullSecrets={registry}":                                       "at '/imagePullSecrets/0': got string, want object",
		"--set-json=verifier.autoscaling={\"enabled\":true,\"minReplicas\":7}":    "minReplicas=7 must be at most verifier.autoscaling.maxReplicas=6",
		"--set=verifier.drainDelay=1m":                                            "at '/verifier/drainDelay': '1m' does not match pattern",
		"--set=verifier.maxStaleness=soon":                                        "at '/verifier/maxStaleness': 'soon' does not match pattern",
		"--set=verifier.certificate.secretName=":                                  "at '/verifier/certificate/secretName': '' does not match pattern",
		"--set=verifier.certificate.certManager.enabled=true":                     "at '/verifier/certificate/certManager/issuerRef': missing property 'name'",
		"--set=verifier.podDisruptionBudget.minAvailable=half":                    "at '/verifier/podDisruptionBudget/minAvailable'",
		"--set=metrics.podMonitor.enabled=true":                                   "at '/metrics/podMonitor/tokenSecret/name': minLength: got 0, want 1",
		"--set=metrics.readers[0].name=prometheus":                                "at '/metrics/readers/0': missing property 'namespace'",
		"--set=networkPolicy.apiServer.cidrs={10.0.0.1}":                          "at '/networkPolicy/apiServer/cidrs/0': '10.0.0.1' does not match pattern",
		"--set=networkPolicy.apiServer.ports={}":                                  "at '/networkPolicy/apiServer/ports",
		"--set-json=networkPolicy.gateways={\"apikey-operator.io/gateway\":null}": "at '/networkPolicy/gateways': minProperties: got 0, want 1",
		"--set=namespaces={Team-A}":                                               "at '/namespaces/0': 'Team-A' does not match pattern",
		"--set=crds.keep=no":                                                      "at '/crds/keep': got string, want boolean",
		"--set=priorityClass.create=true,priorityClass.name=system-own":           "at '/priorityClass/name': 'not' failed",
		"--set=fullnameOverride=a-name-of-more-than-36-letters-at-all":            "is 37 characters long and must be at most 36",
	} {
		t.Run(set, func(t *testing.T) {
			t.Parallel()
			_, err := h.run(t, "template", defaultRelease, folder(t, "config", "chart"), set)
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("error %v, want one that says %q", err, want)
			}
		})
	}
}

// TestLint runs helm lint for each variant. The chart has no icon.
func TestLint(t *testing.T) {
	t.Parallel()
	h := newHelm(t)
	for _, file := range append(variants(t), folder(t, "config", "chart", "values.yaml")) {
		t.Run(variant(file), func(t *testing.T) {
			t.Parallel()
			out := h.must(t, "lint", folder(t, "config", "chart"), "--strict", "--values", file)
			for line := range strings.SplitSeq(out, "\n") {
				if strings.Contains(line, "[") && !strings.HasPrefix(line, "[INFO] Chart.yaml: icon is recommended") {
					t.Error(line)
				}
			}
		})
	}
}

// TestProgramsTakeTheirFlags lets both programs parse the flags that each variant gives them.
func TestProgramsTakeTheirFlags(t *testing.T) {
	t.Parallel()
	h := newHelm(t)
	programs := map[string]func([]string) error{
		"apikey-operator-controller-manager": func(args []string) error {
			_, err := manager.Parse(args, io.Discard)

			return err
		},
		"apikey-operator-verifier": func(args []string) error {
			_, err := verifier.Parse(args, io.Discard)

			return err
		},
	}
	parsed := map[string]bool{}
	for _, file := range variants(t) {
		for _, object := range h.template(t, defaultRelease, defaultNamespace, "--values", file, "--set=fullnameOverride=apikey-operator") {
			if object.GetKind() != "Deployment" {
				continue
			}
			containers, _, err := unstructured.NestedSlice(object.Object, "spec", "template", "spec", "containers")
			if err != nil || len(containers) != 1 {
				t.Fatalf("%s has %d containers: %v", key(object), len(containers), err)
			}
			container, _ := containers[0].(map[string]any)
			args, _, err := unstructured.NestedStringSlice(container, "args")
			if err != nil {
				t.Fatal(err)
			}
			if err := programs[object.GetName()](args); err != nil {
				t.Errorf("%s: %s: %v", variant(file), object.GetName(), err)
			}
			parsed[object.GetName()] = true
		}
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(programs)), slices.Sorted(maps.Keys(parsed))); diff != "" {
		t.Errorf("Deployments (-want +got):\n%s", diff)
	}
}
