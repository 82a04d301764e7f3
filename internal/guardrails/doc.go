// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package guardrails builds the ValidatingAdmissionPolicies and bindings that guard APIKeys at the API server. It is the only source of
// them: hack/policies writes them to config/policy, and the operator compares the cluster with the same objects and mints no key
// while they differ. Figures here are from kube-apiserver 1.36.3.
//
// There is no webhook: it would be one more server with a certificate that must be up for every write, and policies at the API server
// can use what a webhook cannot be trusted with, the authorizer.
//
// # Rules for every policy
//
//   - It fails closed. A change that concerns nothing the policy guards does not match ("changed"), so an object from before the rules
//     can always lose a finalizer, be reported on, revoked and deleted. Only operator has a rule for DELETE, and it compares the
//     name of the user first.
//   - No user is exempt, because every user can be impersonated. The garbage collector and the namespace controller once were exempt;
//     the built-in role edit in kube-system may impersonate them, and forged a status. One exemption is needed: for
//     --cascade=orphan, and for a second owner that is gone, the garbage collector changes the owner references of a Secret. It may
//     remove references and change blockOwnerDeletion; it may add and rewrite none, so a Secret that it releases never becomes
//     an APIKey's again.
//   - An expression may cost 1,000,000 and a binding 10,000,000; beyond that the API server refuses the request.
//
// # grants
//
// A question to the authorizer costs 350,000, so there is one validation for each index of a list. 16 permissions, 8 roles, the
// environment and the owner are 26 questions. The rest of the budget is enough for the messages of the largest APIKey with
// every grant new, every widening at once and 256 KiB of annotations.
//
// A change that makes a key count for more asks for all its grants again (widenings.go): a later end, a rotation or an
// earlier schedule, a longer overlap, a resume, more customers, other labels or annotations of the Secret. Otherwise every editor of
// APIKeys could renew for ever what another user was trusted with. The environment is asked for as well, although it never changes: a
// key without permissions has no other grant to ask for. The end before a change is the earlier of spec and status.expiresAt,
// because a policy may have set an earlier one. Raising a rate limit needs no grant; limits are the subject of policies. A longer overlap
// does: set before a leaked key is rotated, it would keep that key valid.
//
// # limits
//
// Package policy defines what APIKeyPolicies demand, in CEL and in Go. The API server evaluates its validations once for each APIKeyPolicy.
//
// # plaintext
//
// plaintext refuses key-shaped text in labels and annotations, which the rules of a CRD cannot see, and more than 1,000 of
// them together: cel-go counts costs in a time that grows with the square of the elements (4,000: 70 ms; 16,000: 1.1 s; 52,000, which fit
// into 256 KiB: 12 s for one expression).
//
// # size
//
// size limits labels, annotations, finalizers and owner references of an APIKey to 64 KiB, and the rotate annotation to 1 KiB: 1,900
// APIKeys with 250 KB each, from an editor without any grant, exceeded a pod's limit. The caches keep none of this metadata; package
// controller has the memory of the operator under this attack. A change that enlarges nothing always passes.
//
// # secrets
//
// secrets guards a Secret of our type with an owner reference to an APIKey, before or after the change. The type alone is not
// enough: mirrors of Secrets keep it. A Secret without an owner, at the name for which an APIKey waits, is not guarded: a policy sees
// other objects only as parameters, for which every API server would hold all APIKeys in memory. It need not be: a Secret without an
// owner reference to the uid of this APIKey is a SecretConflict, like a Secret of any other type, which every user with the right to
// create Secrets can put there. At most 64 owner references are searched (an object with more is guarded): CEL's time grows with their
// square. A copy costs the operator nothing unless it carries the label app.kubernetes.io/managed-by: apikey-operator, by which the server
// narrows the watch of Secrets; with the label, the cache holds names and numbers of the copy.
//
// # operator
//
// operator restricts the operator itself. RBAC knows no types of Secrets, so the operator's role covers all of them: with a stolen token an
// attacker created a kubernetes.io/service-account-token Secret for a privileged account and read the token.
//
// operator, secrets and status recognize the operator by name, not by right: an administrator has every right, and a client that writes a
// digest into a status makes a key of its own choosing valid. An administrator who impersonates the operator is the operator. The name
// stands in a variable, 'system:serviceaccount:' + 'apikey-operator-system' + ':' + 'apikey-operator-controller-manager'. config/default has
// kustomize insert namespace and name after every overlay has set its own, and the chart inserts those of the release. If the policies name
// another user anyway, the operator says so. The verifier may be any service account of the operator's namespace.
package guardrails
