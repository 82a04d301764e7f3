// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package operations

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/access"
	"github.com/apikey-operator/apikey-operator/internal/keyindex"
	"github.com/apikey-operator/apikey-operator/internal/keys"
)

// Question is a request to an API, of which a person wants to know the answer.
type Question struct {
	// Key is what the client sends; empty: nothing, unless Digest is set.
	Key string
	// Digest is that of the key, where the person has an APIKey and not its key; the zero value: Key counts.
	Digest keys.Digest
	// Environment, Permission and Customer are what the endpoint needs; empty: as Needs of the gateway that do not name one.
	Environment v1alpha1.Environment
	Permission  v1alpha1.Permission
	Customer    v1alpha1.Customer
}

// Explanation is the answer of a verifier, and why.
type Explanation struct {
	// Reason is that of the answer.
	Reason access.Reason
	// Steps are the checks in the order of the verifier.
	Steps []access.Step
	// APIKey owns the key; nil: none does.
	APIKey *v1alpha1.APIKey
	// Remedies are what makes the request pass, if all are done.
	Remedies []Remedy
}

// Explain returns what a verifier answers to a question, given all APIKeys and roles of the cluster. It uses the verifier's
// own index and checks. The rate limit, which only a verifier counts, is left out.
func Explain(question Question, fleet Fleet, now time.Time) (Explanation, error) {
	index, err := fleet.index()
	if err != nil {
		return Explanation{}, err
	}
	request := access.Request{
		Credential: access.Presented, Environment: question.Environment, Permission: question.Permission, Customer: question.Customer,
	}
	digest := question.Digest
	if digest == (keys.Digest{}) {
		request.Credential = credentialOf(question.Key)
		digest = keys.DigestOf(question.Key)
	}
	var grant *access.Grant
	if request.Credential == access.Presented {
		grant = index.Find(digest)
	}
	answer := Explanation{
		Reason: access.Decide(&request, grant, now).Reason,
		Steps:  access.Trace(&request, grant, now),
	}
	if grant != nil && !grant.Disputed {
		answer.APIKey = fleet.find(types.NamespacedName{Namespace: grant.Subject.Namespace, Name: grant.Subject.Name})
	}
	for _, step := range answer.Steps {
		if step.Refuses {
			answer.Remedies = append(answer.Remedies, remedyFor(step.Reason, question, answer.APIKey, grant, now))
		}
	}

	return answer, nil
}

// credentialOf returns what a verifier makes of the value of X-API-Key.
func credentialOf(text string) access.Credential {
	switch {
	case text == "":
		return access.None
	case keys.Check(text) != nil:
		return access.NoKey
	default:
		return access.Presented
	}
}

// Fleet is all that a verifier knows.
type Fleet struct {
	APIKeys []v1alpha1.APIKey
	Roles   []v1alpha1.APIKeyRole
	Clock   clock.PassiveClock
}

// Fleet reads the APIKeys of a namespace, or of the whole cluster for an empty one, and all roles.
func (s Service) Fleet(ctx context.Context, namespace string) (Fleet, error) {
	apikeys, err := s.All(ctx, Filter{Namespace: namespace})
	if err != nil {
		return Fleet{}, err
	}
	roles, err := s.roles(ctx)

	return Fleet{APIKeys: apikeys, Roles: roles, Clock: s.Clock}, err
}

func (s Service) roles(ctx context.Context) ([]v1alpha1.APIKeyRole, error) {
	var roles v1alpha1.APIKeyRoleList
	if err := s.Client.List(ctx, &roles, &client.ListOptions{}); err != nil {
		return nil, WithMissingRule(err)
	}

	return roles.Items, nil
}

// index returns a verifier's index of the fleet.
func (f Fleet) index() (*keyindex.Index, error) {
	index, err := keyindex.New(keyindex.Options{
		Log: slog.New(slog.DiscardHandler), Clock: clock.RealClock{}, Registerer: prometheus.NewRegistry(),
	})
	if err != nil {
		return nil, err
	}
	roles := make([]any, len(f.Roles))
	for i := range f.Roles {
		roles[i] = &f.Roles[i]
	}
	if err := index.Roles().Replace(roles, ""); err != nil {
		return nil, err
	}
	apikeys := make([]any, len(f.APIKeys))
	for i := range f.APIKeys {
		apikeys[i] = &f.APIKeys[i]
	}

	return index, index.APIKeys().Replace(apikeys, "")
}

func (f Fleet) find(name types.NamespacedName) *v1alpha1.APIKey {
	for i := range f.APIKeys {
		if NameOf(&f.APIKeys[i]) == name {
			return &f.APIKeys[i]
		}
	}

	return nil
}

// NewestDigest returns the digest of the key that an APIKey has handed out last; false: there is none.
func NewestDigest(apikey *v1alpha1.APIKey) (keys.Digest, bool) {
	var newest keys.Digest
	found := false
	for _, record := range apikey.Status.Keys {
		if digest, ok := keys.ParseDigest(record.Digest); ok && (!found || record.State != v1alpha1.KeyRetiring) {
			newest, found = digest, true
		}
	}

	return newest, found
}
