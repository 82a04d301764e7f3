// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package extauthz

import (
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	statuspb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"

	"github.com/apikey-operator/apikey-operator/internal/access"
	"github.com/apikey-operator/apikey-operator/internal/server"
)

// refusals are the answers to refused requests, by the number of the header in which the endpoint wants the key; the last ones are for
// any header. They are made once. Only answers about a rate limit differ from request to request.
type refusals [][access.Reasons]*authv3.CheckResponse

func newRefusals(credentials *server.CredentialHeaders) refusals {
	var r refusals
	for _, header := range append(credentials.Names(), "") {
		var answers [access.Reasons]*authv3.CheckResponse
		for reason := range access.Reasons {
			if reason != access.Allowed {
				answers[reason] = refusal(reason, header)
			}
		}
		r = append(r, answers)
	}

	return r
}

// of returns the answer to a refused request.
func (r refusals) of(answer *server.Answer) *authv3.CheckResponse {
	if answer.Reason == access.RateLimited {
		policy, left, retryAfter := answer.RateLimits()

		return refusal(answer.Reason, "",
			header(server.HeaderRetryAfter, retryAfter), header(server.HeaderRateLimitPolicy, policy), header(server.HeaderRateLimit, left))
	}
	if answer.Header == server.AnyHeader {
		return r[len(r)-1][answer.Reason]
	}

	return r[answer.Header][answer.Reason]
}

// refusal returns an answer that tells the client the reason.
func refusal(reason access.Reason, credential string, more ...*corev3.HeaderValueOption) *authv3.CheckResponse {
	headers := []*corev3.HeaderValueOption{
		header(server.HeaderReason, reason.String()),
		header(server.HeaderContentType, server.ProblemType),
		header(server.HeaderCacheControl, server.NoStore),
	}
	if challenge := server.Challenge(reason, credential); challenge != "" {
		headers = append(headers, header(server.HeaderChallenge, challenge))
	}
	if retryAfter := server.RetryAfter(reason); retryAfter != "" {
		headers = append(headers, header(server.HeaderRetryAfter, retryAfter))
	}

	return &authv3.CheckResponse{
		Status: &statuspb.Status{Code: int32(code(reason)), Message: reason.String()}, //nolint:gosec // G115: at most 16
		HttpResponse: &authv3.CheckResponse_DeniedResponse{DeniedResponse: &authv3.DeniedHttpResponse{
			Status:  &typev3.HttpStatus{Code: typev3.StatusCode(reason.Code())}, //nolint:gosec // G115: three digits
			Headers: append(headers, more...),
			Body:    server.Problem(reason, credential),
		}},
	}
}

// code returns the gRPC code of a refusal. Envoy refuses on every code but OK.
func code(reason access.Reason) codes.Code {
	switch reason.Code() {
	case int(typev3.StatusCode_Forbidden):
		return codes.PermissionDenied
	case int(typev3.StatusCode_TooManyRequests):
		return codes.ResourceExhausted
	case int(typev3.StatusCode_InternalServerError):
		return codes.FailedPrecondition
	case int(typev3.StatusCode_ServiceUnavailable):
		return codes.Unavailable
	default:
		return codes.Unauthenticated
	}
}
