// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package program

import (
	"net/http"
	"strconv"
)

// longestRetryAfter is the longest wait in seconds that an API server which is not ready can ask for. An API server that has just started asks
// for 5 seconds until it has installed all paths, which takes it about one, and client-go obeys: each watch of APIKeys would be 5 seconds late.
// The cost is one request of each watch per second during that time. Answers with 429 are not concerned: an API server that is overloaded
// knows best.
const longestRetryAfter = 1

// sooner is a transport that shortens the waits that an API server which is not ready asks for.
type sooner struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (s sooner) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := s.next.RoundTrip(request)
	if err != nil || response.StatusCode != http.StatusServiceUnavailable {
		return response, err
	}
	if seconds, err := strconv.Atoi(response.Header.Get("Retry-After")); err == nil && seconds > longestRetryAfter {
		response.Header.Set("Retry-After", strconv.Itoa(longestRetryAfter))
	}

	return response, nil
}

// WrappedRoundTripper implements the interface by which k8s.io/apimachinery finds the transport that it configures.
func (s sooner) WrappedRoundTripper() http.RoundTripper { return s.next }
