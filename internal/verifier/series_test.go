// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package verifier

import (
	"log/slog"
	"strconv"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/apikey-operator/apikey-operator/internal/access"
	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

// TestEverySeriesIsThereFromTheStart looks at a verifier that has not started yet, with either store of rate limits.
func TestEverySeriesIsThereFromTheStart(t *testing.T) {
	nowhere := clientcmdapi.NewConfig()
	nowhere.Clusters["nowhere"] = &clientcmdapi.Cluster{Server: "http://127.0.0.1:1"}
	nowhere.Contexts["nowhere"] = &clientcmdapi.Context{Cluster: "nowhere"}
	nowhere.CurrentContext = "nowhere"
	kubeconfig := t.TempDir() + "/kubeconfig"
	if err := clientcmd.WriteToFile(*nowhere, kubeconfig); err != nil {
		t.Fatal(err)
	}
	t.Setenv("KUBECONFIG", kubeconfig)
	var decisions []testkit.Series
	for reason := range access.Reasons {
		for _, environment := range []string{"", "Production", "Staging", "Development"} {
			decisions = append(decisions, testkit.Series{
				"code": strconv.Itoa(reason.Code()), "reason": reason.String(), "environment": environment,
			})
		}
	}
	for name, store := range map[string]string{"limits in memory": memoryStore, "shared limits": "redis://127.0.0.1:1"} {
		t.Run(name, func(t *testing.T) {
			registry := prometheus.NewRegistry()
			p, err := newComponents(Options{rateLimitStore: store}, slog.New(slog.DiscardHandler), registry)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = p.limiter.Close() })
			wrong, err := testkit.WrongSeries(registry, "apikey_", map[string][]testkit.Series{
				"apikey_verifier_certificate_self_signed": {{"endpoint": "metrics"}},
				"apikey_verifier_decisions_total":         decisions,
				"apikey_verifier_index_staleness_seconds": testkit.AllSeries(map[string][]string{"resource": {"apikeys", "apikeyroles"}}),
				"apikey_verifier_index_watch_up":          testkit.AllSeries(map[string][]string{"resource": {"apikeys", "apikeyroles"}}),
				"apikey_verifier_last_used_writes_total": testkit.AllSeries(map[string][]string{
					"result": {"written", "refused", "gone", "forbidden", "failed"},
				}),
			})
			if err != nil {
				t.Fatal(err)
			}
			for _, sentence := range wrong {
				t.Error(sentence)
			}
		})
	}
}
