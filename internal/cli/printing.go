// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"io"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/printers"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/cli/operations"
)

// dryRun says how much of a change is made.
type dryRun string

// The values of --dry-run, which are kubectl's.
const (
	dryRunNone   dryRun = "none"
	dryRunClient dryRun = "client"
	dryRunServer dryRun = "server"
)

// results prints the APIKeys that a command has changed, as kubectl does: "apikey.apikey-operator.io/web suspended", or in the
// format of -o.
type results struct {
	flags *genericclioptions.PrintFlags
	mode  string
}

// register adds -o and --dry-run to a command. done is the word behind the name of the APIKey.
func (r *results) register(cmd *cobra.Command, done string) {
	r.flags = genericclioptions.NewPrintFlags(done)
	r.flags.AddFlags(cmd)
	cmd.Flags().StringVar(&r.mode, "dry-run", string(dryRunNone),
		`"client": print what would be sent. "server": let the API server check it, and store nothing. "none": do it.`)
	completeValues(cmd, "dry-run", string(dryRunNone), string(dryRunClient), string(dryRunServer))
	completeValues(cmd, "output", "json", "yaml", "name", "jsonpath=")
}

// check refuses an unknown --dry-run.
func (r *results) check() error {
	switch dryRun(r.mode) {
	case dryRunNone, dryRunClient, dryRunServer:
		return nil
	default:
		return usagef("--dry-run=%q: must be none, client or server", r.mode)
	}
}

func (r *results) is(mode dryRun) bool { return dryRun(r.mode) == mode }

// show prints an APIKey that was changed, or would be.
func (r *results) show(s *session, key *v1alpha1.APIKey) error {
	template := map[dryRun]string{dryRunClient: "%s (dry run)", dryRunServer: "%s (server dry run)"}[dryRun(r.mode)]
	if template == "" {
		template = "%s"
	}
	kinds, err := operations.Scheme()
	if err != nil {
		return err
	}
	printer := *r.flags
	named := *r.flags.NamePrintFlags // Complete changes it
	printer.NamePrintFlags = &named
	if err := printer.Complete(template); err != nil {
		return err
	}
	to, err := printer.WithTypeSetter(kinds).ToPrinter()
	if err != nil {
		return usagef("%v", err)
	}
	object := key.DeepCopy()
	if r.is(dryRunClient) {
		object = manifest(key)
	}

	return s.print(to, object)
}

// print prints an object. It returns the error of the output, which some printers do not report and others hide behind the whole object.
func (s *session) print(printer printers.ResourcePrinter, object runtime.Object) error {
	to := &errorKeeper{to: s.stdout()}
	err := printer.PrintObj(object, to)
	if to.err != nil {
		return to.err
	}

	return err
}

// errorKeeper keeps the first error of a writer.
type errorKeeper struct {
	to  io.Writer
	err error
}

// Write implements io.Writer.
func (k *errorKeeper) Write(p []byte) (int, error) {
	n, err := k.to.Write(p)
	if k.err == nil {
		k.err = err
	}

	return n, err
}

// manifest returns of an APIKey what belongs into Git: what a person has declared, and nothing that the cluster has added.
func manifest(key *v1alpha1.APIKey) *v1alpha1.APIKey {
	declared := operations.New(operations.NameOf(key), *key.Spec.DeepCopy())
	declared.Labels, declared.Annotations = key.Labels, key.Annotations

	return declared
}
