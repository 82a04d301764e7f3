// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main_test

import (
	"bytes"
	"context"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

const (
	traefikLoop    = "127.0.0.1:9003" // where the sample makes Traefik ask itself
	traefikAccount = "system:serviceaccount:default:traefik-ingress-controller"
)

// prepare makes a cluster ready for a gateway that reads its configuration there.
func (s *site) prepare(t *testing.T, p program) program {
	t.Helper()
	if p.inCluster {
		p.plane = s.plane
		installTraefik(t, filepath.Dir(p.find(t)), s.plane)
	}

	return p
}

// configureTraefik creates the objects of the sample in the cluster, and returns what to start Traefik with.
func (p program) configureTraefik(t *testing.T, folder, port string, to upstreams, changes edit) (arguments, environment []string) {
	t.Helper()
	all := edit{traefikLoop: testkit.FreeAddress(t), "port: 8080": "port: " + portOf(t, to.api)}
	maps.Copy(all, changes)
	writeSample(t, p, folder, all)
	sample := filepath.Join(folder, p.files[0])
	deployTraefik(t, p.plane, sample, to)
	kubeconfig, err := p.plane.Kubeconfig(traefikAccount, "system:serviceaccounts", "system:serviceaccounts:default")
	if err != nil {
		t.Fatal(err)
	}

	return append(argumentsOfSample(t, sample),
		"--entryPoints.web.address=127.0.0.1:"+port, "--providers.kubernetesCRD=true", "--providers.kubernetesCRD.allowExternalNameServices=true",
		"--global.checkNewVersion=false", "--global.sendAnonymousUsage=false", "--log.level=INFO",
	), []string{"KUBECONFIG=" + kubeconfig, "KUBERNETES_SERVICE_HOST="}
}

// argumentsOfSample are those that the sample tells its readers to start Traefik with.
func argumentsOfSample(t *testing.T, path string) (arguments []string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, found := range regexp.MustCompile(`(?m)^#   (--\S+)$`).FindAllStringSubmatch(string(text), -1) {
		arguments = append(arguments, found[1])
	}
	if len(arguments) == 0 {
		t.Fatal("the sample does not say how to start Traefik")
	}

	return arguments
}

// waitForRoutes waits until Traefik has the routes of the sample: it listens before that, and knows no path.
func waitForRoutes(t *testing.T, address string) {
	t.Helper()
	//nolint:contextcheck // exchange ends with the context of the test
	err := wait.PollUntilContextTimeout(t.Context(), 20*time.Millisecond, patience, true, func(context.Context) (bool, error) {
		return exchange(t, address, get()).status != http.StatusNotFound, nil
	})
	if err != nil {
		t.Fatalf("Traefik has no route for /customers: %v", err)
	}
}

// installTraefik puts Traefik's CRDs and its rights into the cluster, as its own documentation does.
func installTraefik(t *testing.T, folder string, plane *testkit.ControlPlane) {
	t.Helper()
	admin, err := plane.Client()
	if err != nil {
		t.Fatal(err)
	}
	objects := append(objectsIn(t, filepath.Join(folder, "traefik-crds.yaml")), objectsIn(t, filepath.Join(folder, "traefik-rbac.yaml"))...)
	for _, object := range objects {
		if err := admin.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	for _, object := range objects {
		if object.GetKind() != "CustomResourceDefinition" {
			continue
		}
		err := wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, patience, true, func(ctx context.Context) (bool, error) {
			if err := admin.Get(ctx, client.ObjectKeyFromObject(object), object); err != nil {
				return false, err
			}
			conditions, _, err := unstructured.NestedSlice(object.Object, "status", "conditions")

			return strings.Contains(strings.Join(trueConditions(conditions), " "), "Established"), err
		})
		if err != nil {
			t.Fatalf("%s is not served: %v", object.GetName(), err)
		}
	}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "apikey-operator-system"}}
	if err := admin.Create(t.Context(), namespace); err != nil {
		t.Fatal(err)
	}
}

// trueConditions are the types of the conditions that are true.
func trueConditions(conditions []any) (types []string) {
	for _, condition := range conditions {
		if fields, ok := condition.(map[string]any); ok && fields["status"] == "True" {
			name, _ := fields["type"].(string)
			types = append(types, name)
		}
	}

	return types
}

// deployTraefik creates the objects of the sample, with what they refer to, until the test ends. An unknown field in one is
// an error.
func deployTraefik(t *testing.T, plane *testkit.ControlPlane, sample string, to upstreams) {
	t.Helper()
	admin, err := plane.Client()
	if err != nil {
		t.Fatal(err)
	}
	const system = "apikey-operator-system"
	objects := []client.Object{
		localService(t, "default", "api", "http", to.api),
		localService(t, system, "apikey-operator-verifier", "http", to.verifier),
		&corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: system, Name: "apikey-operator-verifier-tls"},
			Data:       map[string][]byte{"ca.crt": to.ca},
		},
	}
	for _, object := range objectsIn(t, sample) {
		objects = append(objects, object)
	}
	for _, object := range objects {
		if err := admin.Create(t.Context(), object, client.FieldValidation(metav1.FieldValidationStrict)); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := admin.Delete(context.WithoutCancel(t.Context()), object); err != nil {
				t.Error(err)
			}
		})
	}
}

// localService is a Service for something that listens here: endpoints of one may not be on loopback, a name for it may.
func localService(t *testing.T, namespace, name, port, address string) *corev1.Service {
	t.Helper()
	number, err := strconv.ParseInt(portOf(t, address), 10, 32)
	if err != nil {
		t.Fatal(err)
	}

	return &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: corev1.ServiceSpec{
			Type: corev1.ServiceTypeExternalName, ExternalName: "127.0.0.1",
			Ports: []corev1.ServicePort{{Name: port, Port: int32(number)}},
		},
	}
}

func portOf(t *testing.T, address string) string {
	t.Helper()
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}

	return port
}

// objectsIn are the objects of a manifest.
func objectsIn(t *testing.T, path string) (objects []*unstructured.Unstructured) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for part := range bytes.SplitSeq(text, []byte("\n---\n")) {
		object := &unstructured.Unstructured{}
		if err := yaml.Unmarshal(part, &object.Object); err != nil {
			t.Fatal(err)
		}
		if len(object.Object) > 0 {
			objects = append(objects, object)
		}
	}

	return objects
}
