// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package testkit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

const (
	traefikAccount  = "system:serviceaccount:default:traefik-ingress-controller" // in the manifests of Traefik
	traefikPatience = 30 * time.Second
)

// TraefikSample is the sample for Traefik, for one Traefik that runs here and reads its objects from the control plane.
type TraefikSample struct {
	// Manifest is the path of the sample.
	Manifest string
	// Namespace is put before the namespaces of the objects, so that the objects of several can be there at once.
	Namespace string
	// Verifier and API are addresses on loopback, and CA is what signed the certificate of the verifier.
	Verifier, API string
	CA            []byte
}

// InstallTraefik puts Traefik's CRDs and its rights into the cluster, as its own documentation does. `make gateways` has put
// both into the folder.
func (c *ControlPlane) InstallTraefik(ctx context.Context, folder string) error {
	admin, err := c.Client()
	if err != nil {
		return err
	}
	definitions, err := readObjects(filepath.Join(folder, "traefik-crds.yaml"))
	if err != nil {
		return err
	}
	rights, err := readObjects(filepath.Join(folder, "traefik-rbac.yaml"))
	if err != nil {
		return err
	}
	for _, object := range append(slices.Clone(definitions), rights...) {
		if err := admin.Create(ctx, object); err != nil {
			return fmt.Errorf("install Traefik: %w", err)
		}
	}
	for _, definition := range definitions {
		err := wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, traefikPatience, true, func(ctx context.Context) (bool, error) {
			err := admin.Get(ctx, client.ObjectKeyFromObject(definition), definition)

			return isEstablished(definition), err
		})
		if err != nil {
			return fmt.Errorf("wait until %s is served: %w", definition.GetName(), err)
		}
	}

	c.traefikKubeconfig, err = c.Kubeconfig(traefikAccount, "system:serviceaccounts", "system:serviceaccounts:default")

	return err
}

// isEstablished reports whether a CRD is served.
func isEstablished(definition *unstructured.Unstructured) bool {
	conditions, _, _ := unstructured.NestedSlice(definition.Object, "status", "conditions")

	return slices.ContainsFunc(conditions, func(condition any) bool {
		fields, _ := condition.(map[string]any)

		return fields["type"] == "Established" && fields["status"] == "True"
	})
}

// Traefik says how to start a Traefik whose objects are in the cluster.
type Traefik struct {
	// Arguments and Environment are all but the address of the entry point web.
	Arguments, Environment []string

	admin   client.Client
	objects []client.Object
}

// DeployTraefik creates the objects of the sample with the Services and the Secret that they refer to, after InstallTraefik. A field that Traefik's
// CRDs do not know is an error.
func (c *ControlPlane) DeployTraefik(ctx context.Context, s TraefikSample) (*Traefik, error) {
	admin, err := c.Client()
	if err != nil {
		return nil, err
	}
	t := &Traefik{admin: admin}
	if t.objects, err = s.objects(); err != nil {
		return nil, err
	}
	if t.Arguments, err = s.arguments(); err != nil {
		return nil, err
	}
	t.Environment = []string{"KUBECONFIG=" + c.traefikKubeconfig, "KUBERNETES_SERVICE_HOST="}
	for _, object := range t.objects {
		namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: object.GetNamespace()}}
		if err := client.IgnoreAlreadyExists(admin.Create(ctx, namespace)); err != nil {
			return nil, err
		}
		if err := admin.Create(ctx, object, client.FieldValidation(metav1.FieldValidationStrict)); err != nil {
			return nil, errors.Join(fmt.Errorf("create %s: %w", object.GetName(), err), t.Remove(ctx))
		}
	}

	return t, nil
}

// Remove deletes the objects.
func (t *Traefik) Remove(ctx context.Context) error {
	var errs []error
	for _, object := range t.objects {
		errs = append(errs, client.IgnoreNotFound(t.admin.Delete(ctx, object)))
	}

	return errors.Join(errs...)
}

// objects returns the objects of the sample, and those that it refers to.
func (s TraefikSample) objects() ([]client.Object, error) {
	const system = "apikey-operator-system"
	var objects []client.Object
	for _, service := range []struct{ namespace, name, address string }{
		{"default", "api", s.API}, {system, "apikey-operator-verifier", s.Verifier},
	} {
		object, err := localService(s.Namespace+service.namespace, service.name, service.address)
		if err != nil {
			return nil, err
		}
		objects = append(objects, object)
	}
	objects = append(objects, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.Namespace + system, Name: "apikey-operator-verifier-tls"},
		Data:       map[string][]byte{"ca.crt": s.CA},
	})
	found, err := readObjects(s.Manifest)
	for _, object := range found {
		object.SetNamespace(s.Namespace + object.GetNamespace())
		objects = append(objects, object)
	}

	return objects, err
}

// localService returns a Service for a server on loopback: by name, because endpoints must not be on loopback.
func localService(namespace, name, address string) (*corev1.Service, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	number, err := strconv.ParseInt(port, 10, 32)
	if err != nil {
		return nil, err
	}

	return &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: corev1.ServiceSpec{
			Type: corev1.ServiceTypeExternalName, ExternalName: host, Ports: []corev1.ServicePort{{Name: "http", Port: int32(number)}},
		},
	}, nil
}

// arguments returns the arguments that the sample documents, and those that a Traefik outside of the cluster needs.
func (s TraefikSample) arguments() ([]string, error) {
	text, err := os.ReadFile(s.Manifest)
	if err != nil {
		return nil, err
	}
	arguments := []string{
		"--providers.kubernetesCRD=true", "--providers.kubernetesCRD.allowExternalNameServices=true",
		"--providers.kubernetesCRD.namespaces=" + s.Namespace + "default," + s.Namespace + "apikey-operator-system",
		"--global.checkNewVersion=false", "--global.sendAnonymousUsage=false", "--log.level=INFO",
	}
	told := regexp.MustCompile(`(?m)^#   (--\S+)$`).FindAllSubmatch(text, -1)
	if len(told) == 0 {
		return nil, fmt.Errorf("%s does not say how to start Traefik", s.Manifest)
	}
	for _, argument := range told {
		arguments = append(arguments, string(argument[1]))
	}

	return arguments, nil
}

// readObjects reads the objects of a manifest.
func readObjects(path string) (objects []*unstructured.Unstructured, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read a manifest (`make gateways` makes those of Traefik): %w", err)
	}
	for part := range bytes.SplitSeq(text, []byte("\n---\n")) {
		object := &unstructured.Unstructured{}
		if err := yaml.Unmarshal(part, &object.Object); err != nil {
			return nil, fmt.Errorf("read %s: %w", path, err)
		}
		if len(object.Object) > 0 {
			objects = append(objects, object)
		}
	}

	return objects, nil
}
