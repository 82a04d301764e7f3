// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ratelimit

import (
	"errors"
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"
)

// defaultPort is the port on which Valkey and Redis listen by default, and sentinelPort that of their sentinels.
const (
	defaultPort  = "6379"
	sentinelPort = "26379"
)

// What is wrong with the URL of a store. None quotes any of it: where a URL is wrong, what looks like the path or the
// port may be a piece of the password.
var (
	errURL    = errors.New("not a URL; the special characters of a password must be percent-encoded, such as %40 for @")
	errScheme = errors.New("must begin with redis://, rediss:// (TLS) or unix:/// for one server, redis+cluster:// or rediss+cluster:// for a cluster, " +
		"redis+sentinel:// or rediss+sentinel:// for sentinels")
	errHost = errors.New(
		"names no host: must be redis://[user:password@]host[:port][/database], or several host[:port] with commas for a cluster or sentinels",
	)
	errPort     = errors.New("the port must be a number from 1 to 65535")
	errHosts    = errors.New("names several hosts, which only redis+cluster:// and redis+sentinel:// may")
	errSocket   = errors.New("names no socket: must be unix://[user:password@]/path/of/the/socket[?db=database]")
	errDatabase = errors.New("the database must be a number from 0 on")
	errCluster  = errors.New("names a database, but a cluster has none: must be redis+cluster://[user:password@]host[:port][,host[:port]...]")
	errMaster   = errors.New("names no master: must be redis+sentinel://[user:password@]host[:port][,host[:port]...]/master[/database]")
	errOptions  = errors.New(
		"has options: after ? there may only be db for a socket, ca, cert and key (files) for TLS, sentinel_username and sentinel_password " +
			"for sentinels, each once and not empty; # may only be in a password, as %23",
	)
)

// kind is how servers make up a store.
type kind int

const (
	single kind = iota
	cluster
	sentinel
)

// target is where a store is, and how to talk to it.
type target struct {
	kind    kind
	options redis.UniversalOptions
	address string   // for the log
	secrets []string // what must not be in the log
}

// parseURL reads the URL of a store:
//
//	redis://[user:password@]host[:port][/database]
//	unix://[user:password@]/path/of/the/socket[?db=database]
//	redis+cluster://[user:password@]host[:port][,host[:port]...]
//	redis+sentinel://[user:password@]host[:port][,host[:port]...]/master[/database][?sentinel_username=...&sentinel_password=...]
//
// With rediss instead of redis it is TLS. Then ca may name a file of authorities other than the system's, cert and key
// a certificate of this client: ?ca=file&cert=file&key=file. The error says what is wrong and quotes nothing.
func parseURL(text string) (*target, error) {
	u, hosts, err := split(text)
	if err != nil {
		return nil, err
	}
	t := &target{}
	if t.kind, err = kindOf(u.Scheme); err != nil {
		return nil, err
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil || u.ForceQuery || strings.Contains(text, "#") {
		return nil, errOptions
	}
	t.options.Username = u.User.Username()
	t.options.Password, _ = u.User.Password()
	if u.Scheme == "unix" {
		err = t.socket(u, query)
	} else {
		err = t.servers(u, hosts, query)
	}
	if err != nil {
		return nil, err
	}
	t.address = strings.Join(t.options.Addrs, ",")
	for _, secret := range []string{t.options.Password, t.options.SentinelPassword} {
		if secret != "" {
			t.secrets = append(t.secrets, secret)
		}
	}

	return t, nil
}

// kindOf is what a scheme says.
func kindOf(scheme string) (kind, error) {
	switch scheme {
	case "redis", "rediss", "unix":
		return single, nil
	case "redis+cluster", "rediss+cluster":
		return cluster, nil
	case "redis+sentinel", "rediss+sentinel":
		return sentinel, nil
	default:
		return single, errScheme
	}
}

// split reads a URL that may have several hosts. The URL that it returns has the first.
func split(text string) (u *url.URL, hosts []string, err error) {
	scheme, rest, _ := strings.Cut(text, "://")
	end := len(rest)
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		end = i
	}
	authority, rest := rest[:end], rest[end:]
	at := strings.LastIndex(authority, "@") + 1
	hosts = strings.Split(authority[at:], ",")
	if len(hosts) > 1 {
		text = scheme + "://" + authority[:at] + hosts[0] + rest
	}
	if u, err = url.Parse(text); err != nil {
		return nil, nil, errURL
	}

	return u, hosts, nil
}

// servers reads where servers listen, and what to do with them.
func (t *target) servers(u *url.URL, hosts []string, query url.Values) error {
	if t.kind == single && len(hosts) > 1 {
		return errHosts
	}
	for _, host := range hosts {
		address, err := t.server(host)
		if err != nil {
			return err
		}
		t.options.Addrs = append(t.options.Addrs, address)
	}
	path := strings.Trim(u.Path, "/")
	if t.kind == cluster && path != "" {
		return errCluster
	}
	if t.kind == sentinel {
		if t.options.MasterName, path, _ = strings.Cut(path, "/"); t.options.MasterName == "" {
			return errMaster
		}
		t.options.SentinelUsername, t.options.SentinelPassword = option(query, "sentinel_username"), option(query, "sentinel_password")
	}
	if strings.HasPrefix(u.Scheme, "rediss") {
		if err := t.secure(option(query, "ca"), option(query, "cert"), option(query, "key")); err != nil {
			return err
		}
	}
	if len(query) > 0 {
		return errOptions
	}

	return t.database(path)
}

// server reads the address of one.
func (t *target) server(text string) (string, error) {
	u, err := url.Parse("redis://" + text)
	if err != nil || u.Path != "" || u.User != nil {
		return "", errURL
	}
	host, port := u.Hostname(), u.Port()
	if port == "" && t.kind == sentinel {
		port = sentinelPort
	}
	if port == "" {
		port = defaultPort
	}
	switch number, err := strconv.ParseUint(port, 10, 16); {
	case host == "":
		return "", errHost
	case err != nil || number == 0:
		return "", errPort
	default:
		return net.JoinHostPort(host, port), nil
	}
}

// socket reads where a socket is and which database is meant.
func (t *target) socket(u *url.URL, query url.Values) error {
	number := option(query, "db")
	switch {
	case len(query) > 0:
		return errOptions
	case u.Host != "" || strings.Trim(u.Path, "/") == "":
		return errSocket
	}
	t.options.Addrs = []string{u.Path}

	return t.database(number)
}

// database reads the number of a database; "" is 0.
func (t *target) database(number string) error {
	if number == "" {
		return nil
	}
	db, err := strconv.ParseUint(number, 10, 31)
	if err != nil {
		return errDatabase
	}
	t.options.DB = int(db)

	return nil
}

// option takes an option out that is there once and says something.
func option(query url.Values, name string) string {
	values := query[name]
	if len(values) != 1 || values[0] == "" {
		return ""
	}
	delete(query, name)

	return values[0]
}
