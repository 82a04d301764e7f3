// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package guardrails

import (
	"fmt"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// maxOwners is how many owner references are searched for an APIKey. CEL counts costs in a time that grows with the square of the
// elements; 64 take less than a millisecond.
const maxOwners = 64

// The garbage collector of Kubernetes, and a controller manager that runs all its controllers as one user.
const (
	garbageCollector  = "system:serviceaccount:kube-system:generic-garbage-collector"
	controllerManager = "system:kube-controller-manager"
)

// secrets keeps the Secrets of APIKeys to the operator. Deleting one is a way to ask for a rotation, and stays with RBAC.
//
// A Secret belongs to an APIKey when it is of the type and has an owner reference to an APIKey, before or after the change. A
// copy in another place has none, so tools that mirror Secrets may write it. Such a copy cannot become the Secret of an
// APIKey: only the operator can give it the owner reference, and the operator gives it to new Secrets only.
// The type of a Secret cannot change, so no change of type goes around this, in or out.
//
// The name of a Secret does not count, though an APIKey may be waiting for a Secret of that name: CEL sees other objects only as
// parameters, and for those each API server would hold every APIKey in memory. A copy at the name of an APIKey is
// the same as any other Secret there: a SecretConflict, which its APIKey reports, and never its key.
func secrets(operator ServiceAccount) Guardrail {
	return newGuardrail("secrets", "Only the operator makes and changes the Secrets of APIKeys.", admissionregistrationv1.ValidatingAdmissionPolicySpec{
		MatchConstraints: requests("", "v1", "secrets", admissionregistrationv1.Create, admissionregistrationv1.Update),
		MatchConditions: []matchCondition{
			{Name: "holds-an-api-key", Expression: "object.type == " + quoted(v1alpha1.SecretType)},
			{Name: "belongs-to-an-apikey", Expression: belongs("object") + " || (request.operation == 'UPDATE' && " + belongs("oldObject") + ")"},
			// Everything but finalizers and what the API server itself writes.
			changed(differ("data", "immutable", "metadata.labels", "metadata.annotations", "metadata.ownerReferences")),
			{Name: "not-garbage-collection", Expression: "!(" + collected() + ")"},
		},
		Variables: []variable{operator.variable(operatorVariable)},
		Validations: []validation{forbidden("request.userInfo.username == variables.operator",
			`request.userInfo.username + ' may not make or change a Secret of an APIKey in namespace "' + request.namespace + `+
				`'": only ' + variables.operator + ' may. To put labels or annotations on it, set spec.secret.labels or spec.secret.annotations of its APIKey. `+
				`To replace the key, delete the Secret or set the annotation `+v1alpha1.RotateAnnotation+` on its APIKey. `+
				`A copy elsewhere is allowed without owner references.'`)},
	})
}

// owners are the owner references of an object.
func owners(object string) string { return object + ".metadata.?ownerReferences.orValue([])" }

// belongs says whether an object has an owner reference to an APIKey, of whatever version. One with more references than are
// searched counts as if it had.
func belongs(object string) string {
	return fmt.Sprintf("(size(%[1]s) > %[2]d || %[1]s.exists(r, r.kind == 'APIKey' && r.apiVersion.startsWith(%[3]s)))",
		owners(object), maxOwners, quoted(v1alpha1.GroupName+"/"))
}

// collected says whether an update is what the garbage collector does to an object: it takes off owner references, because the
// owner is gone or is to leave the object behind, and lets others block a deletion no more. Whoever impersonates the
// garbage collector can do that much, and cannot put an owner reference on, so a Secret that has lost its APIKey stays without.
func collected() string {
	return "request.operation == 'UPDATE' && request.userInfo.username in " + quotedList(garbageCollector, controllerManager) +
		" && !(" + differ("data", "immutable", "metadata.labels", "metadata.annotations") + ")" +
		fmt.Sprintf(" && size(%s) <= %d && ", owners("oldObject"), maxOwners) +
		owners("object") + ".all(r, " + owners("oldObject") + ".exists(o, o.uid == r.uid && o.name == r.name && " +
		"o.kind == r.kind && o.apiVersion == r.apiVersion && o.?controller == r.?controller))"
}
