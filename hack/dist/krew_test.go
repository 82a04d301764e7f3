// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package dist_test

import (
	"path"
	"runtime"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

// checkKrew expects that the manifest for krew names the archives of the release.
func checkKrew(t *testing.T, folder string) {
	var plugin struct {
		Kind string
		Spec struct {
			Version   string
			Platforms []struct {
				Selector struct{ MatchLabels map[string]string }
				URI      string
				Sha256   string
				Bin      string
				Files    []struct{ From, To string }
			}
		}
	}
	if err := yaml.Unmarshal(content(t, folder, "apikey.yaml"), &plugin); err != nil {
		t.Fatal(err)
	}
	if plugin.Kind != "Plugin" || plugin.Spec.Version != version || len(plugin.Spec.Platforms) != 1 {
		t.Fatalf("apikey.yaml is %+v", plugin)
	}
	platform := plugin.Spec.Platforms[0]
	archive := path.Base(platform.URI)
	if platform.URI != "https://github.com/apikey-operator/apikey-operator/releases/download/"+version+"/"+archive {
		t.Errorf("the address is %s", platform.URI)
	}
	if sum := sums(t, folder)[archive]; sum != platform.Sha256 {
		t.Errorf("the checksum of %s is %q, and apikey.yaml has %q", archive, sum, platform.Sha256)
	}
	want := map[string]string{"os": "linux", "arch": runtime.GOARCH}
	if !cmp.Equal(want, platform.Selector.MatchLabels) || platform.Bin != "kubectl-apikey" {
		t.Errorf("the platform is %+v", platform)
	}
}
