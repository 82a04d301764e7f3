// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package verifier

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

// peers says who a rule is about, as labels of namespaces and pods, and addresses; "anywhere" where it does not say.
func peers(to []networkingv1.NetworkPolicyPeer) string {
	if len(to) == 0 {
		return "anywhere"
	}
	var all []string
	for _, peer := range to {
		if peer.IPBlock != nil {
			all = append(all, peer.IPBlock.CIDR)

			continue
		}
		labels := maps.Clone(peer.NamespaceSelector.MatchLabels)
		if peer.PodSelector != nil {
			maps.Copy(labels, peer.PodSelector.MatchLabels)
		}
		var pairs []string
		for _, name := range slices.Sorted(maps.Keys(labels)) {
			pairs = append(pairs, name+"="+labels[name])
		}
		all = append(all, strings.Join(pairs, "+")) // "" is every namespace
	}

	return strings.Join(all, " or ")
}

// ports are those of a rule; "all" where it does not say.
func ports(of []networkingv1.NetworkPolicyPort) string {
	if len(of) == 0 {
		return "all"
	}
	var all []string
	for _, port := range of {
		all = append(all, port.Port.String())
	}

	return strings.Join(slices.Compact(all), " ")
}

// TestNetworkPolicies pins who may talk to the pods of each Deployment, and to whom these may: nothing else is open.
func TestNetworkPolicies(t *testing.T) {
	const dns = "k8s-app=kube-dns+kubernetes.io/metadata.name=kube-system or 169.254.20.10/32"
	deployments := testkit.Manifests[appsv1.Deployment](t, "config/default", "Deployment")
	policies := testkit.Manifests[networkingv1.NetworkPolicy](t, "config/default", "NetworkPolicy")
	got := map[string]map[string]string{}
	for _, d := range deployments {
		component := d.Spec.Template.Labels["app.kubernetes.io/component"]
		for _, p := range policies {
			if !cmp.Equal(p.Spec.PodSelector.MatchLabels, d.Spec.Selector.MatchLabels) || p.Namespace != d.Namespace {
				continue
			}
			if !slices.Equal(p.Spec.PolicyTypes, []networkingv1.PolicyType{"Ingress", "Egress"}) {
				t.Errorf("the policy of %s is about %v alone", component, p.Spec.PolicyTypes)
			}
			got[component] = map[string]string{}
			for _, rule := range p.Spec.Ingress {
				got[component]["from "+peers(rule.From)] = ports(rule.Ports)
			}
			for _, rule := range p.Spec.Egress {
				got[component]["to "+peers(rule.To)] = ports(rule.Ports)
			}
		}
	}
	want := map[string]map[string]string{
		"manager": {"from metrics=enabled": "metrics", "to " + dns: "53", "to anywhere": "443 6443 8443"},
		"verifier": { //nolint:gosec // labels and ports
			"from apikey-operator.io/gateway=enabled": "grpc http", "from metrics=enabled": "metrics",
			"to " + dns: "53", "to anywhere": "443 6443 8443", "to apikey-operator.io/rate-limit-store=enabled": "6379 26379",
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("what is open (-want +got):\n%s", diff)
	}
}
