// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package operations

import (
	"context"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// Consumers are the workloads of a namespace that read Secrets.
type Consumers struct {
	// bySecret are workloads such as "Deployment/web", by the name of the Secret that they read.
	bySecret map[string][]string
	// Unseen are kinds that the user may not list.
	Unseen []string
}

// Of returns the workloads that read the Secret of an APIKey. Programs that read it through the API, or that hold a copy, are not among them.
func (c Consumers) Of(key *v1alpha1.APIKey) []string { return c.bySecret[key.SecretName()] }

// FindConsumers returns the workloads of a namespace that read Secrets, as far as the user may list them.
// A pod counts by itself only where no workload manages it.
func (s Service) FindConsumers(ctx context.Context, namespace string) Consumers {
	found := Consumers{bySecret: map[string][]string{}}
	found.add(ctx, s, namespace, "Deployment", &appsv1.DeploymentList{})
	found.add(ctx, s, namespace, "StatefulSet", &appsv1.StatefulSetList{})
	found.add(ctx, s, namespace, "DaemonSet", &appsv1.DaemonSetList{})
	found.add(ctx, s, namespace, "CronJob", &batchv1.CronJobList{})
	found.add(ctx, s, namespace, "Pod", &corev1.PodList{})
	for secret := range found.bySecret {
		slices.Sort(found.bySecret[secret])
	}

	return found
}

// add lists one kind of workload. A list that fails is noted: what breaks may be more than what was found.
func (c *Consumers) add(ctx context.Context, s Service, namespace, kind string, list client.ObjectList) {
	options := &client.ListOptions{Namespace: namespace, Limit: pageSize}
	for {
		if err := s.Client.List(ctx, list, options); err != nil {
			c.Unseen = append(c.Unseen, kind)

			return
		}
		for _, w := range workloadsOf(list) {
			for _, secret := range secretsOf(w.spec) {
				c.bySecret[secret] = append(c.bySecret[secret], kind+"/"+w.name)
			}
		}
		if options.Continue = list.GetContinue(); options.Continue == "" {
			return
		}
	}
}

// workload is a pod, or what makes pods.
type workload struct {
	name string
	spec *corev1.PodSpec
}

func workloadsOf(list client.ObjectList) []workload {
	var all []workload
	switch list := list.(type) {
	case *appsv1.DeploymentList:
		for i := range list.Items {
			all = append(all, workload{list.Items[i].Name, &list.Items[i].Spec.Template.Spec})
		}
	case *appsv1.StatefulSetList:
		for i := range list.Items {
			all = append(all, workload{list.Items[i].Name, &list.Items[i].Spec.Template.Spec})
		}
	case *appsv1.DaemonSetList:
		for i := range list.Items {
			all = append(all, workload{list.Items[i].Name, &list.Items[i].Spec.Template.Spec})
		}
	case *batchv1.CronJobList:
		for i := range list.Items {
			all = append(all, workload{list.Items[i].Name, &list.Items[i].Spec.JobTemplate.Spec.Template.Spec})
		}
	case *corev1.PodList:
		for i := range list.Items {
			if metav1.GetControllerOf(&list.Items[i]) == nil {
				all = append(all, workload{list.Items[i].Name, &list.Items[i].Spec})
			}
		}
	}

	return all
}

// secretsOf returns the names of the Secrets that a pod reads, each once.
func secretsOf(spec *corev1.PodSpec) []string {
	var names []string
	for i := range spec.Volumes {
		if volume := spec.Volumes[i].Secret; volume != nil {
			names = append(names, volume.SecretName)
		}
		if projected := spec.Volumes[i].Projected; projected != nil {
			for j := range projected.Sources {
				if source := projected.Sources[j].Secret; source != nil {
					names = append(names, source.Name)
				}
			}
		}
	}
	for _, containers := range [][]corev1.Container{spec.InitContainers, spec.Containers} {
		for i := range containers {
			names = append(names, secretsOfEnv(&containers[i])...)
		}
	}
	slices.SortFunc(names, strings.Compare)

	return slices.Compact(names)
}

func secretsOfEnv(container *corev1.Container) []string {
	var names []string
	for i := range container.Env {
		if from := container.Env[i].ValueFrom; from != nil && from.SecretKeyRef != nil {
			names = append(names, from.SecretKeyRef.Name)
		}
	}
	for i := range container.EnvFrom {
		if from := container.EnvFrom[i].SecretRef; from != nil {
			names = append(names, from.Name)
		}
	}

	return names
}
