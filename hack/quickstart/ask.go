// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"k8s.io/apimachinery/pkg/types"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// keyVariable stands for the key in headers, as it does in the shell of the reader.
const keyVariable = "$KEY"

// withKey is the header that carries the key.
const withKey = "X-API-Key: " + keyVariable

// request is one request to the demo API.
type request struct {
	path    string
	headers []string // each "Name: value", where keyVariable is the key
	whole   bool     // show the whole answer, not only its body
}

// line returns the request as a command for a shell.
func (r request) line(base string) string {
	words := []string{"curl"}
	if r.whole {
		words = append(words, "-i")
	}
	for _, header := range r.headers {
		words = append(words, "-H", `"`+header+`"`)
	}

	return strings.Join(append(words, base+r.path), " ")
}

// answerCheck returns an error that says how an answer differs from the wanted one.
type answerCheck func(answer) error

// admitted checks that the request got to the API, that the API knows whose key it was, and that it was not given the key.
func admitted(name types.NamespacedName) answerCheck {
	return func(a answer) error {
		for _, want := range []string{"X-Apikey-Name: " + name.Name + "\n", "X-Apikey-Namespace: " + name.Namespace + "\n"} {
			if a.status != http.StatusOK || !strings.Contains(a.body, want) {
				return fmt.Errorf("want 200 and %q, got %d and %q", strings.TrimSpace(want), a.status, a.body)
			}
		}
		if strings.Contains(a.body, "should not be") {
			return errors.New("the credential got to the API")
		}

		return nil
	}
}

// refusedWith checks that the request was refused, and why.
func refusedWith(status int, reason string) answerCheck {
	return func(a answer) error {
		if got := a.header.Get("X-Apikey-Reason"); a.status != status || got != reason {
			return fmt.Errorf("want %d %s, got %d %s", status, reason, a.status, got)
		}

		return nil
	}
}

// readKeyArgs returns the arguments of kubectl that print the key of an APIKey.
func readKeyArgs(name types.NamespacedName) []string {
	return []string{
		"get", "secret", name.Name, "-n", name.Namespace,
		"-o", `go-template={{index .data "` + v1alpha1.SecretKeyDefault + `" | base64decode}}`,
	}
}

// readKey shows how to read a key from its Secret, and reads it into the variable.
func (g *guide) readKey(ctx context.Context, name types.NamespacedName) error {
	args := readKeyArgs(name)
	g.command("KEY=$(" + commandLine(args) + ")")
	key, err := g.kubectl.run(ctx, args...)
	g.key = key

	return err
}

// ask shows a request and its answer, which must be right at once.
func (g *guide) ask(ctx context.Context, r request, check answerCheck) error {
	answered, err := g.send(ctx, r)
	if err == nil {
		err = check(answered)
	}
	g.showAnswer(r, answered)

	return err
}

// askEventually repeats a request until the answer is right: after a change, verifiers learn of it a moment later.
func (g *guide) askEventually(ctx context.Context, r request, check answerCheck) error {
	var answered answer
	err := retry(ctx, func(ctx context.Context) (err error) {
		if answered, err = g.send(ctx, r); err != nil {
			return err
		}

		return check(answered)
	})
	g.showAnswer(r, answered)
	if err != nil {
		return fmt.Errorf("%s, %w", r.line(g.demo), err)
	}

	return nil
}

func (g *guide) send(ctx context.Context, r request) (answer, error) {
	headers := make([]string, len(r.headers))
	for i, header := range r.headers {
		headers[i] = strings.ReplaceAll(header, keyVariable, g.key)
	}

	return g.curl.get(ctx, g.demo+r.path, headers)
}

func (g *guide) showAnswer(r request, a answer) {
	g.command(r.line(g.demo))
	if r.whole {
		g.output(a.whole)
	} else {
		g.output(a.body)
	}
}
