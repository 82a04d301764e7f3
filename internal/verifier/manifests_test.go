// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package verifier

import (
	"io"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

// manifest returns the object of a kind in config/verifier. There must be one.
func manifest[T any](t *testing.T, kind string) *T {
	t.Helper()
	found := testkit.Manifests[T](t, "config/verifier", kind)
	if len(found) != 1 {
		t.Fatalf("config/verifier has %d objects of kind %s", len(found), kind)
	}

	return &found[0]
}

// services returns the Services of config/verifier by name.
func services(t *testing.T) map[string]corev1.Service {
	t.Helper()
	found := map[string]corev1.Service{}
	for _, service := range testkit.Manifests[corev1.Service](t, "config/verifier", "Service") {
		found[service.Name] = service
	}

	return found
}

// TestDeployment checks what of the manifests no API server checks: that the program takes the flags, and that it is
// as unprivileged as the README says.
func TestDeployment(t *testing.T) {
	deployment := manifest[appsv1.Deployment](t, "Deployment")
	pod := deployment.Spec.Template.Spec
	container := pod.Containers[0]
	o, err := Parse(container.Args, io.Discard)
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
		"its metrics are secured":                       o.Metrics.Secure,
		"it has time to drain":                          grace > o.drainDelay+o.drainTimeout,
		"no limit holds up its answers":                 !hasCPULimit,
		"its memory is limited, as TestFloods takes it": container.Resources.Limits.Memory().Value() == 512<<20,
		"Go knows the limit": cmp.Equal(
			container.Env[0],
			corev1.EnvVar{Name: "GOMEMLIMIT", ValueFrom: &corev1.EnvVarSource{ResourceFieldRef: &corev1.ResourceFieldSelector{Resource: "limits.memory"}}},
		),
		"it does not run as root":     *pod.SecurityContext.RunAsNonRoot && *pod.SecurityContext.RunAsUser != 0,
		"its filesystem is read-only": *security.ReadOnlyRootFilesystem,
		"it cannot gain privileges":   !*security.AllowPrivilegeEscalation,
		"it has no capabilities": cmp.Equal(security.Capabilities.Drop, []corev1.Capability{"ALL"}) &&
			len(security.Capabilities.Add) == 0,
		"it has a seccomp profile":        pod.SecurityContext.SeccompProfile.Type == corev1.SeccompProfileTypeRuntimeDefault,
		"it is asked whether it lives":    container.LivenessProbe.HTTPGet.Path == "/healthz",
		"it is asked whether it is ready": container.ReadinessProbe.HTTPGet.Path == "/readyz",
		"its replicas are spread over the nodes that can take one": len(pod.TopologySpreadConstraints) == 1 &&
			pod.TopologySpreadConstraints[0].WhenUnsatisfiable == corev1.DoNotSchedule &&
			*pod.TopologySpreadConstraints[0].NodeTaintsPolicy == corev1.NodeInclusionPolicyHonor &&
			cmp.Equal(pod.TopologySpreadConstraints[0].MatchLabelKeys, []string{appsv1.DefaultDeploymentUniqueLabelKey}),
		"a lost node is given up within 30 s": len(pod.Tolerations) == 2 && *pod.Tolerations[0].TolerationSeconds < 30 &&
			*pod.Tolerations[1].TolerationSeconds < 30,
		"its log cannot fill the node": !container.Resources.Limits.StorageEphemeral().IsZero() &&
			!container.Resources.Requests.StorageEphemeral().IsZero(),
		"it runs as the account that the role is for": pod.ServiceAccountName == manifest[corev1.ServiceAccount](t, "ServiceAccount").Name,
	} {
		if !ok {
			t.Errorf("not so: %s", what)
		}
	}
	listens := map[string]string{"grpc": o.grpcAddress, "http": o.httpAddress, "metrics": o.Metrics.Address, "probes": o.ProbeAddress}
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
		{APIGroups: []string{"authentication.k8s.io"}, Resources: []string{"tokenreviews"}, Verbs: []string{"create"}},
		{APIGroups: []string{"authorization.k8s.io"}, Resources: []string{"subjectaccessreviews"}, Verbs: []string{"create"}},
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
		"Service":             services(t)["verifier"].Spec.Selector,
		"metrics Service":     services(t)["verifier-metrics"].Spec.Selector,
	} {
		if diff := cmp.Diff(labels, selector); diff != "" {
			t.Errorf("%s selects other pods (-labels +selector):\n%s", what, diff)
		}
	}
}

// TestPorts checks that gateways get to the ports that the verifier listens on, and scrapers to theirs.
func TestPorts(t *testing.T) {
	ports := containerPorts(manifest[appsv1.Deployment](t, "Deployment"))
	reached := map[string][]string{}
	for name, service := range services(t) {
		for _, port := range service.Spec.Ports {
			if number, ok := ports[port.TargetPort.StrVal]; !ok || number != port.Port {
				t.Errorf("port %s of the Service %s leads to %s", port.Name, name, port.TargetPort.String())
			}
			reached[name] = append(reached[name], port.TargetPort.StrVal)
		}
	}
	if diff := cmp.Diff(map[string][]string{"verifier": {"grpc", "http"}, "verifier-metrics": {"metrics"}}, reached); diff != "" {
		t.Errorf("what Services lead to (-want +got):\n%s", diff)
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
