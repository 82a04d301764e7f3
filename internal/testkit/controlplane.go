// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package testkit starts a real control plane and builds the objects that tests need.
// Tests and the programs under hack use it; no shipped binary does.
package testkit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// stopTimeout is how long a program of the control plane may take to end before it is killed.
const stopTimeout = 20 * time.Second

// ControlPlane is an etcd and a kube-apiserver on loopback, with the CRDs of this project installed.
// Ports are free ones, certificates are fresh, and all files are in a temporary folder that Stop removes.
type ControlPlane struct {
	// Config is that of an administrator, without client-side throttling.
	Config *rest.Config

	env     *envtest.Environment
	folder  string
	manager *exec.Cmd
}

// Options change how the control plane starts; the zero value is good for most.
type Options struct {
	// WithoutCRDs leaves the cluster empty.
	WithoutCRDs bool
	// APIServerArgs are flags for kube-apiserver without leading dashes, each with its values.
	APIServerArgs map[string][]string
}

// Scheme knows the built-in kinds and those of this project.
func Scheme() *runtime.Scheme {
	s := runtime.NewScheme()
	utilruntime.Must(scheme.AddToScheme(s))
	utilruntime.Must(v1alpha1.AddToScheme(s))

	return s
}

// Root is the folder of the module, found upwards from the working directory.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "PROJECT")); err == nil {
			return dir, nil
		}
	}

	return "", errors.New("no PROJECT file in this folder or above it: run this inside a checkout of the project")
}

// Start starts a control plane from KUBEBUILDER_ASSETS or bin/k8s, where `make kube` puts the programs.
func Start(opts Options) (*ControlPlane, error) {
	root, err := Root()
	if err != nil {
		return nil, err
	}
	env := &envtest.Environment{
		BinaryAssetsDirectory:    filepath.Join(root, "bin", "k8s"),
		Scheme:                   Scheme(),
		ErrorIfCRDPathMissing:    true,
		ControlPlaneStartTimeout: 2 * time.Minute,
		ControlPlaneStopTimeout:  stopTimeout,
	}
	if !opts.WithoutCRDs {
		env.CRDDirectoryPaths = []string{filepath.Join(root, "config", "crd", "bases")}
	}
	args := env.ControlPlane.GetAPIServer().Configure()
	for name, values := range opts.APIServerArgs {
		args.Set(name, values...)
	}
	cfg, err := env.Start()
	if err != nil {
		return nil, fmt.Errorf("start etcd and kube-apiserver (run `make kube` first): %w", errors.Join(err, env.Stop(), releasePorts()))
	}
	cfg.QPS = -1 // no client-side throttling: the API server's own priority and fairness governs

	folder, err := os.MkdirTemp("", "apikey-operator-")
	if err != nil {
		return nil, errors.Join(err, env.Stop(), releasePorts())
	}

	return &ControlPlane{Config: cfg, env: env, folder: folder}, nil
}

// Client reads from and writes to the API server directly, as the administrator.
func (c *ControlPlane) Client() (client.Client, error) {
	return client.New(c.Config, client.Options{Scheme: Scheme()})
}

// User is the configuration of a user with a fresh client certificate.
// A service account is the user system:serviceaccount:<namespace>:<name>.
func (c *ControlPlane) User(name string, groups ...string) (*rest.Config, error) {
	user, err := c.env.AddUser(envtest.User{Name: name, Groups: groups}, c.Config)
	if err != nil {
		return nil, fmt.Errorf("make a certificate for %s: %w", name, err)
	}
	cfg := rest.CopyConfig(user.Config())
	cfg.QPS = -1

	return cfg, nil
}

// Kubeconfig writes a kubeconfig for a user into the folder of the control plane and returns its path.
func (c *ControlPlane) Kubeconfig(user string, groups ...string) (string, error) {
	u, err := c.env.AddUser(envtest.User{Name: user, Groups: groups}, c.Config)
	if err != nil {
		return "", fmt.Errorf("make a certificate for %s: %w", user, err)
	}
	data, err := u.KubeConfig()
	if err != nil {
		return "", err
	}
	path := filepath.Join(c.folder, strings.ReplaceAll(user, ":", "-")+".kubeconfig")

	return path, os.WriteFile(path, data, 0o600)
}

// Folder is where files can be put that Stop removes.
func (c *ControlPlane) Folder() string { return c.folder }

// Program is the path of a program of the control plane, such as kubectl.
func (c *ControlPlane) Program(name string) string {
	return filepath.Join(filepath.Dir(c.env.ControlPlane.GetAPIServer().Path), name)
}

// EtcdURL is where etcd answers clients, without TLS.
func (c *ControlPlane) EtcdURL() string { return c.env.ControlPlane.Etcd.URL.String() }

// StartControllerManager starts kube-controller-manager with garbage collection and namespace deletion, as clusters do: as its
// own user, with a service account for each of its controllers, so that what they do passes the guardrails because of who they
// are and not because they may do everything. It aggregates ClusterRoles and checks the types of policies, too.
func (c *ControlPlane) StartControllerManager(context.Context) error {
	kubeconfig, err := c.Kubeconfig("system:kube-controller-manager")
	if err != nil {
		return err
	}
	log, err := os.Create(filepath.Join(c.folder, "kube-controller-manager.log"))
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }() // the child keeps its own copy of the descriptor

	//nolint:noctx // Stop ends it, in order and with a grace period; a context would kill it.
	cmd := exec.Command(c.Program("kube-controller-manager"),
		"--kubeconfig="+kubeconfig, "--leader-elect=false", "--secure-port=0", "--use-service-account-credentials",
		"--controllers=garbage-collector-controller,namespace-controller,serviceaccount-controller,"+
			"clusterrole-aggregation-controller,validatingadmissionpolicy-status-controller",
		"--kube-api-qps=300", "--kube-api-burst=400")
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a Ctrl-C at the terminal is ours to handle, in order
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start kube-controller-manager (run `make kube` first): %w", err)
	}
	c.manager = cmd

	return nil
}

// Stop ends all programs and removes all files.
func (c *ControlPlane) Stop() error {
	var errs []error
	if c.manager != nil {
		errs = append(errs, stopProgram(c.manager))
	}
	errs = append(errs, c.env.Stop(), releasePorts(), os.RemoveAll(c.folder))

	return errors.Join(errs...)
}

// stopProgram asks a program to end and kills it when it does not.
func stopProgram(cmd *exec.Cmd) error {
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	kill := time.AfterFunc(stopTimeout, func() { _ = cmd.Process.Kill() })
	defer kill.Stop()
	_ = cmd.Wait() // it was told to end; how it did so is no news

	return nil
}

// releasePorts removes the lock files through which envtest keeps two control planes off one port.
// envtest never does: it leaves one file a port in the user's cache folder. The ones that this process holds open are ours.
// The folder itself stays: another process may be about to put a file into it.
func releasePorts() error {
	descriptors, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		return err
	}
	var errs []error
	for _, descriptor := range descriptors {
		path, err := os.Readlink(descriptor)
		if err != nil || filepath.Base(filepath.Dir(path)) != "kubebuilder-envtest" {
			continue
		}
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}

	return errors.Join(errs...)
}
