#!/usr/bin/env bash
# Copyright The apikey-operator Authors.
# SPDX-License-Identifier: Apache-2.0

# Prints the flag of `go test` that turns the race detector on, or nothing. RACE=1 demands it, RACE=0 forbids it;
# without RACE it is on where there is a C compiler, which the race detector needs and Go does not bring.
set -euo pipefail

say() { printf '%s\n' "$@" >&2; }

# A C compiler without the headers of the C library is of no use either.
can_compile() {
  local cc
  read -ra cc <<<"$(go env CC)"
  printf '#include <stdlib.h>\nint main(void) { return 0; }\n' | "${cc[@]}" -x c -o /dev/null - 2>/dev/null
}

case ${RACE:-} in
  0)
    say 'RACE=0: testing without the race detector.'
    ;;
  *)
    if can_compile; then
      printf -- '-race'
    elif [[ -n ${RACE:-} ]]; then
      say 'The race detector needs a C compiler with its C library, which this machine has not.' \
        'Install one (apt-get install gcc libc6-dev), or run with RACE=0.'
      exit 1
    else
      say 'NOTE: testing WITHOUT the race detector: it needs a C compiler, which this machine has not.' \
        'To test as CI does, install one: apt-get install gcc libc6-dev'
    fi
    ;;
esac
