// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package extauthz

import (
	"slices"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	statuspb "google.golang.org/genproto/googleapis/rpc/status"

	"github.com/apikey-operator/apikey-operator/internal/server"
)

// headers are the headers that are removed from allowed requests.
type headers struct {
	names       [server.IdentityHeaders]string
	credentials []string
	// unseen and unseenCredentials are removed if the gateway sends only a configured list of headers: every look-alike of the identity
	// headers, and of each header for keys, by its number.
	unseen            []string
	unseenCredentials [][]string
}

func newHeaders(credentials *server.CredentialHeaders) headers {
	h := headers{names: server.IdentityNames(), credentials: credentials.Names()}
	for _, name := range h.names {
		h.unseen = append(h.unseen, server.LookAlikes(name)...)
	}
	for _, name := range h.credentials {
		h.unseenCredentials = append(h.unseenCredentials, server.LookAlikes(name))
	}

	return h
}

// allowance holds all parts of an answer in one allocation.
type allowance struct {
	response authv3.CheckResponse
	status   statuspb.Status
	inner    authv3.CheckResponse_OkResponse
	ok       authv3.OkHttpResponse
	options  [server.IdentityHeaders]corev3.HeaderValueOption
	values   [server.IdentityHeaders]corev3.HeaderValue
	set      [server.IdentityHeaders]*corev3.HeaderValueOption
}

// allowed returns the answer that lets a request pass with its identity headers. It removes identity headers without a value or that the
// endpoint does not want, the credential, and look-alikes of the verifier's headers. Envoy removes after it sets, so no header may be in
// both lists.
func (h *headers) allowed(answer *server.Answer, seen *seenHeaders) *authv3.CheckResponse {
	a := &allowance{}
	set, remove := a.set[:0], make([]string, 0, 8+len(seen.forged))
	for i, value := range server.Identity(answer.Grant, answer.Identity) {
		if value == "" || !answer.Identity.Has(i) {
			remove = append(remove, h.names[i])

			continue
		}
		a.values[i].Key, a.values[i].Value = h.names[i], value
		a.options[i].Header = &a.values[i]
		a.options[i].AppendAction = corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD
		set = append(set, &a.options[i])
	}
	remove = h.withoutCredentials(remove, answer.Header, seen)
	for _, name := range seen.forged {
		if !slices.Contains(h.names[:], name) { // ours are set or removed above
			remove = append(remove, name)
		}
	}
	if !seen.path {
		remove = append(remove, h.unseen...)
	}
	a.ok.Headers, a.ok.HeadersToRemove = set, remove
	if policy, left, _ := answer.RateLimits(); policy != "" {
		a.ok.ResponseHeadersToAdd = []*corev3.HeaderValueOption{
			header(server.HeaderRateLimitPolicy, policy), header(server.HeaderRateLimit, left),
		}
	}
	a.inner.OkResponse = &a.ok
	a.response.Status, a.response.HttpResponse = &a.status, &a.inner

	return &a.response
}

// withoutCredentials adds the headers for keys to those to remove: the one that the endpoint names, or all. The others belong to the API.
func (h *headers) withoutCredentials(remove []string, named server.CredentialHeader, seen *seenHeaders) []string {
	for i, name := range h.credentials {
		header := server.CredentialHeader(i)
		if named != server.AnyHeader && named != header {
			continue
		}
		if !seen.path {
			remove = append(append(remove, name), h.unseenCredentials[i]...)
		} else if seen.credentials&(1<<i) != 0 {
			remove = append(remove, name)
		}
	}

	return remove
}

// header returns an option that sets a header, instead of any that is there.
func header(name, value string) *corev3.HeaderValueOption {
	return &corev3.HeaderValueOption{
		Header:       &corev3.HeaderValue{Key: name, Value: value},
		AppendAction: corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD,
	}
}
