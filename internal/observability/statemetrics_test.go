// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package observability

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/keys"
	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

// moment is a time in the statuses of the test.
var moment = metav1.NewTime(time.Date(2026, time.November, 26, 12, 0, 0, 0, time.UTC))

// inPhases returns an APIKey in each phase, by name, and the digests in their statuses.
func inPhases(t *testing.T) (apikeys map[string]*v1alpha1.APIKey, digests []string) {
	t.Helper()
	apikeys = map[string]*v1alpha1.APIKey{}
	for _, phase := range []v1alpha1.Phase{
		v1alpha1.PhasePending, v1alpha1.PhaseActive, v1alpha1.PhaseSuspended, v1alpha1.PhaseRevoked, v1alpha1.PhaseExpired,
	} {
		key, err := keys.Generator{}.New(v1alpha1.EnvironmentStaging)
		if err != nil {
			t.Fatal(err)
		}
		digest := key.Digest()
		digests = append(digests, digest.String(), digest.ID())
		name := strings.ToLower(string(phase))
		apikeys[name] = &v1alpha1.APIKey{
			ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name},
			Spec:       v1alpha1.APIKeySpec{Environment: v1alpha1.EnvironmentStaging},
			Status: v1alpha1.APIKeyStatus{
				Phase: phase,
				Keys:  []v1alpha1.KeyRecord{{ID: digest.ID(), Digest: digest.String(), State: v1alpha1.KeyActive, CreatedAt: moment}},
			},
		}
	}
	active := apikeys["active"]
	active.Spec.Owner = "jane@example.com"
	active.Status.ExpiresAt, active.Status.LastUsedAt = new(metav1.NewTime(moment.Add(time.Hour))), new(metav1.NewTime(moment.Add(time.Minute)))
	active.Status.LastRotation = &v1alpha1.LastRotation{Trigger: v1alpha1.TriggerCreated, At: moment}
	active.Status.Conditions = []metav1.Condition{
		{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonMinted, LastTransitionTime: moment},
		{Type: v1alpha1.ConditionCompliant, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonPolicyDenied, LastTransitionTime: moment},
	}

	return apikeys, digests
}

// TestKubeStateMetrics lets the real kube-state-metrics, with the rights of role.yaml alone, report on APIKeys in every phase.
func TestKubeStateMetrics(t *testing.T) {
	program := testkit.FindTool(t, "kube-state-metrics")
	plane := testkit.StartFor(t, testkit.Options{})
	admin, err := plane.Client()
	if err != nil {
		t.Fatal(err)
	}
	apikeys, digests := inPhases(t)
	for _, apikey := range apikeys {
		status := apikey.Status
		if err := admin.Create(t.Context(), apikey); err != nil {
			t.Fatal(err)
		}
		apikey.Status = status
		if err := admin.Status().Update(t.Context(), apikey); err != nil {
			t.Fatal(err)
		}
	}
	role := &rbacv1.ClusterRole{}
	if err := yaml.UnmarshalStrict(read(t, "config/prometheus/kube-state-metrics/role.yaml"), role); err != nil {
		t.Fatal(err)
	}
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: role.Name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role.Name},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: "User", Name: "kube-state-metrics"}},
	}
	if err := admin.Create(t.Context(), role); err != nil {
		t.Fatal(err)
	}
	if err := admin.Create(t.Context(), binding); err != nil {
		t.Fatal(err)
	}
	s := &site{plane: plane, admin: admin, folder: t.TempDir()}
	address := s.report(t, program)
	want := seriesOf(apikeys)
	s.await(t, "the series", func(ctx context.Context) error {
		text, err := body(ctx, "http://"+address+"/metrics")
		if err != nil {
			return err
		}
		for _, digest := range digests {
			if strings.Contains(text, digest) {
				return fmt.Errorf("the metrics have the digest %s", digest)
			}
		}
		got, err := series(text)
		if diff := cmp.Diff(want, got); diff != "" {
			return fmt.Errorf("(-want +got):\n%s", diff)
		}

		return err
	})
}

// report starts kube-state-metrics and returns the address of its metrics.
func (s *site) report(t *testing.T, program string) (address string) {
	t.Helper()
	kubeconfig, err := s.plane.Kubeconfig("kube-state-metrics")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(s.folder, "config.yaml")
	if err := os.WriteFile(file, read(t, "config/prometheus/kube-state-metrics/config.yaml"), 0o600); err != nil {
		t.Fatal(err)
	}
	address, own := testkit.FreeAddress(t), testkit.FreeAddress(t)
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	_, ownPort, err := net.SplitHostPort(own)
	if err != nil {
		t.Fatal(err)
	}
	s.start(t, "kube-state-metrics", "http://"+address+"/livez", exec.CommandContext(context.Background(), program, "--kubeconfig="+kubeconfig,
		"--custom-resource-state-only", "--custom-resource-state-config-file="+file,
		"--host="+host, "--port="+port, "--telemetry-host="+host, "--telemetry-port="+ownPort))

	return address
}

// seriesOf returns the series that the APIKeys should have.
func seriesOf(apikeys map[string]*v1alpha1.APIKey) []string {
	var all []string
	for name, apikey := range apikeys {
		add := func(metric, labels string, value float64) {
			all = append(all, fmt.Sprintf(`apikey_%s{%s} %.0f`, metric, labels, value))
		}
		identity := fmt.Sprintf(`name="%s",namespace="default"`, name)
		owner := identity
		if apikey.Spec.Owner != "" {
			owner += `,owner="` + apikey.Spec.Owner + `"`
		}
		add("info", `environment="Staging",`+owner, 1)
		add("created_timestamp_seconds", identity, float64(apikey.CreationTimestamp.Unix()))
		for _, phase := range []string{"Pending", "Active", "Suspended", "Revoked", "Expired"} {
			value := 0.0
			if strings.EqualFold(phase, name) {
				value = 1
			}
			add("phase", identity+`,phase="`+phase+`"`, value)
		}
	}
	const active = `name="active",namespace="default"`
	at := moment.Unix()
	all = append(all,
		fmt.Sprintf(`apikey_expires_timestamp_seconds{%s} %d`, active, at+3600), fmt.Sprintf(`apikey_last_used_timestamp_seconds{%s} %d`, active, at+60),
		fmt.Sprintf(`apikey_last_rotation_timestamp_seconds{%s} %d`, active, at),
		`apikey_condition{`+active+`,reason="Minted",type="Ready"} 1`, `apikey_condition{`+active+`,reason="PolicyDenied",type="Compliant"} 0`)
	slices.Sort(all)

	return all
}

// series returns the series of a text about APIKeys, in order, without the labels that kube-state-metrics adds to each.
func series(text string) ([]string, error) {
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		return nil, err
	}
	var all []string
	for name, family := range families {
		for _, m := range family.GetMetric() {
			var labels []string
			for _, label := range m.GetLabel() {
				if !strings.HasPrefix(label.GetName(), "customresource_") && label.GetValue() != "" {
					labels = append(labels, fmt.Sprintf("%s=%q", label.GetName(), label.GetValue()))
				}
			}
			slices.Sort(labels)
			value := m.GetGauge().GetValue() + m.GetUntyped().GetValue()
			all = append(all, fmt.Sprintf("%s{%s} %.0f", name, strings.Join(labels, ","), value))
		}
	}
	slices.Sort(all)

	return all, nil
}

// body returns what a URL answers.
func body(ctx context.Context, target string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return "", err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(answer.Body)
	if closing := answer.Body.Close(); err == nil {
		err = closing
	}

	return string(text), err
}
