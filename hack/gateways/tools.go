//go:build tools

// Package gateways pins the gateways that tests run and that no package of Debian has.
package gateways

import _ "github.com/traefik/traefik/v3/cmd/traefik"
