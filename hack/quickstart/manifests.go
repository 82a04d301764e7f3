// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"

	"github.com/apikey-operator/apikey-operator/internal/guardrails"
)

// componentLabel on the pods of a Deployment says which of the programs below it runs.
const componentLabel = "app.kubernetes.io/component"

// The components.
const (
	operatorComponent = "manager"
	verifierComponent = "verifier"
)

// groups returns the groups of every token of a service account.
func groups(account guardrails.ServiceAccount) []string {
	return []string{"system:serviceaccounts", "system:serviceaccounts:" + account.Namespace}
}

// manifests are rendered manifests, sorted out for a cluster without nodes.
type manifests struct {
	apply    []byte                               // YAML documents
	left     []string                             // kinds that are not in apply, each once
	accounts map[string]guardrails.ServiceAccount // that the Deployments run as, by component
}

// leftOut reports whether a kind has no meaning here: no node runs a Deployment, and the CRDs of the others belong to another operator.
func leftOut(kind string) bool {
	return slices.Contains([]string{"Deployment", "ServiceMonitor", "PodMonitor"}, kind)
}

// sortOut reads rendered manifests.
func sortOut(rendered io.Reader) (manifests, error) {
	found := manifests{accounts: map[string]guardrails.ServiceAccount{}}
	var apply bytes.Buffer
	documents := utilyaml.NewYAMLReader(bufio.NewReader(rendered))
	for {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return manifests{}, err
		}
		var kind metav1.TypeMeta
		if err := utilyaml.Unmarshal(document, &kind); err != nil {
			return manifests{}, err
		}
		if kind.Kind == "Deployment" {
			if err := found.addAccount(document); err != nil {
				return manifests{}, err
			}
		}
		if leftOut(kind.Kind) {
			if !slices.Contains(found.left, kind.Kind) {
				found.left = append(found.left, kind.Kind)
			}

			continue
		}
		apply.WriteString("---\n")
		apply.Write(document)
	}
	for _, component := range []string{operatorComponent, verifierComponent} {
		if _, there := found.accounts[component]; !there {
			return manifests{}, fmt.Errorf("there is no Deployment whose pods have the label %s=%s: it says which service account that program runs as",
				componentLabel, component)
		}
	}
	found.apply = apply.Bytes()

	return found, nil
}

// addAccount notes the service account of a Deployment.
func (m *manifests) addAccount(document []byte) error {
	var deployment appsv1.Deployment
	if err := utilyaml.Unmarshal(document, &deployment); err != nil {
		return err
	}
	pod := deployment.Spec.Template
	account := guardrails.ServiceAccount{Namespace: deployment.Namespace, Name: pod.Spec.ServiceAccountName}
	if account.Namespace == "" || account.Name == "" {
		return fmt.Errorf("the Deployment %s has no namespace or no serviceAccountName", deployment.Name)
	}
	m.accounts[pod.Labels[componentLabel]] = account

	return nil
}
