// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ratelimit

import (
	"crypto/tls"
	"errors"
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"
)

// defaultPort is where Valkey and Redis listen when nobody says otherwise.
const defaultPort = "6379"

// What is wrong with the URL of a store. None quotes any of it: where a URL is wrong, what looks like the path or the
// port may be a piece of the password.
var (
	errURL      = errors.New("not a URL; the special characters of a password must be percent-encoded, such as %40 for @")
	errScheme   = errors.New("must begin with redis://, rediss:// (TLS) or unix:///")
	errHost     = errors.New("names no host: must be redis://[user:password@]host[:port][/database]")
	errPort     = errors.New("the port must be a number from 1 to 65535")
	errSocket   = errors.New("names no socket: must be unix://[user:password@]/path/of/the/socket[?db=database]")
	errDatabase = errors.New("the database must be a number from 0 on")
	errOptions  = errors.New("has options: after ? there may only be db, and only in the URL of a socket; # may only be in a password, as %23")
)

// parseURL reads the URL of a store: redis:// for TCP, rediss:// for TLS with a certificate that the system trusts,
// unix:// for a socket. The error says what is wrong and quotes nothing.
func parseURL(text string) (*redis.Options, error) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, errURL
	}
	o := &redis.Options{Username: u.User.Username()}
	o.Password, _ = u.User.Password()
	if strings.Contains(text, "#") {
		return nil, errOptions
	}
	switch u.Scheme {
	case "redis", "rediss":
		return o, server(o, u)
	case "unix":
		return o, socket(o, u)
	default:
		return nil, errScheme
	}
}

// server reads where a server listens and which of its databases is meant.
func server(o *redis.Options, u *url.URL) error {
	host, port := u.Hostname(), u.Port()
	if port == "" {
		port = defaultPort
	}
	switch number, err := strconv.ParseUint(port, 10, 16); {
	case host == "":
		return errHost
	case err != nil || number == 0:
		return errPort
	case u.RawQuery != "" || u.ForceQuery:
		return errOptions
	}
	o.Network, o.Addr = "tcp", net.JoinHostPort(host, port)
	if u.Scheme == "rediss" {
		o.TLSConfig = &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
	}

	return database(o, strings.Trim(u.Path, "/"))
}

// socket reads where a socket is and which database is meant.
func socket(o *redis.Options, u *url.URL) error {
	query, err := url.ParseQuery(u.RawQuery)
	switch {
	case err != nil || len(query["db"]) != len(query):
		return errOptions
	case u.Host != "" || strings.Trim(u.Path, "/") == "":
		return errSocket
	}
	o.Network, o.Addr = "unix", u.Path

	return database(o, query.Get("db"))
}

// database reads the number of a database; "" is 0.
func database(o *redis.Options, number string) error {
	if number == "" {
		return nil
	}
	db, err := strconv.ParseUint(number, 10, 31)
	if err != nil {
		return errDatabase
	}
	o.DB = int(db)

	return nil
}
