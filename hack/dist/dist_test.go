// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package dist_test tests what `make dist` writes.
package dist_test

import (
	"bytes"
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

// version is that of the releases that the tests build.
const version = "v1.2.3-rc.1"

// TestTwoBuildsAreIdentical builds a release in two checkouts, whose folders, masks of new files, time zones, languages and flags for Go
// differ, and compares every byte. It builds for the platform of the test alone: programs for other platforms take minutes, and the only
// thing that differs is what is told to the same compiler. Packages that both checkouts have come out of one build cache, in which -trimpath
// makes folders equal; so this finds what a folder, a time or the environment adds, and not a compiler that is not deterministic.
func TestTwoBuildsAreIdentical(t *testing.T) {
	t.Parallel()
	needLinux(t)
	platform := "linux/" + runtime.GOARCH
	first := release(t, checkout(t), "022", []string{"TZ=UTC", "LC_ALL=C"}, platform)
	second := release(t, checkout(t), "077", []string{
		"TZ=Asia/Tokyo", "LC_ALL=en_US.UTF-8", "GOFLAGS=-tags=other", "GOAMD64=v3", "GOARM64=v8.1", "CGO_ENABLED=1",
	}, platform)
	if diff := cmp.Diff(sums(t, first), sums(t, second)); diff != "" {
		t.Errorf("two builds differ (-first +second):\n%s", diff)
	}
	t.Run("files", func(t *testing.T) { checkFiles(t, first) })
	t.Run("checksums", func(t *testing.T) { checkChecksums(t, first) })
	t.Run("programs", func(t *testing.T) { checkPrograms(t, first) })
	t.Run("images", func(t *testing.T) { checkImages(t, first) })
	t.Run("krew", func(t *testing.T) { checkKrew(t, first) })
}

// needLinux skips a test that runs programs for Linux.
func needLinux(t *testing.T) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("it runs the operator and the verifier of a release, which are for Linux")
	}
	testkit.FindTool(t, "cyclonedx-gomod")
	testkit.FindBuilt(t, "k8s", "kubectl")
}

// checkout returns a copy of this work tree, committed to a repository of its own. The commit is the same in each.
func checkout(t *testing.T) string {
	t.Helper()
	root, err := testkit.Root()
	if err != nil {
		t.Fatal(err)
	}
	into := filepath.Join(t.TempDir(), "a checkout")
	script := `
mkdir "$INTO"
cd "$ROOT"
# What is or would be committed, as it is now. A file that was deleted and not committed yet is not there to be copied.
(git ls-files -z --cached --others --exclude-standard 2>/dev/null || find . \( -name .git -o -path ./bin -o -path ./dist \) -prune -o -type f -print0) |
  while IFS= read -r -d '' file; do [[ ! -e $file ]] || printf '%s\0' "$file"; done | tar -cf - --null -T - | tar -xf - -C "$INTO"
cd "$INTO"
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
git init -q
git add --all
git -c user.name=test -c user.email=test@example.com commit -q -m test
ln -s "$ROOT/bin" bin`
	run := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", script)
	run.Dir = filepath.Dir(into)
	run.Env = append(os.Environ(), "ROOT="+root, "INTO="+into,
		"GIT_AUTHOR_DATE=2026-01-01T00:00:00Z", "GIT_COMMITTER_DATE=2026-01-01T00:00:00Z")
	if out, err := run.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}

	return into
}

// release builds a release in a checkout and returns its folder.
func release(t *testing.T, checkout, mask string, environment []string, platforms ...string) string {
	t.Helper()
	out, err := dist(t, checkout, mask, environment, append([]string{version}, platforms...)...)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)

	return filepath.Join(checkout, "dist")
}

// dist runs dist.sh and returns what it prints.
func dist(t *testing.T, checkout, mask string, environment []string, args ...string) (string, error) {
	t.Helper()
	run := exec.CommandContext(t.Context(), "bash", append([]string{"-c", `umask "$0" && exec hack/dist/dist.sh "$@"`, mask}, args...)...)
	run.Dir = checkout
	run.Env = append(os.Environ(), environment...)
	out, err := run.CombinedOutput()

	return string(out), err
}

// sums returns the SHA-256 of each file in a folder.
func sums(t *testing.T, folder string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for _, entry := range entries {
		sum := sha256.Sum256(content(t, folder, entry.Name()))
		found[entry.Name()] = hex.EncodeToString(sum[:])
	}

	return found
}

// content returns a file of a folder.
func content(t *testing.T, folder, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(folder, name))
	if err != nil {
		t.Fatal(err)
	}

	return data
}

func checkFiles(t *testing.T, folder string) {
	platform := "linux-" + runtime.GOARCH
	want := []string{
		"apikey-operator-1.2.3-rc.1.tgz", "apikey-operator-" + platform + ".tar.gz", "apikey.yaml", "checksums.txt", "install.yaml",
		"kubectl-apikey-" + platform + ".cdx.json", "kubectl-apikey-" + platform + ".tar.gz",
		"manager-" + platform + ".cdx.json", "verifier-" + platform + ".cdx.json",
	}
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(sums(t, folder)))); diff != "" {
		t.Errorf("files of the release (-want +got):\n%s", diff)
	}
}

// checkChecksums lets sha256sum check the files, and expects that no file is left out.
func checkChecksums(t *testing.T, folder string) {
	check := exec.CommandContext(t.Context(), "sha256sum", "--check", "--strict", "checksums.txt")
	check.Dir = folder
	if out, err := check.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	lines := strings.Count(string(content(t, folder, "checksums.txt")), "\n")
	if files := len(sums(t, folder)); lines != files-1 {
		t.Errorf("checksums.txt has %d lines for %d files and itself", lines, files-1)
	}
}

// told is what each program of the release prints: the version and a commit without changes.
var told = regexp.MustCompile(`(?m)\b` + regexp.QuoteMeta(version) + ` \(commit [0-9a-f]{40}, go`)

// checkPrograms takes each program out of its archive, and expects that it is static, tells its version, and is the program of its SBOM.
func checkPrograms(t *testing.T, folder string) {
	platform := "linux-" + runtime.GOARCH
	for _, program := range []string{"manager", "verifier", "kubectl-apikey"} {
		archive := "apikey-operator"
		if program == "kubectl-apikey" {
			archive = program
		}
		into := t.TempDir()
		unpack := exec.CommandContext(t.Context(), "tar", "-xzf", filepath.Join(folder, archive+"-"+platform+".tar.gz"), "-C", into)
		if out, err := unpack.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", archive, err, out)
		}
		file := filepath.Join(into, program)
		binary, err := elf.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		if binary.Section(".interp") != nil {
			t.Errorf("%s is not static", program)
		}
		if err := binary.Close(); err != nil {
			t.Error(err)
		}
		out, err := exec.CommandContext(t.Context(), file, "--version").CombinedOutput()
		if err != nil || !told.Match(out) {
			t.Errorf("%s --version: %v, printed %q", program, err, out)
		}
		if license := content(t, into, "LICENSE"); !bytes.Contains(license, []byte("Apache License")) {
			t.Errorf("the archive of %s has no license", program)
		}
		checkSBOM(t, content(t, folder, program+"-"+platform+".cdx.json"), sums(t, into)[program])
	}
}

// checkImages expects that install.yaml runs the images of the release.
func checkImages(t *testing.T, folder string) {
	var images []string
	for line := range strings.Lines(string(content(t, folder, "install.yaml"))) {
		if _, image, found := strings.Cut(line, " image: "); found {
			images = append(images, strings.TrimSpace(image))
		}
	}
	const image = "ghcr.io/apikey-operator/apikey-operator:" + version
	if diff := cmp.Diff([]string{image, image}, images); diff != "" {
		t.Errorf("images of install.yaml (-want +got):\n%s", diff)
	}
}
