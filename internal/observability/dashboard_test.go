// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package observability

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
)

// dashboard is what these tests read of config/grafana/dashboard.json.
type dashboard struct {
	Title  string `json:"title"`
	Panels []struct {
		ID      int    `json:"id"`
		Type    string `json:"type"`
		Title   string `json:"title"`
		GridPos struct{ H, W, X, Y int }
		Targets []struct {
			Expr string `json:"expr"`
		} `json:"targets"`
	} `json:"panels"`
}

func readDashboard(t *testing.T) dashboard {
	t.Helper()
	var d dashboard
	if err := json.Unmarshal(read(t, "config/grafana/dashboard.json"), &d); err != nil {
		t.Fatal(err)
	}

	return d
}

func TestDashboardIsLaidOut(t *testing.T) {
	ids, taken := map[int]bool{}, map[[2]int]string{}
	for _, panel := range readDashboard(t).Panels {
		if ids[panel.ID] {
			t.Errorf("two panels have the id %d", panel.ID)
		}
		ids[panel.ID] = true
		if panel.Type != "row" && len(panel.Targets) == 0 {
			t.Errorf("panel %q asks for nothing", panel.Title)
		}
		for x := panel.GridPos.X; x < panel.GridPos.X+panel.GridPos.W; x++ {
			for y := panel.GridPos.Y; y < panel.GridPos.Y+panel.GridPos.H; y++ {
				if other := taken[[2]int{x, y}]; other != "" || x >= 24 {
					t.Fatalf("panel %q lies on %q or beyond the right edge", panel.Title, other)
				}
				taken[[2]int{x, y}] = panel.Title
			}
		}
	}
}

// TestQueriesReturnData asks a Prometheus that scrapes the real programs every query of the dashboard, and for every metric of the alerts.
func TestQueriesReturnData(t *testing.T) {
	s := newSite(t)
	s.use(t)
	variables := strings.NewReplacer("$__rate_interval", "1m", "$environment", ".*")
	for _, panel := range readDashboard(t).Panels {
		for _, target := range panel.Targets {
			s.await(t, fmt.Sprintf("panel %q: %s", panel.Title, target.Expr), func(ctx context.Context) error {
				return s.hasData(ctx, variables.Replace(target.Expr))
			})
		}
	}
	metric := regexp.MustCompile(`apikey_\w+`)
	for _, rule := range alerts(t).rules() {
		for _, name := range metric.FindAllString(rule.Expr, -1) {
			s.await(t, rule.Alert, func(ctx context.Context) error { return s.hasData(ctx, name) })
		}
	}
	t.Run("and count the key", func(t *testing.T) {
		s.await(t, "one active key of Production", func(ctx context.Context) error {
			return s.equals(ctx, `max(apikey_operator_apikeys{environment="Production",phase="Active"})`, 1)
		})
		s.await(t, "a decision", func(ctx context.Context) error {
			return s.equals(ctx, `min(sum(apikey_verifier_decisions_total{code="200"}) >= bool 1)`, 1)
		})
	})
}

func (s *site) query(ctx context.Context, expr string) (model.Vector, error) {
	value, _, _, err := s.prometheus.Query(ctx, expr, time.Time{})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", expr, err)
	}
	vector, ok := value.(model.Vector)
	if !ok || len(vector) == 0 {
		return nil, fmt.Errorf("%s: no data", expr)
	}

	return vector, nil
}

// hasData returns an error if a query returns no series.
func (s *site) hasData(ctx context.Context, expr string) error {
	_, err := s.query(ctx, expr)

	return err
}

func (s *site) equals(ctx context.Context, expr string, want float64) error {
	vector, err := s.query(ctx, expr)
	if err != nil {
		return err
	}
	if got := float64(vector[0].Value); math.Abs(got-want) > 1e-9 {
		return fmt.Errorf("%s is %g, not %g", expr, got, want)
	}

	return nil
}
