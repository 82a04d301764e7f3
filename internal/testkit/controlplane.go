// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package testkit starts a real control plane and builds the objects that tests need.
// Tests and the programs under hack use it; no shipped binary does.
//
// The control plane is started here and not by envtest, which cannot be interrupted, gives up after limits of its own
// (5 seconds for the default namespace), and neither waits for a server that it has killed nor removes its lock files.
package testkit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/installation"
	"github.com/apikey-operator/apikey-operator/internal/testkit/process"
)

const (
	// startTimeout is how long the control plane may take to start. It takes seconds, and more on a busy machine.
	startTimeout = 5 * time.Minute
	// stopGrace is how long a program of the control plane may take to end before it is killed.
	stopGrace = 20 * time.Second
)

// ControlPlane is an etcd and a kube-apiserver on loopback, with the CRDs of this project installed.
// Ports are free ones, certificates are fresh, and all files are in a temporary folder that Stop removes.
type ControlPlane struct {
	// Config is that of an administrator, without client-side throttling.
	Config *rest.Config

	folder    string
	programs  string // the folder of the programs
	authority *authority
	etcd      string // the URL of etcd
	apiServer string // the URL of kube-apiserver
	running   []*process.Process
	ports     process.Ports
	servers   map[string]*controlServer // by the name of their program
	// traefikKubeconfig is that of the account of Traefik, once InstallTraefik has made it.
	traefikKubeconfig string
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

// Root returns the folder of the module, found upwards from the working directory.
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
func Start(opts Options) (*ControlPlane, error) { return StartContext(context.Background(), opts) }

// StartContext is Start with a context. When ctx ends it gives up, returns the cause, and leaves no process and no file.
func StartContext(ctx context.Context, opts Options) (_ *ControlPlane, err error) {
	root, err := Root()
	if err != nil {
		return nil, err
	}
	c := &ControlPlane{programs: filepath.Join(root, "bin", "k8s"), servers: map[string]*controlServer{}}
	if assets := os.Getenv("KUBEBUILDER_ASSETS"); assets != "" {
		c.programs = assets
	}
	if c.folder, err = os.MkdirTemp("", "apikey-operator-"); err != nil {
		return nil, err
	}
	starting, cancel := context.WithTimeoutCause(ctx, startTimeout, fmt.Errorf("not ready after %s", startTimeout))
	defer cancel()
	defer func() {
		if err == nil {
			return
		}
		if ctx.Err() != nil {
			err = context.Cause(ctx) // what failed is only the consequence
		}
		err = errors.Join(err, c.StopHurried(process.AtOnce())) // there is nothing yet that an orderly end would save
	}()
	if err := c.startServers(starting, opts.APIServerArgs); err != nil {
		return nil, fmt.Errorf("start etcd and kube-apiserver (run `make kube` first): %w", err)
	}
	if opts.WithoutCRDs {
		return c, nil
	}

	return c, c.installCRDs(starting, filepath.Join(root, "config", "crd", "bases"))
}

// installCRDs installs the CRDs of a folder and waits until the API server goes by them.
func (c *ControlPlane) installCRDs(ctx context.Context, folder string) error {
	if _, err := envtest.InstallCRDs(c.Config, envtest.CRDInstallOptions{
		Scheme: Scheme(), Paths: []string{folder}, ErrorIfPathMissing: true, MaxTime: startTimeout,
	}); err != nil {
		return fmt.Errorf("install the CRDs: %w", err)
	}

	return installation.AwaitCRDs(ctx, c.Config)
}

// Client reads from and writes to the API server directly, as the administrator.
func (c *ControlPlane) Client() (client.Client, error) {
	return client.New(c.Config, client.Options{Scheme: Scheme()})
}

// User returns the configuration of a user with a fresh client certificate.
// A service account is the user system:serviceaccount:<namespace>:<name>.
func (c *ControlPlane) User(name string, groups ...string) (*rest.Config, error) {
	certificate, key, err := c.authority.clientCertificate(name, groups)
	if err != nil {
		return nil, fmt.Errorf("make a certificate for %s: %w", name, err)
	}

	return &rest.Config{
		Host: c.apiServer,
		QPS:  -1, // no client-side throttling: the API server's own priority and fairness governs
		TLSClientConfig: rest.TLSClientConfig{
			CAData: c.authority.certificatePEM, CertData: certificate, KeyData: key,
		},
	}, nil
}

// Kubeconfig writes a kubeconfig for a user into the folder of the control plane and returns its path.
func (c *ControlPlane) Kubeconfig(user string, groups ...string) (string, error) {
	cfg, err := c.User(user, groups...)
	if err != nil {
		return "", err
	}
	const name = "envtest"
	kubeconfig := clientcmdapi.NewConfig()
	kubeconfig.Clusters[name] = &clientcmdapi.Cluster{Server: cfg.Host, CertificateAuthorityData: cfg.CAData}
	kubeconfig.AuthInfos[name] = &clientcmdapi.AuthInfo{ClientCertificateData: cfg.CertData, ClientKeyData: cfg.KeyData}
	kubeconfig.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: name}
	kubeconfig.CurrentContext = name
	path := filepath.Join(c.folder, strings.ReplaceAll(user, ":", "-")+".kubeconfig")

	return path, clientcmd.WriteToFile(*kubeconfig, path)
}

// Folder returns a folder for files that Stop removes.
func (c *ControlPlane) Folder() string { return c.folder }

// Program returns the path of a program of the control plane, such as kubectl.
func (c *ControlPlane) Program(name string) string { return filepath.Join(c.programs, name) }

// FreeAddress returns an address on loopback that is held for one program until Stop.
func (c *ControlPlane) FreeAddress() (string, error) { return c.ports.Take() }

// EtcdURL returns the URL at which etcd answers clients, without TLS.
func (c *ControlPlane) EtcdURL() string { return c.etcd }

// Signal sends a signal to etcd or kube-apiserver. A server that SIGSTOP has stopped keeps its connections and answers nothing.
func (c *ControlPlane) Signal(program string, signal os.Signal) error {
	server, ok := c.servers[program]
	if !ok {
		return fmt.Errorf("%s is not running", program)
	}

	return server.Signal(signal)
}

// StartControllerManager starts kube-controller-manager with garbage collection and namespace deletion, as clusters do: as its
// own user, with a service account for each of its controllers, so that what they do passes the guardrails because of who they
// are and not because they may do everything. It counts for quotas, aggregates ClusterRoles and checks the types of policies, too.
func (c *ControlPlane) StartControllerManager(ctx context.Context) error {
	kubeconfig, err := c.Kubeconfig("system:kube-controller-manager")
	if err != nil {
		return err
	}
	manager := &controlServer{name: "kube-controller-manager", ready: func(context.Context) error { return nil }, args: []string{
		"--kubeconfig=" + kubeconfig, "--leader-elect=false", "--secure-port=0", "--use-service-account-credentials",
		"--controllers=garbage-collector-controller,namespace-controller,serviceaccount-controller,resourcequota-controller," +
			"clusterrole-aggregation-controller,validatingadmissionpolicy-status-controller",
		"--kube-api-qps=300", "--kube-api-burst=400",
	}}
	if err := c.run(ctx, manager); err != nil {
		return fmt.Errorf("%w (run `make kube` first)", err)
	}
	c.servers[manager.name] = manager

	return nil
}

// Stop ends all programs and removes all files.
func (c *ControlPlane) Stop() error { return c.StopHurried(nil) }

// StopHurried is Stop, and kills the programs that are still there as soon as hurry is closed. A program that had to be killed is
// no error: what it held is thrown away in any case.
func (c *ControlPlane) StopHurried(hurry <-chan struct{}) error {
	for _, program := range slices.Backward(c.running) {
		program.Stop(hurry, stopGrace)
	}
	c.ports.Release()

	return os.RemoveAll(c.folder)
}
