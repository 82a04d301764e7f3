//go:build e2e

// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"context"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/metadata"
)

// removalLimit bounds garbage collection, and the end of the pods: 40 s for the operator. The garbage collector of Kubernetes learns of
// CRDs that come and go every 30 s, and backs off while a Secret's owner is of a kind that it does not know. That took up to 2 minutes on
// 2 busy cores.
const removalLimit = 5 * time.Minute

// removalSpecs remove an installation that has been in use, with live keys.
func removalSpecs() {
	It("leaves nothing behind", func(ctx context.Context) {
		r := requirement("`kubectl delete -k config/default` leaves", "nothing")
		install(ctx)
		mint(ctx, "live")
		during := added(pristine, inventory(ctx))
		Expect(during).NotTo(BeEmpty(), "the inventory must see an installation")

		kubectl(ctx, "delete", "-k", "config/default", "--timeout="+patience.String())
		deleteAll(ctx, &corev1.Pod{}) // of the tests, as is the authority
		Expect(admin.Delete(ctx, authority(nil))).To(Succeed())
		left := during
		_ = wait.PollUntilContextTimeout(ctx, time.Second, removalLimit, true, func(ctx context.Context) (bool, error) { // r judges what is left
			left = added(pristine, inventory(ctx))

			return len(left) == 0, nil
		})
		r.is(len(left) == 0, "%s", listed(left))
	}, SpecTimeout(2*patience+removalLimit))
}

// listed joins what is left.
func listed(left []string) string {
	if len(left) == 0 {
		return "nothing"
	}

	return strings.Join(left, ", ")
}

// transient are the resources that come and go by themselves.
var transient = []schema.GroupResource{
	{Resource: "events"},
	{Group: "events.k8s.io", Resource: "events"},
	{Group: "coordination.k8s.io", Resource: "leases"},
	{Group: "discovery.k8s.io", Resource: "endpointslices"},
	{Resource: "endpoints"},
}

// inventory returns the names of all objects of the cluster that do not come and go by themselves, sorted.
func inventory(ctx context.Context) []string {
	GinkgoHelper()
	lists, err := core.Discovery().ServerPreferredResources()
	Expect(err).NotTo(HaveOccurred())
	reader, err := metadata.NewForConfig(config)
	Expect(err).NotTo(HaveOccurred())
	resources, err := discovery.GroupVersionResources(discovery.FilteredBy(discovery.SupportsAllVerbs{Verbs: []string{"list", "delete"}}, lists))
	Expect(err).NotTo(HaveOccurred())
	var names []string
	for resource := range resources {
		if slices.Contains(transient, resource.GroupResource()) {
			continue
		}
		objects, err := reader.Resource(resource).List(ctx, metav1.ListOptions{})
		if err != nil {
			continue // a resource that went after its discovery has no objects
		}
		for _, object := range objects.Items {
			if resource.Resource == "pods" && object.Namespace != namespace && object.Namespace != keysNamespace {
				continue // a node that is lost costs others their pods, which get new names
			}
			names = append(names, strings.Join([]string{resource.GroupResource().String(), object.Namespace, object.Name}, "/"))
		}
	}
	slices.Sort(names)

	return names
}

// added returns what the second inventory has and the first one has not.
func added(before, after []string) []string {
	return slices.DeleteFunc(after, func(name string) bool {
		_, found := slices.BinarySearch(before, name)

		return found
	})
}
