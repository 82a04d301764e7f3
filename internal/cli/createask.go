// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"strings"

	"k8s.io/cli-runtime/pkg/printers"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/cli/operations"
	"github.com/apikey-operator/apikey-operator/internal/cli/output"
	"github.com/apikey-operator/apikey-operator/internal/cli/values"
	"github.com/apikey-operator/apikey-operator/internal/keys"
)

const (
	// defaultLife is the offered time until a key ends: a year, as most products have it.
	defaultLife = "365d"
	// noAnswer leaves a field of the key out.
	noAnswer = "none"
	// maxOffered is how many names a question lists.
	maxOffered = 20
)

// interview asks a person what a key is for.
type interview struct {
	*session

	ctx       context.Context //nolint:containedctx // it lives for one command, and each question takes it
	service   operations.Service
	namespace string
	grants    operations.Grants
	around    operations.Surroundings
	spec      v1alpha1.APIKeySpec
}

// askForSpec asks a person what a key is for.
func (s *session) askForSpec(ctx context.Context, service operations.Service, namespace, name string) (v1alpha1.APIKeySpec, error) {
	grants, err := service.MyGrants(ctx, namespace)
	if err != nil {
		return v1alpha1.APIKeySpec{}, err
	}
	i := &interview{session: s, ctx: ctx, service: service, namespace: namespace, grants: grants, around: service.Surroundings(ctx)}
	s.say("A new key %s in namespace %s. An empty answer takes what stands in brackets; Ctrl-C ends without a change.", name, namespace)
	for _, ask := range []func() error{
		i.displayName, i.environment, i.permissions, i.roles, i.customers, i.end, i.rateLimit, i.owner,
	} {
		if err := ask(); err != nil {
			return i.spec, err
		}
	}

	return i.spec, nil
}

// choose asks one question. The text may hold names from the cluster.
func (i *interview) choose(question, fallback string, take func(answer string) error) error {
	return i.asks.Choose(i.ctx, output.Clean(question), output.Clean(fallback), take)
}

func (i *interview) displayName() error {
	return i.choose("Display name, such as 'Main Website Integration'", noAnswer, func(answer string) error {
		switch {
		case keys.Redact(answer) != answer:
			return usagef("that is an API key, which is never a name: choose a descriptive one, and rotate that key")
		case answer != noAnswer:
			i.spec.DisplayName = answer
		}

		return nil
	})
}

func (i *interview) environment() error {
	environments := i.grants.Environments.Listed
	if i.grants.Environments.Any {
		environments = environmentNames()
	}
	if len(environments) == 0 {
		return usagef("you may use no environment in namespace %q: an administrator can allow it with a Role or ClusterRole that has the rule "+
			`{apiGroups: ["apikey-operator.io"], resources: ["environments"], resourceNames: ["Development"], verbs: ["use"]}`, i.namespace)
	}

	return i.choose("Environment ("+strings.Join(environments, ", ")+")", environments[len(environments)-1], func(answer string) (err error) {
		if i.spec.Environment, err = parseEnvironment(answer); err == nil && !i.grants.Environments.Covers(string(i.spec.Environment)) {
			return usagef("you may not use %s", i.spec.Environment)
		}

		return err
	})
}

func (i *interview) permissions() error {
	offer := operations.OfferPermissions(i.grants, i.around, i.namespace)

	return i.list("Permissions", "permission", offer, func(names []string) {
		i.spec.Permissions = nil
		for _, name := range names {
			i.spec.Permissions = append(i.spec.Permissions, v1alpha1.Permission(name))
		}
	})
}

func (i *interview) roles() error {
	offer := operations.OfferRoles(i.grants, i.around)
	if len(offer.Listed)+len(offer.Others) == 0 {
		return nil // as far as the person can see, there are no roles
	}

	return i.list("Roles", "role", offer, func(names []string) {
		i.spec.Roles = nil
		for _, name := range names {
			i.spec.Roles = append(i.spec.Roles, v1alpha1.RoleName(name))
		}
	})
}

// list asks for several names, tells those that the person may grant from others, and takes the former alone.
func (i *interview) list(question, kind string, offer operations.Offer, take func(names []string)) error {
	if !offer.Any && len(offer.Listed) == 0 {
		text := "You may grant no " + kind + " in this namespace, so the key has none."
		if len(offer.Others) > 0 {
			text += " There are " + some(offer.Others) + "."
		}
		i.say("%s", text)

		return nil
	}
	may := "you may grant " + some(offer.Listed)
	if offer.Any {
		may = "you may grant any"
		if len(offer.Listed) > 0 {
			may += ", such as " + some(offer.Listed)
		}
	}
	if len(offer.Others) > 0 {
		may += "; not yours to grant: " + some(offer.Others)
	}

	return i.choose(question+", with commas ("+may+")", noAnswer, func(answer string) error {
		names := splitList(answer)
		for _, name := range names {
			if !offer.Covers(name) {
				return usagef("you may not grant %q", name)
			}
		}
		take(names)

		return nil
	})
}

func (i *interview) customers() error {
	return i.choose("Customers whose data the key opens, with commas; none: every customer", noAnswer, func(answer string) error {
		i.spec.Customers = nil
		for _, customer := range splitList(answer) {
			i.spec.Customers = append(i.spec.Customers, v1alpha1.Customer(customer))
		}

		return nil
	})
}

func (i *interview) end() error {
	return i.choose("Expires in, such as 90d, or never", defaultLife, func(answer string) (err error) {
		if answer == output.Never {
			return nil
		}
		_, i.spec.ValidFor, err = parseSpan(answer)

		return err
	})
}

func (i *interview) rateLimit() error {
	return i.choose("Rate limit, such as 100/1m or 100/1m,burst=20", noAnswer, func(answer string) (err error) {
		if answer == noAnswer {
			return nil
		}
		i.spec.RateLimit, err = values.RateLimit(answer)

		return err
	})
}

func (i *interview) owner() error {
	me, err := i.service.WhoAmI(i.ctx)
	if err != nil {
		return err
	}

	return i.choose(fmt.Sprintf("Owner, the user the key is for, such as yourself: %s", me), noAnswer, func(answer string) error {
		switch {
		case answer == noAnswer:
			return nil
		case answer != me && !i.grants.Owners.Covers(answer):
			return usagef("you may not assign keys to %q", answer)
		}
		i.spec.Owner = answer

		return nil
	})
}

// splitList returns the names in an answer.
func splitList(answer string) []string {
	if answer == noAnswer {
		return nil
	}
	var names []string
	for name := range strings.SplitSeq(answer, ",") {
		if name = strings.TrimSpace(name); name != "" {
			names = append(names, name)
		}
	}

	return names
}

// some returns the first of many names.
func some(names []string) string {
	if len(names) > maxOffered {
		return strings.Join(names[:maxOffered], ", ") + fmt.Sprintf(" and %d more", len(names)-maxOffered)
	}

	return strings.Join(names, ", ")
}

// showManifest shows the manifest of the new APIKey, and asks for a confirmation.
func (s *session) showManifest(ctx context.Context, key *v1alpha1.APIKey) error {
	s.say("This will be created:\n")
	if err := (&printers.YAMLPrinter{}).PrintObj(manifest(key), output.CleanWriter(s.Err)); err != nil {
		return err
	}

	return s.asks.Confirm(ctx, "Create it?")
}
