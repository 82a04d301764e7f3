// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package verifier

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/yaml"

	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

// manifest is the one object of a kind in config/verifier, as kustomize renders it.
func manifest[T any](t *testing.T, kind string) *T {
	t.Helper()
	root, err := testkit.Root()
	if err != nil {
		t.Fatal(err)
	}
	kubectl := filepath.Join(root, "bin", "k8s", "kubectl")
	if _, err := os.Stat(kubectl); err != nil {
		t.Fatalf("%v: run `make kube` first", err)
	}
	out, err := exec.CommandContext(t.Context(), kubectl, "kustomize", filepath.Join(root, "config", "verifier")).Output()
	if err != nil {
		t.Fatal(err)
	}
	var found *T
	for document := range bytes.SplitSeq(out, []byte("\n---\n")) {
		var meta metav1.TypeMeta
		if err := yaml.Unmarshal(document, &meta); err != nil {
			t.Fatal(err)
		}
		if meta.Kind != kind {
			continue
		}
		if found != nil {
			t.Fatalf("config/verifier has more than one %s", kind)
		}
		found = new(T)
		if err := yaml.UnmarshalStrict(document, found); err != nil {
			t.Fatal(err)
		}
	}
	if found == nil {
		t.Fatalf("config/verifier has no %s", kind)
	}

	return found
}

// TestDeployment checks what of the manifests no API server checks: that the program takes the flags, and that it is
// as unprivileged as the README says.
func TestDeployment(t *testing.T) {
	deployment := manifest[appsv1.Deployment](t, "Deployment")
	pod := deployment.Spec.Template.Spec
	container := pod.Containers[0]
	o, err := parse(container.Args, io.Discard)
	if err != nil {
		t.Fatalf("the verifier refuses the flags of its own Deployment: %v", err)
	}
	security, update := container.SecurityContext, deployment.Spec.Strategy.RollingUpdate
	grace := time.Duration(*pod.TerminationGracePeriodSeconds) * time.Second
	_, hasCPULimit := container.Resources.Limits[corev1.ResourceCPU]
	for what, ok := range map[string]bool{
		"the image has two programs, and this is the verifier": cmp.Equal(container.Command, []string{"/verifier"}),
		"there are two of it":                           *deployment.Spec.Replicas == 2,
		"an update takes none away before it adds one":  update.MaxUnavailable.IntValue() == 0 && update.MaxSurge.IntValue() == 1,
		"it serves with the mounted certificate":        o.certDir == container.VolumeMounts[0].MountPath && o.selfSigned,
		"it starts without the Secret":                  *pod.Volumes[0].Secret.Optional && pod.Volumes[0].Secret.SecretName == "apikey-operator-verifier-tls",
		"it has time to drain":                          grace > o.drainDelay+o.drainTimeout,
		"no limit holds up its answers":                 !hasCPULimit,
		"its memory is limited, as TestFloods takes it": container.Resources.Limits.Memory().Value() == 512<<20,
		"Go knows the limit":                            cmp.Equal(container.Env[0], corev1.EnvVar{Name: "GOMEMLIMIT", ValueFrom: &corev1.EnvVarSource{ResourceFieldRef: &corev1.ResourceFieldSelector{Resource: "limits.memory"}}}),
		"it does not run as root":                       *pod.SecurityContext.RunAsNonRoot && *pod.SecurityContext.RunAsUser != 0,
		"its filesystem is read-only":                   *security.ReadOnlyRootFilesystem,
		"it cannot gain privileges":                     !*security.AllowPrivilegeEscalation,
		"it has no capabilities":                        cmp.Equal(security.Capabilities.Drop, []corev1.Capability{"ALL"}) && len(security.Capabilities.Add) == 0,
		"it has a seccomp profile":                      pod.SecurityContext.SeccompProfile.Type == corev1.SeccompProfileTypeRuntimeDefault,
		"it is asked whether it lives":                  container.LivenessProbe.HTTPGet.Path == "/healthz",
		"it is asked whether it is ready":               container.ReadinessProbe.HTTPGet.Path == "/readyz",
		"its replicas are spread":                       len(pod.TopologySpreadConstraints) == 1,
		"it runs as the account that the role is for":   pod.ServiceAccountName == manifest[corev1.ServiceAccount](t, "ServiceAccount").Name,
	} {
		if !ok {
			t.Errorf("not so: %s", what)
		}
	}
	listens := map[string]string{"grpc": o.grpcAddress, "http": o.httpAddress, "metrics": o.metricsAddress, "probes": o.probeAddress}
	for name, number := range containerPorts(deployment) {
		if address := ":" + strconv.Itoa(int(number)); listens[name] != address {
			t.Errorf("port %s is %d, the flags say %q", name, number, listens[name])
		}
	}
}

// containerPorts are the ports of the Deployment by name.
func containerPorts(d *appsv1.Deployment) map[string]int32 {
	ports := map[string]int32{}
	for _, port := range d.Spec.Template.Spec.Containers[0].Ports {
		ports[port.Name] = port.ContainerPort
	}

	return ports
}

// TestRights pins what the verifier may do, and so that it may not read a Secret.
func TestRights(t *testing.T) {
	role := manifest[rbacv1.ClusterRole](t, "ClusterRole")
	want := []rbacv1.PolicyRule{
		{APIGroups: []string{"apikey-operator.io"}, Resources: []string{"apikeys", "apikeyroles"}, Verbs: []string{"list", "watch"}},
		{APIGroups: []string{"apikey-operator.io"}, Resources: []string{"apikeys/status"}, Verbs: []string{"patch"}},
	}
	if diff := cmp.Diff(want, role.Rules); diff != "" {
		t.Errorf("rules (-want +got):\n%s", diff)
	}
	binding, account := manifest[rbacv1.ClusterRoleBinding](t, "ClusterRoleBinding"), manifest[corev1.ServiceAccount](t, "ServiceAccount")
	if binding.RoleRef.Name != role.Name || len(binding.Subjects) != 1 || binding.Subjects[0].Name != account.Name {
		t.Errorf("the role %s is bound by %+v to %+v, want to %s", role.Name, binding.RoleRef, binding.Subjects, account.Name)
	}
}

// TestSelectors checks that what selects the pods of the verifier does.
func TestSelectors(t *testing.T) {
	deployment := manifest[appsv1.Deployment](t, "Deployment")
	labels := deployment.Spec.Template.Labels
	for what, selector := range map[string]map[string]string{
		"Deployment":          deployment.Spec.Selector.MatchLabels,
		"spread":              deployment.Spec.Template.Spec.TopologySpreadConstraints[0].LabelSelector.MatchLabels,
		"PodDisruptionBudget": manifest[policyv1.PodDisruptionBudget](t, "PodDisruptionBudget").Spec.Selector.MatchLabels,
		"NetworkPolicy":       manifest[networkingv1.NetworkPolicy](t, "NetworkPolicy").Spec.PodSelector.MatchLabels,
		"Service":             manifest[corev1.Service](t, "Service").Spec.Selector,
	} {
		if diff := cmp.Diff(labels, selector); diff != "" {
			t.Errorf("%s selects other pods (-labels +selector):\n%s", what, diff)
		}
	}
}

// TestPorts checks that gateways get to the ports that the verifier listens on, and scrapers to theirs.
func TestPorts(t *testing.T) {
	ports := containerPorts(manifest[appsv1.Deployment](t, "Deployment"))
	for _, port := range manifest[corev1.Service](t, "Service").Spec.Ports {
		if number, ok := ports[port.TargetPort.StrVal]; !ok || number != port.Port {
			t.Errorf("port %s of the Service leads to %s", port.Name, port.TargetPort.String())
		}
	}
	policy := manifest[networkingv1.NetworkPolicy](t, "NetworkPolicy").Spec
	open := map[string]int{}
	for i, rule := range policy.Ingress {
		for _, port := range rule.Ports {
			open[port.Port.StrVal] = i
		}
	}
	if diff := cmp.Diff(map[string]int{"grpc": 0, "http": 0, "metrics": 1}, open); diff != "" {
		t.Errorf("ports open to gateways (0) and scrapers (1) (-want +got):\n%s", diff)
	}
	for _, rule := range policy.Ingress {
		if len(rule.From) == 0 {
			t.Error("a rule admits everyone")
		}
		for _, peer := range rule.From {
			if peer.NamespaceSelector == nil || len(peer.NamespaceSelector.MatchLabels) == 0 {
				t.Errorf("a rule admits namespaces without a label: %+v", peer)
			}
		}
	}
	if len(policy.PolicyTypes) != 2 || len(policy.Egress) == 0 {
		t.Errorf("what the verifier may connect to is not limited: %v", policy.PolicyTypes)
	}
}
