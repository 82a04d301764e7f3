// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package output

import "github.com/apikey-operator/apikey-operator/internal/cli/operations"

// SARIFLog is a report in the Static Analysis Results Interchange Format 2.1.0 (OASIS), as far as an audit needs it.
type SARIFLog struct {
	Schema  string     `json:"$schema"`
	Version string     `json:"version"`
	Runs    []SARIFRun `json:"runs"`
}

// SARIFRun is one run of a tool.
type SARIFRun struct {
	Tool struct {
		Driver SARIFDriver `json:"driver"`
	} `json:"tool"`
	Results []SARIFResult `json:"results"`
}

// SARIFDriver is the tool.
type SARIFDriver struct {
	Name    string      `json:"name"`
	Version string      `json:"version,omitempty"`
	Rules   []SARIFRule `json:"rules"`
}

// SARIFRule is what a tool looks for.
type SARIFRule struct {
	ID               string       `json:"id"`
	ShortDescription SARIFMessage `json:"shortDescription"`
}

// SARIFMessage is a text.
type SARIFMessage struct {
	Text string `json:"text"`
}

// SARIFResult is a finding.
type SARIFResult struct {
	RuleID    string          `json:"ruleId"`
	Level     string          `json:"level"`
	Message   SARIFMessage    `json:"message"`
	Locations []SARIFLocation `json:"locations"`
}

// SARIFLocation is where a finding is: an APIKey has a name, and no file. GitHub wants a file all the same.
type SARIFLocation struct {
	PhysicalLocation struct {
		ArtifactLocation struct {
			URI string `json:"uri"`
		} `json:"artifactLocation"`
	} `json:"physicalLocation"`
	LogicalLocations []SARIFLogicalLocation `json:"logicalLocations"`
}

// SARIFLogicalLocation is the name of an APIKey.
type SARIFLogicalLocation struct {
	FullyQualifiedName string `json:"fullyQualifiedName"`
	Kind               string `json:"kind"`
}

// SARIF returns the findings of an audit as a report of this version of the plugin.
func SARIF(findings []operations.Finding, version string) SARIFLog {
	run := SARIFRun{Results: []SARIFResult{}}
	run.Tool.Driver = SARIFDriver{Name: "kubectl-apikey", Version: version}
	for _, rule := range operations.Rules() {
		run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, SARIFRule{ID: string(rule.Rule), ShortDescription: SARIFMessage{Text: rule.Text}})
	}
	for _, finding := range findings {
		location := SARIFLocation{LogicalLocations: []SARIFLogicalLocation{{
			FullyQualifiedName: finding.Namespace + "/" + finding.Name, Kind: "resource",
		}}}
		location.PhysicalLocation.ArtifactLocation.URI = "apikeys/" + finding.Namespace + "/" + finding.Name
		run.Results = append(run.Results, SARIFResult{
			RuleID: string(finding.Rule), Level: level(finding.Rule), Message: SARIFMessage{Text: finding.Message}, Locations: []SARIFLocation{location},
		})
	}

	return SARIFLog{Schema: "https://json.schemastore.org/sarif-2.1.0.json", Version: "2.1.0", Runs: []SARIFRun{run}}
}

// level returns how bad a finding is: a broken policy is an error, what may be intended a note.
func level(rule operations.Rule) string {
	switch rule {
	case operations.RulePolicy:
		return "error"
	case operations.RuleBroad, operations.RuleNoExpiry, operations.RuleUnused, operations.RuleNeverUsed, operations.RuleExpiring:
		return "warning"
	default:
		return "note"
	}
}
