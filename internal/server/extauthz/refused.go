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

// refusals are the answers to requests that are refused. All but those about a rate limit are the same each time.
type refusals [access.Reasons]*authv3.CheckResponse

func newRefusals() refusals {
	var r refusals
	for reason := range access.Reasons {
		if reason != access.Allowed {
			r[reason] = refusal(reason)
		}
	}

	return r
}

// of is the answer to a request that was refused.
func (r *refusals) of(answer *server.Answer) *authv3.CheckResponse {
	if answer.Reason != access.RateLimited {
		return r[answer.Reason]
	}
	policy, left, retryAfter := answer.RateLimits()

	return refusal(answer.Reason,
		header(server.HeaderRetryAfter, retryAfter), header(server.HeaderRateLimitPolicy, policy), header(server.HeaderRateLimit, left))
}

// refusal tells the client why.
func refusal(reason access.Reason, more ...*corev3.HeaderValueOption) *authv3.CheckResponse {
	headers := []*corev3.HeaderValueOption{
		header(server.HeaderReason, reason.String()),
		header(server.HeaderContentType, server.ProblemType),
		header(server.HeaderCacheControl, server.NoStore),
	}
	if challenge := server.Challenge(reason); challenge != "" {
		headers = append(headers, header(server.HeaderChallenge, challenge))
	}

	return &authv3.CheckResponse{
		Status: &statuspb.Status{Code: int32(code(reason)), Message: reason.String()}, //nolint:gosec // G115: at most 16
		HttpResponse: &authv3.CheckResponse_DeniedResponse{DeniedResponse: &authv3.DeniedHttpResponse{
			Status:  &typev3.HttpStatus{Code: typev3.StatusCode(reason.Code())}, //nolint:gosec // G115: three digits
			Headers: append(headers, more...),
			Body:    server.Problem(reason),
		}},
	}
}

// code is the gRPC code of a refusal. Envoy takes every code but OK for one; other clients may look closer.
func code(reason access.Reason) codes.Code {
	switch reason.Code() {
	case int(typev3.StatusCode_Forbidden):
		return codes.PermissionDenied
	case int(typev3.StatusCode_TooManyRequests):
		return codes.ResourceExhausted
	case int(typev3.StatusCode_InternalServerError):
		return codes.FailedPrecondition
	default:
		return codes.Unauthenticated
	}
}
