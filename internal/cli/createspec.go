// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// specFlags are the flags that describe a key. Each sets one field of spec.
type specFlags struct {
	cmd *cobra.Command

	displayName, environment, owner string
	permissions, roles, customers   []string
	expiresIn, expiresAt            string
	limit                           string
	rotateEvery, overlap            string
	secretName, secretKey           string
	delivery, claimBefore           string
	names                           []string
}

// register adds the flags to a command.
func (f *specFlags) register(cmd *cobra.Command) {
	f.cmd = cmd
	flags := cmd.Flags()
	text := func(into *string, name, usage string) {
		f.names = append(f.names, name)
		flags.StringVar(into, name, "", usage)
	}
	list := func(into *[]string, name, usage string) {
		f.names = append(f.names, name)
		flags.StringSliceVar(into, name, nil, usage)
	}
	text(&f.displayName, "display-name", "What people call the key; it can change at any time.")
	text(&f.environment, "environment", "Production, Staging or Development: the only one whose endpoints accept the key.")
	list(&f.permissions, "permission", "What the key may do, such as customers:read; several with commas, or the flag again.")
	list(&f.roles, "role", "An APIKeyRole whose permissions the key has too.")
	list(&f.customers, "customer", "A customer whose data the key opens. None: every customer.")
	text(&f.owner, "owner", "The user the key is for.")
	text(&f.expiresIn, "expires-in", "How long the key lives, such as 365d or 8760h.")
	text(&f.expiresAt, "expires-at", "When the key ends, such as 2027-11-21 or 2027-11-21T12:00:00Z.")
	text(&f.limit, "rate-limit", "How often the key may be used, such as 100/1m, or 100/1m,burst=20.")
	text(&f.rotateEvery, "rotate-every", "How long until the operator replaces the key by itself, such as 30d.")
	text(&f.overlap, "overlap", "How long a replaced key stays valid, such as 10m.")
	text(&f.secretName, "secret-name", "Name of the Secret; not set: that of the APIKey.")
	text(&f.secretKey, "secret-key", "Data key in the Secret; not set: "+v1alpha1.SecretKeyDefault+".")
	text(&f.delivery, "delivery", "Keep: the Secret stays. Once: it exists until the key is claimed, by reveal --claim. Not set: Keep.")
	text(&f.claimBefore, "claim-before", "How long the key may be claimed with --delivery Once, such as 30m; then it is revoked. Not set: 1h.")
	completeValues(cmd, "environment", environmentNames()...)
	completeValues(cmd, "delivery", deliveryNames()...)
}

// given reports whether the command line describes the key.
func (f *specFlags) given() bool {
	for _, name := range f.names {
		if f.cmd.Flags().Changed(name) {
			return true
		}
	}

	return false
}

// read returns the spec that the flags describe. The API server checks the rest.
func (f *specFlags) read() (v1alpha1.APIKeySpec, error) {
	var spec v1alpha1.APIKeySpec
	environment, err := parseEnvironment(f.environment)
	if err != nil {
		return spec, err
	}
	spec = v1alpha1.APIKeySpec{DisplayName: f.displayName, Environment: environment, Owner: f.owner}
	for _, permission := range f.permissions {
		spec.Permissions = append(spec.Permissions, v1alpha1.Permission(permission))
	}
	for _, role := range f.roles {
		spec.Roles = append(spec.Roles, v1alpha1.RoleName(role))
	}
	for _, customer := range f.customers {
		spec.Customers = append(spec.Customers, v1alpha1.Customer(customer))
	}
	if err := f.readSecret(&spec); err != nil {
		return spec, err
	}
	if f.limit != "" {
		if spec.RateLimit, err = parseLimit(f.limit); err != nil {
			return spec, err
		}
	}
	if err := f.readEnd(&spec); err != nil {
		return spec, err
	}

	return spec, f.readRotation(&spec)
}

func (f *specFlags) readSecret(spec *v1alpha1.APIKeySpec) error {
	secret := v1alpha1.SecretTemplate{Name: f.secretName, Key: f.secretKey}
	if f.delivery != "" {
		at := slices.IndexFunc(deliveryNames(), func(name string) bool { return strings.EqualFold(name, f.delivery) })
		if at < 0 {
			return usagef("delivery %q: must be one of %s", f.delivery, strings.Join(deliveryNames(), ", "))
		}
		secret.Delivery = v1alpha1.SecretDelivery(deliveryNames()[at])
	}
	if f.claimBefore != "" {
		if secret.Delivery != v1alpha1.DeliveryOnce {
			return usagef("--claim-before goes with --delivery %s: a Secret that stays is not claimed", v1alpha1.DeliveryOnce)
		}
		var err error
		if _, secret.ClaimBefore, err = parseSpan(f.claimBefore); err != nil {
			return err
		}
	}
	if secret.Name != "" || secret.Key != "" || secret.Delivery != "" {
		spec.Secret = &secret
	}

	return nil
}

func deliveryNames() []string {
	return []string{string(v1alpha1.DeliveryKeep), string(v1alpha1.DeliveryOnce)}
}

func (f *specFlags) readEnd(spec *v1alpha1.APIKeySpec) (err error) {
	switch {
	case f.expiresIn != "" && f.expiresAt != "":
		return usagef("--expires-in and --expires-at cannot both be set")
	case f.expiresIn != "":
		_, spec.ValidFor, err = parseSpan(f.expiresIn)
	case f.expiresAt != "":
		spec.ExpiresAt, err = parseEnd(f.expiresAt)
	}

	return err
}

func (f *specFlags) readRotation(spec *v1alpha1.APIKeySpec) (err error) {
	if f.rotateEvery == "" && f.overlap == "" {
		return nil
	}
	spec.Rotation = &v1alpha1.Rotation{}
	if f.rotateEvery != "" {
		if _, spec.Rotation.Every, err = parseSpan(f.rotateEvery); err != nil {
			return err
		}
	}
	if f.overlap != "" {
		_, spec.Rotation.Overlap, err = parseSpan(f.overlap)
	}

	return err
}

// parseEnvironment reads the name of an environment in any case.
func parseEnvironment(text string) (v1alpha1.Environment, error) {
	for _, name := range environmentNames() {
		if strings.EqualFold(name, text) {
			return v1alpha1.Environment(name), nil
		}
	}
	if text == "" {
		return "", usagef("--environment is missing: %s", strings.Join(environmentNames(), ", "))
	}

	return "", usagef("environment %q: must be one of %s", text, strings.Join(environmentNames(), ", "))
}

func environmentNames() []string {
	return []string{string(v1alpha1.EnvironmentProduction), string(v1alpha1.EnvironmentStaging), string(v1alpha1.EnvironmentDevelopment)}
}
