// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package verifier

import (
	"errors"
	"flag"
	"fmt"
	"time"

	"github.com/apikey-operator/apikey-operator/internal/keyindex"
)

// Values of --stale-action.
const (
	staleRefuse = "refuse"
	stalePass   = "pass"
)

// longestStaleness is the highest --max-staleness: beyond a day a maximum protects nothing.
const longestStaleness = 24 * time.Hour

// bindStaleness defines the flags about changes that may have been missed.
func (o *Options) bindStaleness(fs *flag.FlagSet) {
	fs.DurationVar(&o.maxStaleness, "max-staleness", 0,
		"How long changes of APIKeys and roles may be missed, from 10s to 24h, before --stale-action applies; 0: no maximum. "+
			"A healthy cluster stays below 11s, or below 7s with a maximum of 10s.")
	fs.StringVar(&o.staleAction, "stale-action", staleRefuse,
		"What happens to requests beyond --max-staleness: refuse answers 503 with the reason stale, pass decides and counts them.")
}

// checkStaleness refuses a maximum that a healthy cluster exceeds, and an action without effect.
func (o *Options) checkStaleness() error {
	most, action := o.maxStaleness, o.staleAction
	switch {
	case action != staleRefuse && action != stalePass:
		return fmt.Errorf("--stale-action=%s: must be refuse or pass", action)
	case most != 0 && (most < keyindex.LeastMaxStaleness || most > longestStaleness):
		return fmt.Errorf("--max-staleness=%s: must be from %s to %s, or 0 for no maximum", most, keyindex.LeastMaxStaleness, longestStaleness)
	case most == 0 && action == stalePass:
		return errors.New("--stale-action=pass needs --max-staleness: without a maximum every request passes")
	default:
		return nil
	}
}
