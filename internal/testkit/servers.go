// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package testkit

import (
	"context"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/internal/testkit/process"
)

const (
	// loopback is where the servers listen.
	loopback = "127.0.0.1"
	// serverPoll is how often a server that starts is asked whether it is ready.
	serverPoll = 50 * time.Millisecond
	// etcdQuota is how much etcd stores. Its default of 2 GiB ends attacks with large objects before they end anything else.
	etcdQuota = 8 << 30
)

// startServers starts etcd and kube-apiserver and makes the administrator.
func (c *ControlPlane) startServers(ctx context.Context, apiServerArgs map[string][]string) (err error) {
	if c.authority, err = newAuthority(c.folder); err != nil {
		return err
	}
	if err := c.startServer(ctx, "etcd", c.prepareEtcd); err != nil {
		return err
	}
	if err := c.startServer(ctx, "kube-apiserver", func(port string) (map[string][]string, readiness, error) {
		flags, ready, err := c.prepareAPIServer(port)
		maps.Copy(flags, apiServerArgs)

		return flags, ready, err
	}); err != nil {
		return err
	}

	return c.awaitDefaultNamespace(ctx)
}

// readiness asks a server whether it is ready.
type readiness func(context.Context) error

// controlServer is etcd or kube-apiserver.
type controlServer struct {
	*process.Program

	name  string
	args  []string
	ready readiness
}

// startServer starts a server on a port of its own and waits until it is ready.
func (c *ControlPlane) startServer(
	ctx context.Context, name string, prepare func(port string) (flags map[string][]string, ready readiness, err error),
) error {
	address, err := c.FreeAddress()
	if err != nil {
		return err
	}
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	flags, ready, err := prepare(port)
	if err != nil {
		return err
	}
	var args []string
	for _, flag := range slices.Sorted(maps.Keys(flags)) {
		for _, value := range flags[flag] {
			args = append(args, "--"+flag+"="+value)
		}
	}
	c.servers[name] = &controlServer{name: name, args: args, ready: ready}

	return c.run(ctx, c.servers[name])
}

// run starts the process of a server and waits until it is ready.
func (c *ControlPlane) run(ctx context.Context, s *controlServer) (err error) {
	//nolint:noctx // StopHurried ends it, in order
	cmd := exec.Command(c.Program(s.name), s.args...)
	if s.Program, err = process.StartProgram(s.name, filepath.Join(c.folder, s.name+".log"), cmd); err != nil {
		return err
	}
	c.running = append(c.running, s.Process)
	if err := s.AwaitReady(ctx, startTimeout, s.ready); err != nil {
		return s.Explain(err)
	}

	return nil
}

// awaitDefaultNamespace waits until the API server has made the default namespace.
func (c *ControlPlane) awaitDefaultNamespace(ctx context.Context) error {
	admin, err := c.Client()
	if err != nil {
		return err
	}

	return wait.PollUntilContextCancel(ctx, serverPoll, true, func(ctx context.Context) (bool, error) {
		return admin.Get(ctx, client.ObjectKey{Name: "default"}, &corev1.Namespace{}) == nil, nil
	})
}

// prepareEtcd returns the flags of an etcd. It keeps nothing safe from a crash of the machine.
func (c *ControlPlane) prepareEtcd(port string) (map[string][]string, readiness, error) {
	c.etcd = "http://" + net.JoinHostPort(loopback, port)

	return map[string][]string{
		"data-dir":              {filepath.Join(c.folder, "etcd")},
		"listen-client-urls":    {c.etcd},
		"advertise-client-urls": {c.etcd},
		"listen-peer-urls":      {"http://" + net.JoinHostPort(loopback, "0")},
		"unsafe-no-fsync":       {"true"},
		"quota-backend-bytes":   {strconv.Itoa(etcdQuota)},
	}, answers(http.DefaultClient, c.etcd+"/health"), nil
}

// prepareAPIServer returns the flags of a kube-apiserver, and makes the administrator of one at that port.
func (c *ControlPlane) prepareAPIServer(port string) (map[string][]string, readiness, error) {
	c.apiServer = "https://" + net.JoinHostPort(loopback, port)
	var err error
	if c.Config, err = c.User("admin", "system:masters"); err != nil {
		return nil, nil, err
	}
	browser, err := rest.HTTPClientFor(c.Config)
	if err != nil {
		return nil, nil, err
	}

	return map[string][]string{
		"etcd-servers":                     {c.etcd},
		"bind-address":                     {loopback},
		"secure-port":                      {port},
		"cert-dir":                         {c.folder},
		"tls-cert-file":                    {c.authority.serverCertificate},
		"tls-private-key-file":             {c.authority.serverKey},
		"client-ca-file":                   {c.authority.certificate},
		"authorization-mode":               {"RBAC"},
		"allow-privileged":                 {"true"},
		"disable-admission-plugins":        {"ServiceAccount"}, // there is not always a controller that makes the accounts
		"service-cluster-ip-range":         {"10.0.0.0/24"},
		"service-account-issuer":           {c.apiServer + "/"},
		"service-account-key-file":         {c.authority.serverCertificate},
		"service-account-signing-key-file": {c.authority.serverKey},
	}, answers(browser, c.apiServer+"/readyz"), nil
}

// answers asks whether a URL answers 200.
func answers(browser *http.Client, url string) readiness {
	return func(ctx context.Context) error { return Get(ctx, browser, url) }
}

// Get returns nil if the URL answers 200.
func Get(ctx context.Context, probe *http.Client, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	response, err := probe.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %s", url, response.Status)
	}

	return nil
}
