// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller_test

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	admissionv1 "k8s.io/api/admission/v1"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// answer is how a webhook answers.
type answer func(http.ResponseWriter, *http.Request, *admissionv1.AdmissionReview)

// webhook is an admission webhook for the Secrets of one namespace.
type webhook struct {
	address string
	server  *httptest.Server

	mu     sync.Mutex
	asked  int
	answer answer
}

// webhookTimeout is how long the API server waits for a webhook.
const webhookTimeout = 1

// startWebhook registers a webhook that allows everything and waits until the API server asks it.
func startWebhook(f *fixture) *webhook {
	GinkgoHelper()
	w := &webhook{address: "127.0.0.1:0", answer: allows}
	w.up()
	w.address = w.server.Listener.Addr().String() // where it comes back
	DeferCleanup(func() { w.server.Close() })
	authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: w.server.Certificate().Raw})
	config := &admissionregistrationv1.ValidatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: "secrets-of-" + f.name.Namespace},
		Webhooks: []admissionregistrationv1.ValidatingWebhook{{
			Name:         "secrets.example.com",
			ClientConfig: admissionregistrationv1.WebhookClientConfig{URL: new("https://" + w.address), CABundle: authority},
			Rules: []admissionregistrationv1.RuleWithOperations{{
				Operations: []admissionregistrationv1.OperationType{admissionregistrationv1.OperationAll},
				Rule:       admissionregistrationv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"secrets"}},
			}},
			NamespaceSelector:       &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: f.name.Namespace}},
			SideEffects:             new(admissionregistrationv1.SideEffectClassNone),
			TimeoutSeconds:          new(int32(webhookTimeout)),
			AdmissionReviewVersions: []string{"v1"},
		}},
	}
	Expect(admin.Create(f.ctx, config)).To(Succeed())
	DeferCleanup(func(ctx SpecContext) { Expect(client.IgnoreNotFound(admin.Delete(ctx, config))).To(Succeed()) })
	Eventually(func() int {
		probe := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: f.name.Namespace, GenerateName: "probe-"}}
		Expect(admin.Create(f.ctx, probe, client.DryRunAll)).To(Succeed())

		return w.requests()
	}).WithTimeout(patience).Should(BeNumerically(">", 0), "the API server asks the webhook")

	return w
}

// up starts the server.
func (w *webhook) up() {
	GinkgoHelper()
	var listener net.Listener
	Eventually(func() (err error) {
		listener, err = (&net.ListenConfig{}).Listen(context.Background(), "tcp", w.address)

		return err
	}).WithTimeout(patience).Should(Succeed())
	w.server = httptest.NewUnstartedServer(http.HandlerFunc(w.serve))
	w.server.Listener = listener
	w.server.StartTLS()
}

// down stops the server: connections are refused.
func (w *webhook) down() { w.server.Close() }

func (w *webhook) requests() int {
	w.mu.Lock()
	defer w.mu.Unlock()

	return w.asked
}

// set says how requests are answered from now on.
func (w *webhook) set(how answer) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answer = how
}

func (w *webhook) serve(rw http.ResponseWriter, req *http.Request) {
	review := &admissionv1.AdmissionReview{}
	body, err := io.ReadAll(req.Body)
	if err != nil || json.Unmarshal(body, review) != nil {
		rw.WriteHeader(http.StatusBadRequest)

		return
	}
	w.mu.Lock()
	w.asked++
	respond := w.answer
	w.mu.Unlock()
	respond(rw, req, review)
}

func respond(rw http.ResponseWriter, review *admissionv1.AdmissionReview, response admissionv1.AdmissionResponse) {
	response.UID = review.Request.UID
	review.Request, review.Response = nil, &response
	_ = json.NewEncoder(rw).Encode(review)
}

func allows(rw http.ResponseWriter, _ *http.Request, review *admissionv1.AdmissionReview) {
	respond(rw, review, admissionv1.AdmissionResponse{Allowed: true})
}

// answers500 is a webhook that is broken.
func answers500(rw http.ResponseWriter, _ *http.Request, _ *admissionv1.AdmissionReview) {
	rw.WriteHeader(http.StatusInternalServerError)
}

// hangs is a webhook that does not answer in time: it waits until the API server gives up.
func hangs(_ http.ResponseWriter, req *http.Request, _ *admissionv1.AdmissionReview) {
	<-req.Context().Done()
}

// denies is a webhook that refuses with a status code and quotes what it refuses.
func denies(code int32) answer {
	return func(rw http.ResponseWriter, _ *http.Request, review *admissionv1.AdmissionReview) {
		message := "not today: " + string(review.Request.Object.Raw) + string(review.Request.OldObject.Raw)
		respond(rw, review, admissionv1.AdmissionResponse{Result: &metav1.Status{Code: code, Message: message}})
	}
}
