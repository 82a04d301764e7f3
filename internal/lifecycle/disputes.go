// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package lifecycle

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// Disputes are the other APIKeys that have a record of the same key in status.keys, by the digest of that key.
//
// A verifier cannot tell which APIKey owns a digest that two of them have, so it refuses the key. A record that the Secret does not account
// for is dropped within seconds, and the dispute ends with it. A dispute lasts where Secret and status of one APIKey were both
// restored or copied into another: then each of the two accounts for the key.
type Disputes map[string][]types.NamespacedName

// maxRivals is how many of the other APIKeys a message names: each name has up to 253 characters, an event holds 1024.
const maxRivals = 2

// concern says whether another APIKey has a record of the same key. A record that is nil is not disputed.
func (d Disputes) concern(record *v1alpha1.KeyRecord) bool {
	return record != nil && len(d[record.Digest]) > 0
}

// setDisputed reports the keys that another APIKey has a record of, too. The report covers keys of every state, because verifiers
// refuse them all: a workload may still use the Retiring key.
func (w conditionWriter) setDisputed(o Observed) {
	message := disputeMessage(o, w.status.Keys)
	if message == "" {
		w.remove(v1alpha1.ConditionDisputed)

		return
	}
	w.set(v1alpha1.ConditionDisputed, metav1.ConditionTrue, v1alpha1.ReasonDisputed, message)
}

// refuseDisputed sets Active to False if verifiers refuse the active key because it is disputed. It reports whether they do.
func (w conditionWriter) refuseDisputed(o Observed) bool {
	if w.status.Phase != v1alpha1.PhaseActive || !o.Disputes.concern(activeRecord(w.status.Keys)) {
		return false
	}
	w.set(v1alpha1.ConditionActive, metav1.ConditionFalse, v1alpha1.ReasonDisputed, disputeMessage(o, w.status.Keys))

	return true
}

// reportsDispute says whether a dispute is the reason why Ready is not True. Such an APIKey has nothing to do with its Secret.
func reportsDispute(apikey *v1alpha1.APIKey) bool {
	ready := meta.FindStatusCondition(apikey.Status.Conditions, v1alpha1.ConditionReady)

	return ready != nil && ready.Reason == v1alpha1.ReasonDisputed
}

// disputeMessage says which keys are disputed, by whom, and what to do; empty: none is.
func disputeMessage(o Observed, records []v1alpha1.KeyRecord) string {
	var ids []string
	var rivals []types.NamespacedName
	for i := range records {
		if o.Disputes.concern(&records[i]) {
			ids = append(ids, records[i].ID)
			rivals = append(rivals, o.Disputes[records[i].Digest]...)
		}
	}
	if len(ids) == 0 {
		return ""
	}
	slices.Sort(ids)
	noun := "key "
	if len(ids) > 1 {
		noun = "keys "
	}

	return fmt.Sprintf("Verifiers refuse the %s%s as disputed, because status.keys of %s holds the same. Rotate this APIKey without an overlap: "+
		`set its annotation %s to a new value that ends in ",overlap=0s".`,
		noun, strings.Join(slices.Compact(ids), ", "), describeRivals(o.APIKey.Namespace, rivals), v1alpha1.RotateAnnotation)
}

// describeRivals names the other APIKeys of a dispute to the owner of one of them. Names of APIKeys in other namespaces are not the
// owner's to know; the logs of operator and verifier have them.
func describeRivals(namespace string, rivals []types.NamespacedName) string {
	rivals = slices.SortedFunc(slices.Values(rivals), func(a, b types.NamespacedName) int {
		return cmp.Or(strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name))
	})
	var names []string
	elsewhere := false
	for _, rival := range slices.Compact(rivals) {
		if rival.Namespace == namespace {
			names = append(names, `APIKey "`+rival.Name+`"`)
		} else {
			elsewhere = true
		}
	}
	if len(names) > maxRivals {
		names = append(names[:maxRivals], "others of this namespace")
	}
	if elsewhere {
		names = append(names, "an APIKey in another namespace")
	}

	return strings.Join(names, " and of ")
}
