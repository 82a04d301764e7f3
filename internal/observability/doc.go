// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package observability tests the alerts, the dashboard and the configuration of kube-state-metrics under config/ with the real
// promtool, Prometheus and kube-state-metrics. It has no code of its own.
package observability
