// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package program

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/validate/content"
)

// maxNamespaces bounds --namespaces. Each namespace costs two watches of the operator, and one watch and the reads that confirm it
// of the verifier.
const maxNamespaces = 100

// Namespaces is the value of --namespaces: the names of the namespaces that a program watches, sorted; empty: all.
type Namespaces []string

// String implements flag.Value.
func (n *Namespaces) String() string { return strings.Join(*n, ",") }

// Set implements flag.Value. It takes names separated by commas.
func (n *Namespaces) Set(text string) error {
	names := strings.Split(text, ",")
	for _, name := range names {
		if name == "" {
			return errors.New("a name is empty; leave the flag out to watch all namespaces")
		}
		if problems := content.IsDNS1123Label(name); len(problems) > 0 {
			return fmt.Errorf("namespace %q: %s", name, strings.Join(problems, "; "))
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	if len(names) > maxNamespaces {
		return fmt.Errorf("%d namespaces: at most %d; watch all namespaces instead", len(names), maxNamespaces)
	}
	*n = names

	return nil
}
