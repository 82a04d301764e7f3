# Copyright The apikey-operator Authors.
# SPDX-License-Identifier: Apache-2.0

# Everything works on a fresh clone with nothing but Go, make, git and bash. `make help` lists the targets.

SHELL := /usr/bin/env bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules --no-print-directory

# No program here needs C. Only the race detector does, and `make test` turns it on for that.
export CGO_ENABLED := 0

# Variables for the command line, such as `make image IMG=registry.example.com/apikey-operator:v1`.

# The image that `make image` builds and `make deploy` runs.
IMG ?= ghcr.io/apikey-operator/apikey-operator:dev
# The program that builds images: docker, podman or nerdctl.
CONTAINER_TOOL ?= docker
# How long `make fuzz` runs each fuzz target.
FUZZTIME ?= 15s
# The histories that `make simulate` runs, and the seed of the first.
SIMULATE_COUNT ?= 1000000
SIMULATE_FIRST ?= 0
# How long `make soak` lets everything fail, with how many keys. SOAK_SEED repeats a schedule; 0: another one each time.
SOAK_DURATION ?= 5m
SOAK_KEYS ?= 200
SOAK_SEED ?= 0
# The packages that `make test` tests, and the limit for each of them.
PKG ?= ./...
TEST_TIMEOUT ?= 20m
# 1: tests run with the race detector, which needs a C compiler. 0: they run without it.
# Unset: they run with it if there is a C compiler; a note says when there is none.
RACE ?=
# The steps of `make ci`, in order. `make ci CI_STEPS='lint verify'` runs some of them.
CI_STEPS ?= lint verify kube gateways axe test quickstart soak e2e-lab
# Where install-plugin puts `kubectl apikey`. Empty: the first writable folder of PATH, of those where people keep programs.
PLUGIN_DIR ?=
# The release that `make dist` and `make image` build, and the platforms of `make dist`: the operator and the verifier are for Linux alone.
VERSION ?= v0.0.0-dev
DIST_PLATFORMS ?= linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64
# The kubectl that install, uninstall, deploy and undeploy use. They act on the current context of your kubeconfig.
KUBECTL ?= $(or $(shell command -v kubectl),bin/k8s/kubectl)
BUILT_KUBECTL = $(filter bin/k8s/kubectl,$(KUBECTL))
# How long install, deploy and uninstall wait until the API server applies their changes.
AWAIT_LIMIT ?= 2m
AWAIT = bin/await --kubectl='$(KUBECTL)' --limit='$(AWAIT_LIMIT)'

CONTROLLER_GEN := bin/controller-gen
GOLANGCI_LINT := bin/golangci-lint-kube-api-linter
SETUP_ENVTEST := bin/setup-envtest
ACTIONLINT := bin/actionlint
GITLEAKS := bin/gitleaks
KUBE_STATE_METRICS := bin/kube-state-metrics
CRD_REF_DOCS := bin/crd-ref-docs
GOVULNCHECK := bin/govulncheck
BENCHSTAT := bin/benchstat
GOTESTSUM := bin/gotestsum
HELM := bin/charts/helm
HELM3 := bin/charts/helm3
KUBE_SCORE := bin/charts/kube-score
KUBECONFORM := bin/charts/kubeconform
CYCLONEDX_GOMOD := bin/cyclonedx-gomod

# `make test` and `make cover` fail if the tests cover less than this percentage of the statements of a pure package.
PURE := internal/access internal/guardrails internal/keys internal/lifecycle internal/policy
PURE_COVERAGE := 95

# Releases are built with -trimpath, by hack/dist and Dockerfile. Without it, packages compile once for programs, linters, tests and clusters.
GO_BUILD := go build -ldflags '-s -w'
# Tests and tools use the control plane in bin/k8s. `make kube` takes it from your KUBEBUILDER_ASSETS if that is set.
WITH_K8S := KUBEBUILDER_ASSETS='$(CURDIR)/bin/k8s'

##@ General

.PHONY: help
help: ## Show this list.
	@awk 'BEGIN { FS = ":.*## " } \
		/^##@ / { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z0-9-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: quickstart
quickstart: kube build bin/quickstart ## See a key live: a control plane, the operator, the verifier, an API and a tour. QUICKSTART_EXIT=1 ends it after the tour.
	@$(WITH_K8S) exec bin/quickstart

# Every step is a make of its own, which lets this one report how long it took. The soak repeats one schedule here, and draws others at night.
.PHONY: ci
ci: export CI := 1
ci: export QUICKSTART_EXIT := 1
ci: export SOAK_SEED := 6
ci: ## Run everything that has to pass before a change lands. CI_STEPS names the steps.
	@for step in $(CI_STEPS); do \
		echo "ci: $$step"; start=$$SECONDS; \
		$(MAKE) "$$step" || { echo "ci: $$step FAILED after $$((SECONDS - start)) s" >&2; exit 1; }; \
		echo "ci: $$step passed in $$((SECONDS - start)) s"; \
	done; echo "ci: all passed in $$SECONDS s"

.PHONY: clean
clean: ## Remove bin/ and the coverage profile. The Go caches stay.
	rm -rf bin cover.out

##@ Develop

.PHONY: generate
generate: $(CONTROLLER_GEN) ## Write the deep copies of the API types.
	$(CONTROLLER_GEN) object:headerFile=hack/boilerplate.go.txt paths=./api/...

.PHONY: manifests
manifests: $(CONTROLLER_GEN) $(CRD_REF_DOCS) ## Write the CRDs and the plugin's commands with their references, the rules for secret scanners, the operator's role, the guardrails and the chart from the code.
	$(CONTROLLER_GEN) crd rbac:roleName=manager-role \
		paths=./api/... paths=./internal/controller/... \
		output:crd:artifacts:config=config/crd/bases output:rbac:artifacts:config=config/rbac
	go run ./hack/policies config/policy
	go run ./hack/chart config
	go run ./hack/plugin cmd/kubectl-apikey/README.md config/secret-scanning
	$(CRD_REF_DOCS) --source-path=api/v1alpha1 --config=hack/reference/config.yaml --templates-dir=hack/reference \
		--renderer=markdown --output-path=api/v1alpha1/README.md --log-level=ERROR

.PHONY: session
session: kube ## Run the commands of the terminal session in README.md on a real control plane, and write what they print into it.
	$(WITH_K8S) go test ./internal/cli -run '^TestReadmeSession$$' -count 1 -timeout $(TEST_TIMEOUT) -args -update

.PHONY: lint
lint: $(GOLANGCI_LINT) $(ACTIONLINT) ## Check the code by the rules of .golangci.yml, and the workflows.
	$(GOLANGCI_LINT) run ./...
	$(ACTIONLINT)

.PHONY: lint-fix
lint-fix: $(GOLANGCI_LINT) ## Check the code and apply the corrections that linters offer.
	$(GOLANGCI_LINT) run --fix ./...

.PHONY: verify
verify: $(CONTROLLER_GEN) $(CRD_REF_DOCS) ## Fail if generated files, go.mod files or formatting are not up to date. Changes nothing.
	@hack/verify.sh

##@ Test

# Three packages at a time: each may have a control plane of its own, and each waits at times. More would starve one another.
# $(call go-test,PACKAGES) tests packages. gotestsum prints what go test prints, then the tests that were skipped and why, and those that failed.
# `make lint` vets: go test would do so for everything that is imported, too.
go-test = race="$$(RACE='$(RACE)' hack/race.sh)"; \
	set -x; $(WITH_K8S) CGO_ENABLED=$$(($${\#race} > 0)) $(GOTESTSUM) --format standard-quiet -- $$race -vet=off -p 3 \
		-timeout $(TEST_TIMEOUT) -covermode=atomic -coverprofile=cover.out $(1)

# The packages whose tests take the longest, in that order. They are tested first, so that none of them is left over at the end.
LONGEST := ./internal/controller ./internal/verifier ./internal/keyindex ./cmd ./hack/bench

# With the race detector, the tests named TestLengthy do a small part of their work: they decide or scan in one goroutine, or are random.
# $(call test-long) repeats them without it, and then they do all of it.
test-long = if [[ -n "$$(RACE='$(RACE)' hack/race.sh 2>/dev/null)" ]]; then set -x; \
	go test -vet=off -p 2 -timeout $(TEST_TIMEOUT) -run '^TestLengthy' $$(grep -rl --include='*_test.go' '^func TestLengthy' . | xargs -n 1 dirname | sort -u); fi

# Tests that import internal/testkit start a control plane, a gateway, a store or a secret scanner. All others need nothing but Go.
# $(call tested,CONDITION) prints the packages for which an awk condition on that import holds.
tested = $$(go list -f '{{.ImportPath}} {{join .TestImports " "}} {{join .XTestImports " "}}' ./... | awk '$(1)/\/internal\/testkit/ { print $$1 }')

.PHONY: test
test: kube charts build $(GOTESTSUM) $(GITLEAKS) $(KUBE_STATE_METRICS) $(CYCLONEDX_GOMOD) ## Run all tests on a real control plane, with the race detector; list the skipped ones, and report coverage.
	@$(call go-test,$(if $(filter ./...,$(PKG)),$(LONGEST)) $(PKG))
	@$(if $(filter ./...,$(PKG)),$(call test-long))
	@hack/cover.sh cover.out $(PURE_COVERAGE) $(if $(filter ./...,$(PKG)),$(PURE))

.PHONY: unit
unit: $(GOTESTSUM) ## Run the tests that need nothing but Go.
	@$(call go-test,$(call tested,!))

.PHONY: integration
integration: kube charts build $(GOTESTSUM) $(GITLEAKS) $(KUBE_STATE_METRICS) $(CYCLONEDX_GOMOD) ## Run the other tests: on a real control plane, with real gateways, stores and secret scanners.
	@$(call go-test,$(LONGEST) $(call tested))
	@$(call test-long)

.PHONY: e2e
e2e: kube $(HELM) ## Test installations on the kind cluster of your kubeconfig, which must be empty. E2E_FOCUS names some specs.
	@hack/e2e/run.sh kind

.PHONY: e2e-lab
e2e-lab: kube $(HELM) ## Start a cluster from CLUSTER_LAB_SOURCE, as root on Linux, run the same tests on it, and take it down.
	@hack/e2e/lab.sh

.PHONY: cover
cover: ## Test the pure packages alone, in seconds, and fail if they are covered to less than 95 %.
	@packages=(); \
	for package in $(PURE); do if compgen -G "$$package/*.go" >/dev/null; then packages+=("./$$package/..."); fi; done; \
	go test -short -covermode=atomic -coverprofile=cover.out "$${packages[@]}"
	@hack/cover.sh cover.out $(PURE_COVERAGE) $(PURE)

.PHONY: screenshots
screenshots: kube axe ## Write every view of `kubectl apikey ui`, light and dark, wide and 360 px, into screenshots/; needs Chromium.
	@CI=1 SCREENSHOTS='$(CURDIR)/screenshots' $(WITH_K8S) go test -count 1 -timeout $(TEST_TIMEOUT) ./internal/cli/ui/browser -run 'View|Away'
	@echo "screenshots: $$(ls screenshots | wc -l) files in screenshots/"

.PHONY: fuzz
fuzz: ## Run every fuzz target for FUZZTIME.
	@hack/fuzz.sh '$(FUZZTIME)'

.PHONY: simulate
simulate: ## Run SIMULATE_COUNT random histories of the operator in one process, with every fault, and check that no invariant breaks.
	@$(GO_BUILD) -o bin/simulate ./hack/simulate
	@exec bin/simulate -first '$(SIMULATE_FIRST)' -count '$(SIMULATE_COUNT)'

.PHONY: soak
soak: kube build bin/soak ## Run two operators and two verifiers for SOAK_DURATION while users churn SOAK_KEYS keys and everything fails; check every answer.
	@$(WITH_K8S) exec bin/soak --duration='$(SOAK_DURATION)' --keys='$(SOAK_KEYS)' --seed='$(SOAK_SEED)'

.PHONY: vulncheck
vulncheck: $(GOVULNCHECK) ## Report known vulnerabilities in code that the programs call. Asks vuln.go.dev.
	$(GOVULNCHECK) ./...

.PHONY: bench-mint
bench-mint: kube build bin/bench ## Measure minting against a raw loop of the same calls. BENCH_JSON=file writes the figures.
	@$(WITH_K8S) exec bin/bench mint

.PHONY: bench-core
bench-core: $(BENCHSTAT) ## Measure decisions with 1,000, 100,000 and 1,000,000 keys: medians, allocations, and ratios to the smallest.
	@mkdir -p bin && go test -run '^$$' -bench '^BenchmarkCore$$' -count 6 -timeout $(TEST_TIMEOUT) ./internal/keyindex | tee bin/bench-core.txt
	@$(BENCHSTAT) -col /keys bin/bench-core.txt

.PHONY: bench-verify
bench-verify: kube build bin/bench bench-core ## Measure decisions, and the verifier: gRPC, HTTP, memory, propagation. BENCH_JSON=file writes the figures of the verifier.
	@$(WITH_K8S) exec bin/bench verify

.PHONY: bench-gateway
bench-gateway: kube build bin/bench ## Measure gateways with 100,000 keys, over TLS, beside the same asking a server that always says yes; then with a store of limits. Traefik after `make gateways`.
	@$(WITH_K8S) exec bin/bench gateway
	@$(WITH_K8S) BENCH_JSON="$${BENCH_JSON:+$${BENCH_JSON%.json}-store.json}" exec bin/bench gateway --store

.PHONY: bench-scale
bench-scale: kube build bin/bench ## Measure 100,000 APIKeys: memory of operator and verifier, their starts, kubectl get, mints, revocations, etcd. About 10 minutes.
	@$(WITH_K8S) exec bin/bench scale

.PHONY: bench-leaked
bench-leaked: build bin/bench $(GITLEAKS) ## Measure `kubectl apikey leaked` beside grep -E and gitleaks on the same files. BENCH_JSON=file writes the figures.
	@exec bin/bench leaked

.PHONY: bench-outage
bench-outage: kube build bin/bench ## Measure how soon everything works after outages of the API server and the loss of the leader: about 15 minutes.
	@$(WITH_K8S) exec bin/bench outage

##@ Build

.PHONY: build
build: ## Build the operator into bin/manager, the verifier into bin/verifier, and the plugin into bin/kubectl-apikey.
	$(GO_BUILD) -o bin/manager ./cmd
	$(GO_BUILD) -o bin/verifier ./cmd/verifier
	$(GO_BUILD) -o bin/kubectl-apikey ./cmd/kubectl-apikey

# Always built, because only Go can tell whether they are up to date.
.PHONY: bin/quickstart bin/bench bin/await bin/soak
bin/quickstart bin/bench bin/await bin/soak:
	@$(GO_BUILD) -o $@ ./hack/$(@F)

.PHONY: install-plugin
install-plugin: ## Build `kubectl apikey` and put it and its completion into PLUGIN_DIR, or else into a folder of your PATH.
	$(GO_BUILD) -o bin/kubectl-apikey ./cmd/kubectl-apikey
	@hack/install-plugin.sh bin/kubectl-apikey '$(PLUGIN_DIR)'

.PHONY: dist
dist: bin/k8s/kubectl $(CYCLONEDX_GOMOD) ## Write the release VERSION into dist/: programs for DIST_PLATFORMS, SBOMs, install.yaml, Helm chart, krew manifest, checksums.
	@hack/dist/dist.sh '$(VERSION)' $(DIST_PLATFORMS)

.PHONY: kube
kube: ## Put etcd, kube-apiserver, kube-controller-manager and kubectl into bin/k8s.
	@hack/kube/build.sh

.PHONY: charts
charts: $(HELM) $(HELM3) $(KUBE_SCORE) $(KUBECONFORM) ## Build helm, helm 3, kube-score and kubeconform into bin/charts: `make test` tests the chart if they are there.

.PHONY: gateways
gateways: ## Build Traefik into bin/gateways: `make test` tests its sample if it is there.
	@hack/gateways/build.sh

.PHONY: axe
axe: ## Put axe-core, which the browser tests run on every view, into bin/axe; needs npm.
	@hack/axe/build.sh

.PHONY: image
image: ## Build the image IMG with CONTAINER_TOOL.
	$(CONTAINER_TOOL) build --build-arg VERSION='$(VERSION)' --build-arg COMMIT="$$(git rev-parse HEAD 2>/dev/null || true)" -t '$(IMG)' .

##@ Deploy to the current context of your kubeconfig

.PHONY: install
install: $(BUILT_KUBECTL) bin/await ## Install the CRDs alone, for development: nothing guards APIKeys until `make deploy`.
	$(KUBECTL) apply --server-side -k config/crd
	@$(AWAIT) crds

# The guardrails are deleted first. Without the CRD of APIKeyPolicy they would refuse every change of an APIKey, including the removal
# of a finalizer that blocks its deletion.
.PHONY: uninstall
uninstall: $(BUILT_KUBECTL) bin/await ## Remove the guardrails and the CRDs, and with them every APIKey and its Secret.
	$(KUBECTL) delete validatingadmissionpolicybindings,validatingadmissionpolicies -l apikey-operator.io/guardrail
	@$(AWAIT) removal
	$(KUBECTL) delete --ignore-not-found -k config/crd

# The CRD of APIKeyPolicy is applied first. A policy refuses everything while the API server does not know the kind of its
# parameters, and the API server looks for new kinds only every 30 seconds.
.PHONY: deploy
deploy: $(BUILT_KUBECTL) bin/await ## Install the guardrails and the CRDs, and run the operator and the verifier from the image IMG.
	$(KUBECTL) apply --server-side -f config/crd/bases/apikey-operator.io_apikeypolicies.yaml
	$(KUBECTL) wait --for=condition=Established --timeout='$(AWAIT_LIMIT)' crd/apikeypolicies.apikey-operator.io
	$(KUBECTL) kustomize config/default | \
		sed 's|^\( *image: \)ghcr.io/apikey-operator/apikey-operator:.*|\1$(IMG)|' | \
		$(KUBECTL) apply --server-side -f -
	@$(AWAIT) guardrails

# undeploy keeps the CRDs, because deleting them deletes every key of the cluster; the guardrails, because without them anyone could
# create APIKeys with any permission, which the operator would mint on its return; the namespace, because the certificate is in it; and
# the Service that gateways ask, because another one has another address.
.PHONY: undeploy
undeploy: $(BUILT_KUBECTL) ## Remove the operator and the verifier. CRDs, guardrails, APIKeys, Secrets, namespace and Service stay; nothing is minted.
	$(KUBECTL) delete --ignore-not-found -k config/default -l 'apikey-operator.io/undeploy!=keep'

bin/k8s/kubectl:
	@hack/kube/build.sh

# Tools, built from the versions in hack/tools/go.mod

$(ACTIONLINT): hack/actionlint/go.mod hack/actionlint/go.sum
	$(call build-tool,$@,github.com/rhysd/actionlint/cmd/actionlint)

$(KUBE_STATE_METRICS): hack/kube-state-metrics/go.mod hack/kube-state-metrics/go.sum
	$(call build-tool,$@,k8s.io/kube-state-metrics/v2)

$(GITLEAKS): hack/gitleaks/go.mod hack/gitleaks/go.sum
	$(call build-tool,$@,github.com/zricethezav/gitleaks/v8)

# Helm needs more modules than all other tools, and kube-score older ones.
$(HELM): hack/helm/go.mod hack/helm/go.sum
	$(call build-tool,$@,helm.sh/helm/v4/cmd/helm)

$(HELM3): hack/helm3/go.mod hack/helm3/go.sum
	$(call build-tool,$@,helm.sh/helm/v3/cmd/helm)

$(KUBECONFORM): hack/kubeconform/go.mod hack/kubeconform/go.sum
	$(call build-tool,$@,github.com/yannh/kubeconform/cmd/kubeconform)

$(KUBE_SCORE): hack/kube-score/go.mod hack/kube-score/go.sum
	$(call build-tool,$@,github.com/zegl/kube-score/cmd/kube-score)

$(CYCLONEDX_GOMOD): hack/sbom/go.mod hack/sbom/go.sum
	$(call build-tool,$@,github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod)

$(CRD_REF_DOCS): hack/tools/go.mod hack/tools/go.sum
	$(call build-tool,$@,github.com/elastic/crd-ref-docs)

$(GOVULNCHECK): hack/tools/go.mod hack/tools/go.sum
	$(call build-tool,$@,golang.org/x/vuln/cmd/govulncheck)

$(CONTROLLER_GEN): hack/tools/go.mod hack/tools/go.sum
	$(call build-tool,$@,sigs.k8s.io/controller-tools/cmd/controller-gen)

# hack/kube/build.sh asks for it when bin/k8s is not complete.
$(SETUP_ENVTEST): hack/tools/go.mod hack/tools/go.sum
	$(call build-tool,$@,sigs.k8s.io/controller-runtime/tools/setup-envtest)

$(BENCHSTAT): hack/tools/go.mod hack/tools/go.sum
	$(call build-tool,$@,golang.org/x/perf/cmd/benchstat)

$(GOTESTSUM): hack/tools/go.mod hack/tools/go.sum
	$(call build-tool,$@,gotest.tools/gotestsum)

$(GOLANGCI_LINT): hack/tools/go.mod hack/tools/go.sum
	$(call build-tool,$@,sigs.k8s.io/kube-api-linter/cmd/golangci-lint-kube-api-linter, (golangci-lint with kube-api-linter: about 4 minutes on 2 cores the first time))

# $(call build-tool,FILE,PACKAGE[,NOTE]) builds a tool in the folder of the go.mod that the FILE depends on.
define build-tool
@echo 'building $(notdir $(1))$(3)'
@start=$$SECONDS; (cd '$(<D)' && $(GO_BUILD) -o '$(CURDIR)/$(1)' '$(2)'); echo "built $(notdir $(1)) in $$((SECONDS - start)) s"
endef
