// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package ui serves the page of `kubectl apikey ui`: the API keys of a cluster in a browser, with the rights of the user.
//
// The server renders every view from templates; forms and links work without JavaScript. Views call package operations, which hold
// the logic, and show what comes back. RBAC and the guardrails judge the user, so the page hides nothing for security.
//
// The server holds the user's credentials and answers on loopback, so every request has to come from the user's own browser:
//
//   - The Host header is compared with the listener's own address before anything else, which stops DNS rebinding.
//   - A token of 256 bits stands in the fragment of the address that the browser opens. Browsers do not send fragments. The first
//     POST of it to /session gets the cookie of the session; the token is worth nothing afterwards.
//   - The cookie is HttpOnly and SameSite=Strict. Cookies are not separated by port, so pages of other programs on loopback count as
//     the same site: requests that a browser labels as theirs are refused too.
//   - The Content-Security-Policy allows scripts and styles of the server's own files, forms to itself, and no frame.
//   - Keys are in no URL, log, cookie or flash message. Every answer carries Cache-Control: no-store.
//   - Connections, headers, queries and bodies have limits, and the time for each is bounded.
//
// One watch feeds all tabs. The server keeps a summary of each APIKey and renders 100 at a time: with 10,000 of them the first view comes
// 0.9 s after the start, a search takes 6 ms, another order 0.1 s, and the process takes 75 MiB (TestMany, on two busy cores).
package ui
