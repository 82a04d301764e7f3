// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package apimodel_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/simulation"
	"github.com/apikey-operator/apikey-operator/internal/simulation/apimodel"
	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

// replayed is how many histories are replayed on a real API server, and atOnce how many of them at a time.
const (
	replayed = 200
	atOnce   = 4
)

func TestARealAPIServerAnswersAsTheModelDoes(t *testing.T) {
	plane := testkit.StartFor(t, testkit.Options{})
	admin, err := plane.Client()
	if err != nil {
		t.Fatal(err)
	}
	runner, err := simulation.NewRunner()
	if err != nil {
		t.Fatal(err)
	}
	histories := make([][]apimodel.Request, replayed)
	for seed := range histories {
		histories[seed] = runner.Requests(uint64(seed))
	}
	verbs := map[string]int{}
	for _, requests := range histories {
		for i := range requests {
			verbs[fmt.Sprintf("%s %T %s", requests[i].Verb, requests[i].Sent, apierrors.ReasonForError(requests[i].Err))]++
			if apikey, ok := requests[i].Stored.(*v1alpha1.APIKey); ok && apikey.Status.ClaimedAt != nil {
				verbs[claimed]++
			}
		}
	}
	t.Logf("requests: %v", verbs)
	if verbs[claimed] == 0 {
		t.Error("no history has a claim")
	}
	t.Run("replay", func(t *testing.T) {
		for part := range atOnce {
			t.Run(fmt.Sprint(part), func(t *testing.T) {
				t.Parallel()
				for seed := part; seed < replayed; seed += atOnce {
					replay(t, admin, seed, histories[seed])
				}
			})
		}
	})
}

// claimed counts the requests after which an APIKey has a claimed key.
const claimed = "claimed"

// replica is a history on a real API server. It knows the real uid and resourceVersion for each of the model.
type replica struct {
	client    client.Client
	namespace string
	uids      map[types.UID]types.UID
	versions  map[string]string
}

func replay(t *testing.T, admin client.Client, seed int, requests []apimodel.Request) {
	t.Helper()
	ctx := t.Context()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: fmt.Sprintf("history-%d-", seed)}}
	if err := admin.Create(ctx, namespace); err != nil {
		t.Fatal(err)
	}
	r := &replica{client: admin, namespace: namespace.Name, uids: map[types.UID]types.UID{}, versions: map[string]string{}}
	for i := range requests {
		request := &requests[i]
		what := fmt.Sprintf("seed %d, request %d: %s %T %s", seed, i, request.Verb, request.Sent, request.Sent.GetName())
		err := r.send(ctx, request)
		if got, want := apierrors.ReasonForError(err), apierrors.ReasonForError(request.Err); got != want || (err == nil) != (request.Err == nil) {
			t.Fatalf("%s: the real API server answers %q (%v), the model %q (%v)", what, got, err, want, request.Err)
		}
		if diff := r.compare(ctx, request); diff != "" {
			t.Fatalf("%s: stored objects (-real +model):\n%s", what, diff)
		}
	}
}

// send sends a request to the real API server.
func (r *replica) send(ctx context.Context, request *apimodel.Request) error {
	object, ok := request.Sent.DeepCopyObject().(client.Object)
	if !ok {
		return fmt.Errorf("%T is no object", request.Sent)
	}
	object.SetNamespace(r.namespace)
	object.SetUID(mapped(r.uids, object.GetUID()))
	object.SetResourceVersion(mapped(r.versions, object.GetResourceVersion()))
	switch request.Verb {
	case apimodel.VerbCreate:
		return r.client.Create(ctx, object)
	case apimodel.VerbUpdate:
		return r.client.Update(ctx, object)
	case apimodel.VerbUpdateStatus:
		return r.client.Status().Update(ctx, object)
	default:
		return r.client.Delete(ctx, object, r.deletion(request)...)
	}
}

// deletion returns the options of a deletion.
func (r *replica) deletion(request *apimodel.Request) []client.DeleteOption {
	var options []client.DeleteOption
	if uid := mapped(r.uids, request.Preconditions.UID); uid != "" {
		options = append(options, client.Preconditions{UID: &uid})
	}
	if version := mapped(r.versions, request.Preconditions.ResourceVersion); version != "" {
		options = append(options, client.Preconditions{ResourceVersion: &version})
	}
	if request.Finalizer == metav1.FinalizerOrphanDependents {
		options = append(options, client.PropagationPolicy(metav1.DeletePropagationOrphan))
	}

	return options
}

// compare compares the stored objects of both sides after a request, and notes the real uid and resourceVersion.
func (r *replica) compare(ctx context.Context, request *apimodel.Request) string {
	var stored client.Object = &v1alpha1.APIKey{}
	if _, isSecret := request.Sent.(*corev1.Secret); isSecret {
		stored = &corev1.Secret{}
	}
	err := r.client.Get(ctx, client.ObjectKey{Namespace: r.namespace, Name: request.Sent.GetName()}, stored)
	switch {
	case apierrors.IsNotFound(err) && request.Stored == nil:
		return ""
	case err != nil || request.Stored == nil:
		return fmt.Sprintf("real: %v, model: %v", err, request.Stored)
	}
	r.uids[request.Stored.GetUID()] = stored.GetUID()
	r.versions[request.Stored.GetResourceVersion()] = stored.GetResourceVersion()
	got, want := normalized(stored), normalized(request.Stored)
	if equality.Semantic.DeepEqual(got, want) {
		return ""
	}

	return cmp.Diff(got, want)
}

// mapped returns the real value for one of the model. A value that the API server has never had is one that no object has.
func mapped[T ~string](known map[T]T, value T) T {
	if value == "" {
		return ""
	}
	if found, ok := known[value]; ok {
		return found
	}

	return "1"
}

// normalized returns an object without what differs between two API servers.
func normalized(object client.Object) client.Object {
	object, ok := object.DeepCopyObject().(client.Object)
	if !ok {
		return nil
	}
	object.SetNamespace("")
	object.SetUID("")
	object.SetResourceVersion("")
	object.SetCreationTimestamp(metav1.Time{})
	object.SetManagedFields(nil)
	object.GetObjectKind().SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind(""))
	if object.GetDeletionTimestamp() != nil {
		object.SetDeletionTimestamp(&metav1.Time{})
	}

	return object
}
