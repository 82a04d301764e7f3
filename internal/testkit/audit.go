// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package testkit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	rbacv1 "k8s.io/api/rbac/v1"
)

// Audit is the audit log of a control plane: every request, without bodies.
type Audit struct{ folder string }

// AuditedRequest is one request that the API server has answered.
type AuditedRequest struct {
	Verb, Group, Resource, Namespace, Name, URI string
	Code                                        int
}

// String returns the request in one line.
func (r AuditedRequest) String() string { return fmt.Sprintf("%s %s: %d", r.Verb, r.URI, r.Code) }

// NewAudit prepares an audit log in a folder.
func NewAudit(folder string) (*Audit, error) {
	const policy = "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Metadata}]\n"
	a := &Audit{folder: folder}

	return a, os.WriteFile(a.file("policy.yaml"), []byte(policy), 0o600)
}

// Args returns the flags that make kube-apiserver keep the log.
func (a *Audit) Args() map[string][]string {
	return map[string][]string{
		"audit-policy-file": {a.file("policy.yaml")}, "audit-log-path": {a.file("audit.log")}, "audit-log-mode": {"blocking-strict"},
	}
}

func (a *Audit) file(name string) string { return filepath.Join(a.folder, name) }

// Requests returns the requests of a user that were answered so far. A watch counts from when it has begun.
func (a *Audit) Requests(user string) ([]AuditedRequest, error) {
	log, err := os.ReadFile(a.file("audit.log"))
	if err != nil {
		return nil, err
	}
	var requests []AuditedRequest
	complete := log[:bytes.LastIndexByte(log, '\n')+1]
	for line := range bytes.Lines(complete) {
		var event struct {
			Stage, Verb, RequestURI string
			User                    struct{ Username string }
			ObjectRef               struct{ Resource, Subresource, Namespace, Name, APIGroup string }
			ResponseStatus          struct{ Code int }
		}
		if err := json.Unmarshal(line, &event); err != nil {
			return nil, fmt.Errorf("read a line of the audit log: %w", err)
		}
		if event.User.Username != user || event.Stage == "RequestReceived" {
			continue
		}
		resource := event.ObjectRef.Resource
		if event.ObjectRef.Subresource != "" {
			resource += "/" + event.ObjectRef.Subresource
		}
		requests = append(requests, AuditedRequest{
			Verb: event.Verb, Group: event.ObjectRef.APIGroup, Resource: resource, URI: event.RequestURI,
			Namespace: event.ObjectRef.Namespace, Name: event.ObjectRef.Name, Code: event.ResponseStatus.Code,
		})
	}

	return requests, nil
}

// Forbidden returns the requests that RBAC or admission has refused.
func Forbidden(requests []AuditedRequest) []AuditedRequest {
	return slices.DeleteFunc(slices.Clone(requests), func(r AuditedRequest) bool { return r.Code != 403 })
}

// Unused returns the rights, such as "get secrets", that these rules give and none of the requests has used. A watch that begins with
// all objects takes the place of a list, which is for API servers that have no such watch.
func Unused(rules []rbacv1.PolicyRule, requests []AuditedRequest) []string {
	var unused []string
	for _, rule := range rules {
		for _, group := range rule.APIGroups {
			for _, resource := range rule.Resources {
				for _, verb := range rule.Verbs {
					if !slices.ContainsFunc(requests, func(r AuditedRequest) bool { return r.uses(rule, group, resource, verb) }) {
						unused = append(unused, fmt.Sprintf("%s %s in group %q", verb, resource, group))
					}
				}
			}
		}
	}

	return unused
}

// uses reports whether a request was answered because of a right of a rule.
func (r AuditedRequest) uses(rule rbacv1.PolicyRule, group, resource, verb string) bool {
	named := len(rule.ResourceNames) == 0 || slices.Contains(rule.ResourceNames, r.Name)
	same := r.Verb == verb || verb == "list" && r.Verb == "watch"

	return named && same && r.Group == group && r.Resource == resource && r.Code < 400
}
