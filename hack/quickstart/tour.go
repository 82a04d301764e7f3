// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// step is one stop of the tour.
type step struct {
	name string // one word for the state of the key
	why  string // what there is to see
	walk func(ctx context.Context, g *guide) error
}

// steps returns the tour in order. Each step relies on the state that the previous step leaves.
func steps() []step {
	return []step{
		{"Minted", "apply an APIKey, and the operator puts a fresh key into a Secret", minted},
		{"Asked", "a gateway asks the verifier about each request, and the API behind it learns whose key it was", asked},
		{"Re-applied", "pipelines apply the same manifests all day, and nothing changes", reapplied},
		{"Rotated", "a new value of one annotation asks for a new key, and the old one stops", rotated},
		{"Overlapped", "or the old key works on for a while, which gives clients time to change over", overlapped},
		{"Limited", "a key that may be used so often, and no more", limited},
		{"Granted", "who may edit APIKeys may not yet say what a key can do", granted},
		{"Governed", "and what every key has to meet, a policy says", governed},
		{"Suspended", "the key is refused for a while, and then it is the same key again", suspended},
		{"Expired", "a key that ends by itself, and cannot be brought back", expired},
		{"Revoked", "the key is dead for good, and its history stays", revoked},
		{"Deleted", "an APIKey takes its Secret with it", deleted},
	}
}

// tour walks through all steps, and stops at the first that does not hold.
func tour(ctx context.Context, say narrator, s *setup) error {
	started := time.Now()
	g := &guide{
		narrator: say, kubectl: s.cluster.kubectl, client: s.cluster.client,
		curl: findCurl(), demo: s.api.url.String(),
	}
	if g.curl.program == "" {
		g.note("there is no curl on this machine, so Go sends the requests that are shown as curl's")
	}
	all := steps()
	for i, s := range all {
		g.heading(fmt.Sprintf("%d/%d %s", i+1, len(all), s.name), s.why)
		if err := s.walk(ctx, g); err != nil {
			if cause := context.Cause(ctx); cause != nil {
				err = cause // what the step met is only the consequence
			}

			return fmt.Errorf("step %d/%d, %s, did not hold: %w", i+1, len(all), s.name, err)
		}
	}
	if err := g.trySuggestions(ctx, s.cluster.root); err != nil {
		return err
	}
	g.heading("Done", fmt.Sprintf("all %d steps held, in %s", len(all), elapsed(started)))

	return nil
}

// guide is what a step works with: commands that are shown and run, and checks of what they did.
type guide struct {
	narrator

	kubectl kubectl
	client  client.Client
	curl    curl
	demo    string // the URL of the demo API
	key     string // what $KEY is, in the shell that the reader imagines
}

// show shows a command, runs it and shows what it printed.
func (g *guide) show(ctx context.Context, args ...string) error {
	g.command(commandLine(args))
	printed, err := g.kubectl.run(ctx, args...)
	if err != nil {
		return err
	}
	g.output(printed)

	return nil
}

// showFile shows a file of the checkout.
func (g *guide) showFile(path string) error {
	g.command("cat " + path)
	content, err := os.ReadFile(filepath.Join(g.kubectl.workDir, path))
	if err != nil {
		return err
	}
	g.output(strings.TrimSpace(string(content)))

	return nil
}

// showRefused shows a command that the API server refuses, and what it says to it: the words are what tells that refusal from others.
func (g *guide) showRefused(ctx context.Context, words string, args ...string) error {
	g.command(commandLine(args))
	printed, err := g.kubectl.run(ctx, args...)
	switch {
	case err == nil:
		return errors.New("the API server accepted what it should have refused: " + commandLine(args))
	case !strings.Contains(printed, words): // failed, but not for that reason
		return err
	}
	g.output(printed)

	return nil
}

// patch shows a change of the spec.
func (g *guide) patch(ctx context.Context, key types.NamespacedName, spec string) error {
	return g.show(ctx, patchArgs(key, spec)...)
}

// patchRefused shows a change of the spec that is refused.
func (g *guide) patchRefused(ctx context.Context, key types.NamespacedName, spec string) error {
	return g.showRefused(ctx, "is invalid", patchArgs(key, spec)...)
}

// patchArgs returns the arguments of kubectl that merge a JSON object into the spec of an APIKey.
func patchArgs(key types.NamespacedName, spec string) []string {
	return []string{
		"patch", resource, key.Name, "-n", key.Namespace, "--type=merge", "-p", `{"spec":` + spec + `}`,
	}
}
