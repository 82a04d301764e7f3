#!/usr/bin/env bash
# Copyright The apikey-operator Authors.
# SPDX-License-Identifier: Apache-2.0

# hack/cover.sh PROFILE MINIMUM [FOLDER...]
# Prints how many per cent of its statements each package has covered by tests, generated code left out,
# and fails when one of the folders named is below MINIMUM. A folder without Go files yet is passed over.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
readonly profile=$1 minimum=$2
shift 2

demanded=()
for folder in "$@"; do
  if compgen -G "$folder/*.go" >/dev/null; then
    demanded+=("$folder")
  fi
done

# A line of the profile is module/folder/file.go:from,to statements count.
awk -v module="$(go list -m)" -v minimum="$minimum" -v demanded="${demanded[*]:-}" '
  FNR == 1 || /\/zz_generated/ { next }
  {
    split($1, place, ":")
    folder = place[1]
    sub(/\/[^\/]*$/, "", folder)
    sub("^" module "/", "", folder)
    total[folder] += $2
    if ($3 > 0) { covered[folder] += $2 }
  }
  function percent(folder) { return total[folder] ? 100 * covered[folder] / total[folder] : 0 }
  END {
    count = split(demanded, names, " ")
    for (i = 1; i <= count; i++) { wanted[names[i]] = 1; total[names[i]] += 0 }
    print "coverage of statements:"
    fflush()
    sort = "sort"
    for (folder in total) {
      note = (folder in wanted) ? "  (at least " minimum " %)" : ""
      printf("  %-32s %5.1f %%%s\n", folder, percent(folder), note) | sort
      sum += total[folder]
      hit += covered[folder]
    }
    close(sort)
    if (sum) { printf "  %-32s %5.1f %%\n", "all", 100 * hit / sum }
    for (i = 1; i <= count; i++) {
      if (percent(names[i]) < minimum) {
        printf "%s is covered to %.1f %%, and a pure package needs %s %%: see what is missing with `go tool cover -html=%s`\n", \
          names[i], percent(names[i]), minimum, FILENAME > "/dev/stderr"
        failed = 1
      }
    }
    exit failed
  }
' "$profile"
