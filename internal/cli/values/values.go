// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package values reads lengths of time, rate limits and ends as people write them, for the command line and for the page.
package values

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

const (
	hoursPerDay = 24
	// maxSpanDays keeps spans within what a Duration of the API holds.
	maxSpanDays = 41000
)

// Span reads a length of time: days as "30d", or hours, minutes and seconds as Go and the API write them. It returns the length
// and its text in the notation of the API.
func Span(text string) (time.Duration, v1alpha1.Duration, error) {
	wrong := fmt.Errorf("%q is no length of time: write days as 30d, or hours, minutes and seconds as 12h30m", text)
	if days, isDays := strings.CutSuffix(text, "d"); isDays {
		n, err := strconv.Atoi(days)
		if err != nil || n < 0 || n > maxSpanDays {
			return 0, "", wrong
		}
		text = strconv.Itoa(n*hoursPerDay) + "h"
	}
	parsed, err := time.ParseDuration(text)
	if err != nil || parsed < 0 {
		return 0, "", wrong
	}

	return parsed, v1alpha1.Duration(text), nil
}

// RateLimit reads a rate limit: "100/1m", or "100/1m,burst=20".
func RateLimit(text string) (*v1alpha1.RateLimit, error) {
	found := regexp.MustCompile(`^([0-9]{1,7})/([0-9hms]+)(?:,burst=([0-9]{1,7}))?$`).FindStringSubmatch(text)
	if found == nil {
		return nil, fmt.Errorf("%q: write it as requests per time, such as 100/1m, with a burst as 100/1m,burst=20", text)
	}
	requests, _ := strconv.ParseInt(found[1], 10, 32) // seven digits fit
	burst, _ := strconv.ParseInt("0"+found[3], 10, 32)

	return &v1alpha1.RateLimit{Requests: int32(requests), Per: v1alpha1.Duration(found[2]), Burst: int32(burst)}, nil
}

// End reads the end of a key: a date, or a date and time with a zone.
func End(text string) (*metav1.Time, error) {
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if at, err := time.Parse(layout, text); err == nil {
			return &metav1.Time{Time: at}, nil
		}
	}

	return nil, fmt.Errorf("%q: write a date as 2027-11-21, or a time as 2027-11-21T12:00:00Z", text)
}
