// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"strings"

	"k8s.io/cli-runtime/pkg/printers"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/cli/operations"
	"github.com/apikey-operator/apikey-operator/internal/cli/output"
	"github.com/apikey-operator/apikey-operator/internal/keys"
)

// defaultLife is the offered time until a key ends: a year, as most products have it.
const defaultLife = "365d"

// askForSpec asks a person what a key is for.
func (s *session) askForSpec(ctx context.Context, service operations.Service, namespace, name string) (v1alpha1.APIKeySpec, error) {
	var spec v1alpha1.APIKeySpec
	grants, err := service.MyGrants(ctx, namespace)
	if err != nil {
		return spec, err
	}
	s.say("A new key %s in namespace %s. An empty answer takes what stands in brackets; Ctrl-C ends without a change.", name, namespace)
	if err := s.asks.Choose(ctx, "Display name, such as 'Main Website Integration'", "none", func(answer string) error {
		return takeDisplayName(&spec, answer)
	}); err != nil {
		return spec, err
	}
	environments := grants.Environments.Listed
	if grants.Environments.Any {
		environments = environmentNames()
	}
	if len(environments) == 0 {
		return spec, usagef("you may use no environment in namespace %q: an administrator can allow it with a Role or ClusterRole that has the rule "+
			`{apiGroups: ["apikey-operator.io"], resources: ["environments"], resourceNames: ["Development"], verbs: ["use"]}`, namespace)
	}
	if err := s.asks.Choose(
		ctx,
		"Environment ("+output.Clean(strings.Join(environments, ", "))+")",
		output.Clean(environments[len(environments)-1]),
		func(answer string) (err error) {
			spec.Environment, err = parseEnvironment(answer)

			return err
		},
	); err != nil {
		return spec, err
	}
	if err := s.askForPermissions(ctx, &spec, grants.Permissions); err != nil {
		return spec, err
	}

	return spec, s.asks.Choose(ctx, "Expires in, such as 90d, or never", defaultLife, func(answer string) (err error) {
		if answer == output.Never {
			return nil
		}
		_, spec.ValidFor, err = parseSpan(answer)

		return err
	})
}

// askForPermissions asks for permissions, and names those that the user may grant.
func (s *session) askForPermissions(ctx context.Context, spec *v1alpha1.APIKeySpec, grants operations.Names) error {
	offer := "you may grant " + strings.Join(grants.Listed, ", ")
	switch {
	case grants.Any:
		offer = "you may grant any"
	case len(grants.Listed) == 0:
		s.say("You may grant no permission in this namespace, so the key has none.")

		return nil
	}

	return s.asks.Choose(ctx, "Permissions, with commas ("+output.Clean(offer)+")", "none", func(answer string) error {
		spec.Permissions = nil
		if answer == "none" {
			return nil
		}
		for permission := range strings.SplitSeq(answer, ",") {
			permission = strings.TrimSpace(permission)
			if !grants.Covers(permission) {
				return usagef("you may not grant %q", permission)
			}
			spec.Permissions = append(spec.Permissions, v1alpha1.Permission(permission))
		}

		return nil
	})
}

// takeDisplayName sets the display name, which is never a key.
func takeDisplayName(spec *v1alpha1.APIKeySpec, answer string) error {
	switch {
	case keys.Redact(answer) != answer:
		return usagef("that is an API key, which is never a name: choose a descriptive one, and rotate that key")
	case answer != "none":
		spec.DisplayName = answer
	}

	return nil
}

// showManifest shows the manifest of the new APIKey, and asks for a confirmation.
func (s *session) showManifest(ctx context.Context, key *v1alpha1.APIKey) error {
	s.say("This will be created:\n")
	if err := (&printers.YAMLPrinter{}).PrintObj(manifest(key), output.CleanWriter(s.Err)); err != nil {
		return err
	}

	return s.asks.Confirm(ctx, "Create it?")
}
