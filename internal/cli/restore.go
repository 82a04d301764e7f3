// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/client-go/rest"

	"github.com/apikey-operator/apikey-operator/internal/cli/backup"
	"github.com/apikey-operator/apikey-operator/internal/cli/operations"
	"github.com/apikey-operator/apikey-operator/internal/cli/output"
)

// defaultOperator is the account of the operator that config/default installs.
const defaultOperator = "apikey-operator-system/apikey-operator-controller-manager"

// restoreOptions are the flags of restore.
type restoreOptions struct {
	file, operator, mode string
	all, clusterScoped   bool
}

// newRestore returns the command that restores a backup.
func newRestore(s *session) *cobra.Command {
	o := &restoreOptions{}
	cmd := &cobra.Command{
		Use:   "restore -f FILE",
		Short: "Restore APIKeys with their keys from a backup, while the operator is stopped",
		Long: `Restore the APIKeys of a namespace, or of all, from a backup, so that every key works as before: its text, its Secret, its end, a
running overlap, a suspension.

Stop the operator before, because it would draw a new key for an APIKey whose key is not restored yet, and start it afterwards. The command
holds the operator's Lease meanwhile, and fails if an operator leads. You need the grants for what is on the keys, and the right
to impersonate the operator's service account, which alone may write Secrets and status.

An APIKey that exists with another spec, or with a key of its own, is not touched; the command names it, goes on, and exits with 1. After an
interruption, run the same command again. Keys that have expired or were revoked are restored as ended, without a Secret.`,
		Example: `  # Every key of an encrypted backup
  age -d -i key.txt keys.age | kubectl apikey restore -A -f -

  # What would be done for the namespace
  kubectl apikey restore -f keys.jsonl --dry-run=client

  # Everything, with the APIKeyRoles and APIKeyPolicies
  kubectl apikey restore -A --cluster-scoped -f all.jsonl`,
		Args:              noArguments,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              func(cmd *cobra.Command, _ []string) error { return s.restore(cmd.Context(), o) },
	}
	flags := cmd.Flags()
	flags.StringVarP(&o.file, "filename", "f", "", "The backup; -: standard input.")
	flags.BoolVarP(&o.all, "all-namespaces", "A", false, "Restore the keys of all namespaces.")
	flags.BoolVar(&o.clusterScoped, "cluster-scoped", false, "Restore APIKeyRoles and APIKeyPolicies, too: roles first, policies last.")
	flags.StringVar(&o.operator, "operator", defaultOperator, "Namespace and name of the operator's service account.")
	flags.StringVar(&o.mode, "dry-run", string(dryRunNone),
		`"client": check the backup alone. "server": let the API server check it, and store nothing. "none": do it.`)
	completeValues(cmd, "dry-run", string(dryRunNone), string(dryRunClient), string(dryRunServer))

	return cmd
}

// check refuses flags that make no sense, and returns the account of the operator.
func (o *restoreOptions) check(s *session) (namespace, account string, err error) {
	switch {
	case o.file == "":
		return "", "", usagef("name the backup with -f FILE, or -f - for standard input")
	case o.file == fromStdin && s.InTerminal:
		return "", "", usagef("standard input is a terminal: pass a backup to it, or name a file with -f FILE")
	}
	if err := (&results{mode: o.mode}).check(); err != nil {
		return "", "", err
	}
	namespace, account, _ = strings.Cut(o.operator, "/")
	if len(validation.IsDNS1123Label(namespace)) > 0 || len(validation.IsDNS1123Subdomain(account)) > 0 {
		return "", "", usagef("--operator %q: must be NAMESPACE/NAME of a service account, such as %s", o.operator, defaultOperator)
	}

	return namespace, account, nil
}

// restore reads a backup to its end before it connects.
func (s *session) restore(ctx context.Context, o *restoreOptions) error {
	operatorNamespace, account, err := o.check(s)
	if err != nil {
		return err
	}
	archive, err := s.readBackup(o.file)
	if err != nil {
		return err
	}
	s.say("The backup of %s has %s.", archive.Header.CreatedAt.UTC().Format("2006-01-02 15:04:05Z"), countsOf(archive.Counts()))
	cfg, namespace, err := s.connection()
	if err != nil && dryRun(o.mode) != dryRunClient {
		return err
	}
	if o.all {
		namespace = ""
	} else if found := archive.Namespaces(); !slices.Contains(found, namespace) {
		return usagef("the backup has no APIKey of namespace %q, but of: %s; choose one with -n, or all with -A", namespace, strings.Join(found, ", "))
	}
	r := &restoration{session: s, options: o, archive: archive, namespace: namespace}
	if dryRun(o.mode) == dryRunClient {
		backup.Inspect(archive, namespace, s.Clock.Now(), r.report)
	} else if err := r.run(ctx, cfg, operatorNamespace, account); err != nil {
		return err
	}

	return r.failed.orNil("%s of the backup not restored", output.Count(len(r.failed.errs), "object"))
}

// as returns a configuration with which the user acts for another.
func as(cfg *rest.Config, user string) *rest.Config {
	cfg = rest.CopyConfig(cfg)
	cfg.Impersonate = rest.ImpersonationConfig{UserName: user}

	return cfg
}

// readBackup reads a backup to its end.
func (s *session) readBackup(name string) (*backup.Archive, error) {
	in := s.In
	if name != fromStdin {
		file, err := os.Open(name) //nolint:gosec // G304: the person names the file
		if err != nil {
			return nil, err
		}
		defer func() { _ = file.Close() }()
		in = io.Reader(file)
	}

	return backup.Read(in)
}

// restoration is one run of restore.
type restoration struct {
	*session

	options   *restoreOptions
	archive   *backup.Archive
	namespace string
	failed    partialError
}

// run connects as the user and as the operator, and restores while the operator cannot work.
func (r *restoration) run(ctx context.Context, cfg *rest.Config, namespace, account string) error {
	user, err := operations.Connect(cfg)
	if err != nil {
		return err
	}
	if err := (operations.Service{Client: user, Clock: r.Clock}).MayImpersonate(ctx, namespace, account); err != nil {
		return err
	}
	cfg = as(cfg, "system:serviceaccount:"+namespace+":"+account)
	operator, err := operations.Connect(cfg)
	if err != nil {
		return err
	}
	target := backup.Target{User: user, Operator: operator, Clock: r.Clock, DryRun: dryRun(r.options.mode) == dryRunServer}
	if target.DryRun {
		return r.restoreInto(ctx, target)
	}
	lease, err := backup.NewLease(cfg, namespace, func(holder string, seconds int) {
		r.say("The Lease of the operator is held by %s. Waiting up to %d seconds to see whether it runs.", holder, seconds)
	})
	if err != nil {
		return err
	}

	return lease.Hold(ctx, func(ctx context.Context) error { return r.restoreInto(ctx, target) })
}

// restoreInto restores roles, then APIKeys, then policies: an APIKey that is older than a policy need not meet it.
func (r *restoration) restoreInto(ctx context.Context, target backup.Target) error {
	if r.options.clusterScoped {
		if err := target.RestoreRoles(ctx, r.archive, r.report); err != nil {
			return operations.WithMissingRule(err)
		}
	}
	if err := target.Restore(ctx, r.archive, r.namespace, r.report); err != nil {
		return operations.WithMissingRule(err)
	}
	if r.options.clusterScoped {
		return operations.WithMissingRule(target.RestorePolicies(ctx, r.archive, r.report))
	}

	return nil
}
