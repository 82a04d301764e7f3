//go:build e2e

// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	callerImage = "e2e.local/caller:current"
	callerRate  = 20 // requests a second
)

// traffic is the report of hack/e2e/caller.
type traffic struct {
	Sent     int           `json:"sent"`
	Failed   int           `json:"failed"`
	Retried  int           `json:"retried"`
	Slowest  time.Duration `json:"slowest"`
	Key      string        `json:"key"`
	Failures []struct {
		At  time.Time `json:"at"`
		Why string    `json:"why"`
	} `json:"failures"`
}

// startCaller runs a pod that sends requests with the key of an APIKey, which is mounted as the documentation says.
func startCaller(ctx context.Context, name, apikey string, attempts int) {
	GinkgoHelper()
	stopCaller(ctx, name)
	pod := callerPod(ctx, name, []string{
		"--url=https://" + verifierHost + ":9002/verify?environment=Production", "--key-file=/key/api-key", "--authority=/authority/ca.crt",
		fmt.Sprintf("--rate=%d", callerRate), "--attempts=" + strconv.Itoa(attempts),
	})
	mount := func(name string) corev1.VolumeMount {
		return corev1.VolumeMount{Name: name, MountPath: "/" + name, ReadOnly: true}
	}
	pod.Spec.Containers[0].VolumeMounts = []corev1.VolumeMount{mount("key"), mount("authority")}
	pod.Spec.Volumes = []corev1.Volume{
		{Name: "key", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: apikey}}},
		{Name: "authority", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{
			LocalObjectReference: corev1.LocalObjectReference{Name: authorityName},
		}}},
	}
	Expect(admin.Create(ctx, pod)).To(Succeed())
	Eventually(func(g Gomega) {
		report, err := readReport(ctx, name)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(report.Sent).To(BeNumerically(">", callerRate))
		g.Expect(report.Failed).To(BeZero(), "%+v", report)
	}).WithContext(ctx).Should(Succeed(), "the caller must be answered before anything happens")
}

// callerPod returns a pod of hack/e2e/caller. It runs on the steady node, so that it outlives the others.
func callerPod(ctx context.Context, name string, args []string) *corev1.Pod {
	GinkgoHelper()

	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: keysNamespace, Name: name},
		Spec: corev1.PodSpec{
			NodeName:                      steadyNode(ctx),
			Tolerations:                   []corev1.Toleration{{Operator: corev1.TolerationOpExists}},
			TerminationGracePeriodSeconds: new(int64(1)),
			SecurityContext: &corev1.PodSecurityContext{
				RunAsNonRoot: new(true), RunAsUser: new(int64(65532)), FSGroup: new(int64(65532)),
				SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
			},
			Containers: []corev1.Container{{
				Name: "caller", Image: callerImage, ImagePullPolicy: corev1.PullIfNotPresent, Args: args,
				SecurityContext: &corev1.SecurityContext{
					AllowPrivilegeEscalation: new(false), ReadOnlyRootFilesystem: new(true),
					Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
				},
			}},
		},
	}
}

// stopCaller deletes a caller and waits until it is gone.
func stopCaller(ctx context.Context, name string) {
	GinkgoHelper()
	kubectl(ctx, "-n", keysNamespace, "delete", "pod", name, "--ignore-not-found", "--timeout="+patience.String())
}

// readReport asks a caller for its report, through the API server.
func readReport(ctx context.Context, name string) (traffic, error) {
	var report traffic
	raw, err := core.CoreV1().RESTClient().Get().Namespace(keysNamespace).Resource("pods").Name(name + ":8080").SubResource("proxy").DoRaw(ctx)
	if err != nil {
		return report, err
	}

	return report, json.Unmarshal(raw, &report)
}

// reportOf is readReport that waits for an API server that is busy.
func reportOf(ctx context.Context, name string) traffic {
	GinkgoHelper()
	var report traffic
	Eventually(func() (err error) {
		report, err = readReport(ctx, name)

		return err
	}).WithContext(ctx).Should(Succeed())

	return report
}

// since returns what happened after an earlier report.
func (t traffic) since(before traffic) traffic {
	t.Sent -= before.Sent
	t.Failed -= before.Failed
	t.Retried -= before.Retried
	t.Failures = t.Failures[len(before.Failures):]

	return t
}

// String says how many requests failed, and how the first ones did.
func (t traffic) String() string {
	return fmt.Sprintf("%d failed of %d", t.Failed, t.Sent)
}

// awaitCallerKey waits until a caller uses the key that is in the Secret of its APIKey.
func awaitCallerKey(ctx context.Context, name, apikey string) {
	GinkgoHelper()
	Eventually(func(g Gomega) {
		report, err := readReport(ctx, name)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(report.Key).To(Equal(activeRecord(g, ctx, apikey)))
	}).WithContext(ctx).Should(Succeed(), "the kubelet must refresh the mounted Secret")
}

// deleteAll deletes all objects of a type in the namespace of the keys.
func deleteAll(ctx context.Context, object client.Object) {
	GinkgoHelper()
	Expect(admin.DeleteAllOf(ctx, object, client.InNamespace(keysNamespace))).To(Succeed())
}
