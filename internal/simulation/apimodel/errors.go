// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package apimodel

import (
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// errModified is the cause of a conflict of versions.
var errModified = errors.New("the object has been modified; please apply your changes to the latest version and try again")

// check compares an object with preconditions.
func (r *Resource[T]) check(stored T, want Preconditions) error {
	switch {
	case want.UID != "" && want.UID != stored.GetUID():
		return apierrors.NewConflict(r.rules.resource(), stored.GetName(), fmt.Errorf("the uid is %s, and the precondition %s", stored.GetUID(), want.UID))
	case want.ResourceVersion != "" && want.ResourceVersion != stored.GetResourceVersion():
		return apierrors.NewConflict(r.rules.resource(), stored.GetName(), errModified)
	default:
		return nil
	}
}

func (r *Resource[T]) invalid(name, path, problem string) error {
	resource := r.rules.resource()

	return apierrors.NewInvalid(schema.GroupKind{Group: resource.Group, Kind: resource.Resource}, name,
		field.ErrorList{field.Invalid(field.NewPath(path), "", problem)})
}
