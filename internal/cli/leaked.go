// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/cli/leak"
	"github.com/apikey-operator/apikey-operator/internal/cli/operations"
	"github.com/apikey-operator/apikey-operator/internal/cli/output"
	"github.com/apikey-operator/apikey-operator/internal/keys"
)

// maxDistinct bounds the memory for keys that differ. A text with more of them is a dump of the whole cluster.
const maxDistinct = 1 << 20

// leakedOptions are the flags of leaked.
type leakedOptions struct {
	here, revoke, rotate, yes bool
}

// newLeaked returns the command that finds keys in text.
func newLeaked(s *session) *cobra.Command {
	o := &leakedOptions{}
	cmd := &cobra.Command{
		Use:   "leaked - | FILE...",
		Short: "Find keys in a log, a dump or a Git history, and stop them",
		Long: `Find every key of the operator in text, by its format and checksum, and tell whose it is, what it may do and when it was last used.
The keys themselves are not printed.

It finds keys as they are and in base64, such as in a dumped Secret, also in base64 that is broken into lines. An etcd snapshot holds
Secrets as they are, unless they are encrypted at rest. Compressed and encrypted text is not searched: decompress it first, as in
"zcat app.log.gz | kubectl apikey leaked -".

It reads any amount of text in constant memory. --rotate replaces the keys that still work, without an overlap; --revoke ends them
for good. Both ask before they act. While the text comes through standard input nobody can be asked, so they need --yes there.

The exit code is 7 if a key was found, also one that no longer works.`,
		Example: `  # Search the history of a repository
  git log -p --all | kubectl apikey leaked -

  # Search a log, and replace what was found
  kubectl apikey leaked app.log --rotate`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 || slices.Contains(args, fromStdin) && len(args) > 1 {
				return usagef("pass the text by - or name files; see `%s --help`", cmd.CommandPath())
			}

			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return s.leaked(cmd.Context(), o, args) },
	}
	flags := cmd.Flags()
	flags.BoolVar(&o.here, "here", false, "Look for the owners in the namespace alone.")
	flags.BoolVar(&o.revoke, "revoke", false, "Revoke the keys that still work.")
	flags.BoolVar(&o.rotate, "rotate", false, "Rotate the keys that still work; the leaked ones stop at once.")
	flags.BoolVarP(&o.yes, "yes", "y", false, "Do not ask.")
	cmd.MarkFlagsMutuallyExclusive("revoke", "rotate")

	return cmd
}

// sighting describes one leaked key.
type sighting struct {
	digest keys.Digest
	count  int
	where  string // of the first occurrence
}

func (s *session) leaked(ctx context.Context, o *leakedOptions, files []string) error {
	if (o.revoke || o.rotate) && !o.yes && (files[0] == fromStdin || !s.InTerminal) {
		return errNoTerminal
	}
	service, namespace, err := s.service()
	if err != nil {
		return err
	}
	found, err := s.scanAll(ctx, files)
	if err != nil {
		return err
	}
	if len(found) == 0 {
		s.say("No key found.")

		return nil
	}
	if !o.here {
		namespace = ""
	}

	return s.actOnLeaked(ctx, o, service, namespace, found)
}

// actOnLeaked tells whose the keys are, and stops them if the flags say so.
func (s *session) actOnLeaked(ctx context.Context, o *leakedOptions, service operations.Service, namespace string, found []*sighting) error {
	digests := make(map[keys.Digest]bool, len(found))
	for _, f := range found {
		digests[f.digest] = true
	}
	holders, err := service.Holders(ctx, namespace, digests)
	if err != nil {
		return err
	}
	live, err := s.printSightings(found, holders)
	if err != nil {
		return err
	}
	if (o.revoke || o.rotate) && len(live) > 0 {
		if err := s.stopLeaked(ctx, o, service, live); err != nil {
			return err
		}
	}

	return errFindings
}

// scanAll scans files, or standard input, and returns the keys in the order in which they first appear.
func (s *session) scanAll(ctx context.Context, files []string) ([]*sighting, error) {
	var found []*sighting
	byDigest := map[keys.Digest]*sighting{}
	for _, file := range files {
		in, name := s.In, "stdin"
		if file != fromStdin {
			opened, err := os.Open(file) //nolint:gosec // G304: the person names the file
			if err != nil {
				return nil, err
			}
			defer func() { _ = opened.Close() }() //nolint:revive // few files, and each was only read
			in, name = opened, file
		}
		if _, err := leak.Scan(interruptible{ctx, in}, func(f leak.Found) error {
			if known := byDigest[f.Digest]; known != nil {
				known.count++

				return nil
			}
			if len(found) >= maxDistinct {
				return fmt.Errorf("more than %d different keys: search a part of the text", maxDistinct)
			}
			byDigest[f.Digest] = &sighting{digest: f.Digest, count: 1, where: name + ":" + strconv.FormatInt(f.Line, 10)}
			found = append(found, byDigest[f.Digest])

			return nil
		}); err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
	}

	return found, nil
}

// printSightings prints a row for each key, and returns the APIKeys whose keys still work, each once.
func (s *session) printSightings(found []*sighting, holders map[keys.Digest][]operations.Holder) ([]v1alpha1.APIKey, error) {
	table := output.NewTable(s.Out, s.Colour, "KEY", "FIRST SEEN", "TIMES", "NAMESPACE", "NAME", "OWNER", "PERMISSIONS", "LAST USED", "STATE")
	var live []v1alpha1.APIKey
	now := s.Clock.Now()
	for _, f := range found {
		first := []output.Cell{output.Plain(f.digest.ID()), output.Plain(f.where), output.Plain(strconv.Itoa(f.count))}
		if len(holders[f.digest]) == 0 {
			if err := table.Row(append(first, output.Plain("-"), output.Plain("-"), output.Plain("-"), output.Plain("-"), output.Plain("-"),
				output.Plain("unknown here"))...); err != nil {
				return nil, err
			}
		}
		for _, holder := range holders[f.digest] {
			view := operations.ViewOf(&holder.APIKey, now)
			state := output.Cell{Text: "no longer accepted", Colour: output.Green}
			if holder.Live {
				state = output.Cell{Text: "works", Colour: output.Red}
				live = append(live, holder.APIKey)
			} else if view.Status == v1alpha1.PhaseSuspended {
				state = output.Cell{Text: "suspended", Colour: output.Yellow}
				live = append(live, holder.APIKey)
			}
			row := append(slices.Clone(first), output.Plain(view.Namespace), output.Plain(view.Name), output.Plain(view.Owner),
				output.Plain(output.Permissions(view.Permissions, view.Roles)), output.Plain(output.Ago(view.LastUsed, now)), state)
			if err := table.Row(row...); err != nil {
				return nil, err
			}
		}
	}
	slices.SortFunc(live, func(a, b v1alpha1.APIKey) int { return strings.Compare(string(a.UID), string(b.UID)) })
	live = slices.CompactFunc(live, func(a, b v1alpha1.APIKey) bool { return a.UID == b.UID })

	return live, table.Flush()
}

// interruptible ends a read when the context ends. A read that waits for a pipe ends with the process.
type interruptible struct {
	ctx context.Context //nolint:containedctx // it is an io.Reader for one scan
	io.Reader
}

// Read implements io.Reader.
func (r interruptible) Read(p []byte) (int, error) {
	if r.ctx.Err() != nil {
		return 0, context.Cause(r.ctx)
	}

	return r.Reader.Read(p)
}
