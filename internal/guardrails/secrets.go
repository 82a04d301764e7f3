// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package guardrails

import (
	"fmt"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// maxOwners is how many owner references are searched for an APIKey. The time in which CEL counts costs grows with the square of the
// elements; 64 take less than a millisecond.
const maxOwners = 64

// The users of the garbage collector of Kubernetes: its own, or that of a controller manager that runs all controllers as one user.
const (
	garbageCollector  = "system:serviceaccount:kube-system:generic-garbage-collector"
	controllerManager = "system:kube-controller-manager"
)

// secrets reserves writes of the Secrets of APIKeys for the operator. RBAC decides who may delete one, which requests a rotation.
//
// A Secret belongs to an APIKey if it has the type and an owner reference to an APIKey, before or after the change. A copy elsewhere
// has no owner reference, so tools that mirror Secrets may write it. The copy cannot become the Secret of an APIKey: only the
// operator can add the owner reference, and it adds it to new Secrets only. The type of a Secret is immutable.
//
// The name of a Secret does not matter, although an APIKey may wait for a Secret of that name: CEL sees other objects only as
// parameters, for which each API server would hold every APIKey in memory. A copy at the name of an APIKey is a SecretConflict,
// like any other Secret there, and never its key.
func secrets(operator ServiceAccount) Guardrail {
	return newGuardrail("secrets", "Only the operator creates and changes the Secrets of APIKeys.", admissionregistrationv1.ValidatingAdmissionPolicySpec{
		MatchConstraints: requests("", "v1", "secrets", admissionregistrationv1.Create, admissionregistrationv1.Update),
		MatchConditions: []matchCondition{
			{Name: "holds-an-api-key", Expression: "object.type == " + quoted(v1alpha1.SecretType)},
			{Name: "belongs-to-an-apikey", Expression: belongs("object") + " || (request.operation == 'UPDATE' && " + belongs("oldObject") + ")"},
			// Every field except finalizers and those that the API server itself writes.
			changed(differ("data", "immutable", "metadata.labels", "metadata.annotations", "metadata.ownerReferences")),
			{Name: "not-garbage-collection", Expression: "!(" + collected() + ")"},
		},
		Variables: []variable{operator.variable(operatorVariable)},
		Validations: []validation{forbidden("request.userInfo.username == variables.operator",
			`request.userInfo.username + ' may not create or change a Secret of an APIKey in namespace "' + request.namespace + `+
				`'": only ' + variables.operator + ' may. To put labels or annotations on it, set spec.secret.labels or spec.secret.annotations of its `+
				`APIKey. `+
				`To replace the key, delete the Secret or set the annotation `+v1alpha1.RotateAnnotation+` on its APIKey. `+
				`A copy elsewhere is allowed without owner references.'`)},
	})
}

// owners returns the owner references of an object.
func owners(object string) string { return object + ".metadata.?ownerReferences.orValue([])" }

// belongs returns an expression that holds if an object has an owner reference to an APIKey of any version, or more references than are
// searched.
func belongs(object string) string {
	return fmt.Sprintf("(size(%[1]s) > %[2]d || %[1]s.exists(r, r.kind == 'APIKey' && r.apiVersion.startsWith(%[3]s)))",
		owners(object), maxOwners, quoted(v1alpha1.GroupName+"/"))
}

// collected returns an expression that holds for the updates of the garbage collector: it removes owner references, because the owner
// is gone or its deletion leaves the object behind, and changes blockOwnerDeletion. A user who impersonates the garbage collector can
// do that and no more. In particular, no such user can add an owner reference, so a Secret that lost its APIKey gets none again.
func collected() string {
	return "request.operation == 'UPDATE' && request.userInfo.username in " + quotedList(garbageCollector, controllerManager) +
		" && !(" + differ("data", "immutable", "metadata.labels", "metadata.annotations") + ")" +
		fmt.Sprintf(" && size(%s) <= %d && ", owners("oldObject"), maxOwners) +
		owners("object") + ".all(r, " + owners("oldObject") + ".exists(o, o.uid == r.uid && o.name == r.name && " +
		"o.kind == r.kind && o.apiVersion == r.apiVersion && o.?controller == r.?controller))"
}
