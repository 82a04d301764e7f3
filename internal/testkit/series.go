// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package testkit

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
)

// Series are the label values of one time series, by label name.
type Series map[string]string

// AllSeries combines every value of each label with every value of the others.
func AllSeries(labels map[string][]string) []Series {
	all := []Series{{}}
	for name, values := range labels {
		var longer []Series
		for _, shorter := range all {
			for _, value := range values {
				series := maps.Clone(shorter)
				series[name] = value
				longer = append(longer, series)
			}
		}
		all = longer
	}

	return all
}

// described finds the name and the variable labels in the text of a description; client_golang offers no other way.
var described = regexp.MustCompile(`^Desc\{fqName: "([^"]+)".*variableLabels: \{([^}]*)\}\}$`)

// WrongSeries compares the metrics with a prefix that a program has before its first event with those that it must have, a
// sentence for each difference. Every vector needs an entry in want: all its series, because an alert on the increase of a
// series that begins at 1 never fires. A vector whose label values are not a closed set has an entry without series.
func WrongSeries(registry *prometheus.Registry, prefix string, want map[string][]Series) ([]string, error) {
	have, err := gathered(registry)
	if err != nil {
		return nil, err
	}
	var wrong []string
	descriptions := make(chan *prometheus.Desc)
	go func() { registry.Describe(descriptions); close(descriptions) }()
	for description := range descriptions {
		match := described.FindStringSubmatch(description.String())
		if match == nil {
			wrong = append(wrong, fmt.Sprintf("%s cannot be read", description))

			continue
		}
		name, labels := match[1], match[2]
		expected, listed := want[name]
		switch {
		case !strings.HasPrefix(name, prefix):
			continue
		case labels == "" && !listed: // a label with a constant value is not in the description
			expected = []Series{{}}
		case !listed:
			wrong = append(wrong, fmt.Sprintf("%s has labels (%s) and no entry here: make all its series at the start, and list them", name, labels))

			continue
		}
		wrong = append(wrong, difference(name, expected, have[name])...)
	}
	slices.Sort(wrong)

	return wrong, nil
}

// gathered returns the series of each metric.
func gathered(registry *prometheus.Registry) (map[string][]string, error) {
	families, err := registry.Gather()
	if err != nil {
		return nil, err
	}
	have := map[string][]string{}
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			series := Series{}
			for _, label := range metric.GetLabel() {
				series[label.GetName()] = label.GetValue()
			}
			have[family.GetName()] = append(have[family.GetName()], fmt.Sprint(series))
		}
	}

	return have, nil
}

// difference compares the series of one metric. fmt prints maps in the order of their keys.
func difference(name string, want []Series, have []string) []string {
	var wrong []string
	for _, series := range want {
		text := fmt.Sprint(series)
		if !slices.Contains(have, text) {
			wrong = append(wrong, fmt.Sprintf("%s lacks the series %s", name, text))
		}
		have = slices.DeleteFunc(have, func(other string) bool { return other == text })
	}
	for _, series := range have {
		wrong = append(wrong, fmt.Sprintf("%s has the series %s, which is not listed", name, series))
	}

	return wrong
}
