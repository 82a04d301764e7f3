// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/apikey-operator/apikey-operator/internal/cli/backup"
	"github.com/apikey-operator/apikey-operator/internal/cli/operations"
	"github.com/apikey-operator/apikey-operator/internal/cli/output"
)

// backupOptions are the flags of backup.
type backupOptions struct {
	file               string
	all, clusterScoped bool
}

// newBackup returns the command that writes a backup.
func newBackup(s *session) *cobra.Command {
	o := &backupOptions{}
	cmd := &cobra.Command{
		Use:   "backup",
		Short: "Write APIKeys with their keys, to restore them in another cluster",
		Long: `Write the APIKeys of a namespace, or of all, with the keys in their Secrets and their status, so that "restore" can bring
every key back unchanged.

The backup holds keys in plain text: encrypt it. It goes to standard output, which must not be a terminal, or into a new file that only you
can read. Encryption must also protect it from changes: a user who can change a backup decides which keys work after a restore.

To move to another cluster, stop the operator first, so that no key is rotated after the backup. It needs the right to list and
get APIKeys and to get their Secrets.`,
		Example: `  # Every key of the cluster, encrypted
  kubectl apikey backup -A | age -r age1... -o keys.age

  # The keys of the namespace, into a file
  kubectl apikey backup -f keys.jsonl

  # With the APIKeyRoles and APIKeyPolicies
  kubectl apikey backup -A --cluster-scoped -f all.jsonl`,
		Args:              noArguments,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              func(cmd *cobra.Command, _ []string) error { return s.backup(cmd.Context(), o) },
	}
	flags := cmd.Flags()
	flags.StringVarP(&o.file, "filename", "f", fromStdin, "File to write, which must not exist; -: standard output.")
	flags.BoolVarP(&o.all, "all-namespaces", "A", false, "Back up the keys of all namespaces.")
	flags.BoolVar(&o.clusterScoped, "cluster-scoped", false, "Back up APIKeyRoles and APIKeyPolicies, too.")

	return cmd
}

// backup writes a backup, and tells what it holds.
func (s *session) backup(ctx context.Context, o *backupOptions) error {
	if o.file == fromStdin && s.OutTerminal {
		return usagef("a backup holds keys in plain text, and standard output is a terminal: pass it to a program that encrypts it, or add -f FILE")
	}
	service, namespace, err := s.service()
	if err != nil {
		return err
	}
	if o.all {
		namespace = ""
	}
	var counts backup.Counts
	var left partialError
	write := func(w io.Writer) error {
		counts, err = s.writeBackup(ctx, service, namespace, o.clusterScoped, w, &left)

		return err
	}
	if o.file == fromStdin {
		err = write(s.Out)
	} else {
		err = writeNew(o.file, write)
	}
	if err != nil {
		return err
	}
	s.say("%s. They are in plain text: encrypt the backup.", countsOf(counts))

	return left.orNil("%s left out of the backup", output.Count(len(left.errs), "APIKey"))
}

// writeBackup writes the objects, and adds those that it leaves out to left.
func (s *session) writeBackup(ctx context.Context, service operations.Service, namespace string, clusterScoped bool, to io.Writer, left *partialError) (
	backup.Counts, error,
) {
	buffered := bufio.NewWriter(to)
	w, err := backup.NewWriter(buffered, backup.Header{CreatedAt: metav1.NewTime(s.Clock.Now()), Writer: s.Build.Version})
	if err != nil {
		return backup.Counts{}, err
	}
	source := backup.Source{Service: service}
	if clusterScoped {
		if err := source.CollectClusterScoped(ctx, w); err != nil {
			return backup.Counts{}, err
		}
	}
	if err := source.Collect(ctx, namespace, w, func(name types.NamespacedName, err error) {
		s.say("apikey %s was left out: %v", name, err)
		left.add(err)
	}); err != nil {
		return backup.Counts{}, err
	}
	counts, err := w.Close()

	return counts, errors.Join(err, buffered.Flush())
}

// writeNew writes a file that only the user can read, and refuses an existing one. It removes a file that is not complete.
func writeNew(name string, write func(io.Writer) error) (err error) {
	const ownerOnly = 0o600
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, ownerOnly) //nolint:gosec // G304: the person names the file
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("%s exists, and a backup never overwrites a file: name another, or delete it", name)
	}
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(name))
		}
	}()

	return errors.Join(write(file), file.Sync(), file.Close())
}

// countsOf tells what a backup holds.
func countsOf(c backup.Counts) string {
	text := output.Count(c.APIKeys, "APIKey")
	if c.Roles+c.Policies > 0 {
		text += fmt.Sprintf(", %s, %s", output.Count(c.Roles, "APIKeyRole"), countPolicies(c.Policies))
	}

	return text
}

func countPolicies(n int) string {
	if n == 1 {
		return "1 APIKeyPolicy"
	}

	return fmt.Sprintf("%d APIKeyPolicies", n)
}
