# Everything a developer runs. `make help` lists it.

SHELL := /usr/bin/env bash -o pipefail
.DEFAULT_GOAL := help

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo development)
OUT ?= demo
FUZZTIME ?= 60s
BENCHTIME ?= 3x
AUDITS ?= 1000

# Each tool has a module of its own, so that its dependencies never meet the product's.
tool = go tool -modfile=hack/tools/$(1)/go.mod $(2)

# Before a command that needs etcd, kube-apiserver and kube-controller-manager: built once into the user's cache, about ten minutes.
with_control_plane = assets="$$(hack/cluster/control-plane.sh)" && KUBEBUILDER_ASSETS="$$assets"

# Before a command that runs a model: ONNX Runtime's shared library, fetched once into the user's cache.
with_runtime = library="$$(hack/onnxruntime.sh)" && ONNXRUNTIME_LIB="$$library"
# Before tests of object storage: an S3 server, built once into the user's cache.
with_s3 = server="$$(hack/s3server.sh)" && VERSITYGW="$$server"

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# Stripped, and with what names this version. The runner is the only one with cgo.
go_build = go build -trimpath -ldflags '-s -w -X main.version=$(VERSION)'

.PHONY: build
build: runner ## Build bin/runner, bin/manager and the kubectl plugin, and fetch ONNX Runtime
	CGO_ENABLED=0 $(go_build) -o bin/manager .
	CGO_ENABLED=0 $(go_build) -o bin/kubectl-dataset_audit ./plugin

.PHONY: runner
runner: ## Build bin/runner alone, and fetch ONNX Runtime into the user's cache, where it finds it
	@hack/onnxruntime.sh >/dev/null
	$(go_build) -tags nodynamic -o bin/runner ./runner

.PHONY: demo
demo: runner ## Generate a dataset with planted duplicates, audit it, show what was found
	@go run ./hack/demo -out $(OUT)
	@bin/runner audit -f $(OUT)/audit.yaml --dataset $(OUT)/images --model $(OUT)/model.onnx --out $(OUT)/out
	@printf '\nWhat was planted, and what the audit found of it:\n\n'
	@go run ./hack/demo -evaluate $(OUT) -out $(OUT)/out
	@printf '\nOpen %s in a browser.\n' '$(OUT)/out/report.html'

.PHONY: test
test: chart-test ## Run all tests, those of the controllers against a real control plane
	$(with_control_plane) && export KUBEBUILDER_ASSETS && $(with_s3) && export VERSITYGW && $(with_runtime) go test -timeout 20m -parallel 8 ./...

.PHONY: test-fast
test-fast: ## Run the tests that need neither a control plane nor a cluster
	$(with_s3) && export VERSITYGW && $(with_runtime) go test -timeout 20m $$(go list ./... | grep -v /controllers)

.PHONY: chart-test
chart-test: ## Lint the Helm chart and run its unit tests
	$(call tool,helm,helm) lint --strict --quiet charts/dataset-audit
	$(call tool,helm-unittest,helm-unittest) --strict charts/dataset-audit

.PHONY: e2e
e2e: ## Run the end-to-end tests in a real cluster: that of KUBECONFIG (with REGISTRY), else one made on this machine, as root
	test/e2e/run.sh -parallel 3

.PHONY: demo-cluster
demo-cluster: ## Bring up a cluster on this machine, install the operator, audit the demo in it: as root on Linux
	hack/cluster/demo.sh

.PHONY: cluster-up cluster-down cluster-status
cluster-up: ## Bring up a Kubernetes of two nodes on this machine, without Docker: as root on Linux
	@hack/cluster/cluster.sh up
cluster-down: ## Remove it, and all that it left
	@hack/cluster/cluster.sh down
cluster-status: ## Say what of it runs
	@hack/cluster/cluster.sh status

.PHONY: images
images: ## Build the images of the manager and the runner with buildah; REGISTRY=host/path pushes them
	@hack/images/build.sh

.PHONY: plugin
plugin: ## Pack the kubectl plugin for each platform into dist/plugin, with a manifest for krew
	@hack/plugin.sh

.PHONY: release
release: ## Make the files of a release, VERSION=v1.2.3, in dist/release; tags and uploads nothing
	@hack/release.sh $(VERSION)

.PHONY: control-plane
control-plane: ## Build etcd, kube-apiserver and kube-controller-manager once, and say where they are
	@hack/cluster/control-plane.sh

.PHONY: verify
verify: generate lint ## Regenerate and lint, then fail if a file differs from what is committed
	@git diff --exit-code || { echo 'Generated files differ: commit what `make generate` writes.' >&2; exit 1; }
	@test -z "$$(git ls-files --others --exclude-standard -- api config charts docs)" || { echo 'Generated files are not committed:' >&2; git ls-files --others --exclude-standard -- api config charts docs >&2; exit 1; }

.PHONY: generate
generate: ## Regenerate deepcopy functions, the CRD, the manager's role and docs/api.md
	$(call tool,controller-gen,controller-gen) object crd paths=./api/... output:crd:dir=config/crd/bases
	$(call tool,controller-gen,controller-gen) rbac:roleName=dataset-audit-manager paths=./controllers output:rbac:dir=config/rbac
	@mkdir -p charts/dataset-audit/files
	$(call tool,controller-gen,controller-gen) rbac:roleName=dataset-audit-gate,fileName=role.yaml paths=./controllers/gate output:rbac:dir=config/gate
	$(call tool,controller-gen,controller-gen) rbac:roleName=dataset-audit-verdicts,fileName=role.yaml paths=./controllers/verdicts output:rbac:dir=config/governance/operator
	$(call tool,controller-gen,controller-gen) rbac:roleName=dataset-audit-reports,fileName=role.yaml paths=./controllers/reports output:rbac:dir=config/reports
	for kind in datasetaudits auditrecords datasetgates datasetauditpolicies datasetverdicts; do cp config/crd/bases/datasetaudit.io_$$kind.yaml charts/dataset-audit/files/crd-$$kind.yaml; done
	cp config/rbac/{role,leader_election_role,metrics_auth_role,metrics_reader_role,datasetaudit_viewer_role,datasetaudit_editor_role}.yaml config/prometheus/{rules.yaml,dashboard.json} charts/dataset-audit/files/
	cp config/gate/role.yaml charts/dataset-audit/files/gate_role.yaml
	cp config/governance/operator/role.yaml charts/dataset-audit/files/verdicts_role.yaml
	cp config/reports/role.yaml charts/dataset-audit/files/reports_role.yaml
	$(call tool,crd-ref-docs,crd-ref-docs) --config hack/tools/crd-ref-docs/config.yaml --templates-dir hack/tools/crd-ref-docs/templates \
	  --source-path api/v1alpha1 --renderer markdown --max-depth 20 --log-level ERROR --output-path docs/api.md

.PHONY: lint
lint: ## Run the linters
	$(call tool,golangci-lint,golangci-lint-kube-api-linter) run --build-tags e2e ./...
	hack/words.sh
	go -C hack/cluster vet . && go -C hack/cluster/dns vet .

.PHONY: fuzz
fuzz: ## Run every fuzz target for FUZZTIME (60s)
	@grep -rlE '^func Fuzz' --include=*_test.go . | sort | while read -r file; do \
	  grep -oE '^func Fuzz[A-Za-z]+' $$file | cut -d' ' -f2 | while read -r target; do \
	    echo "$$(dirname $$file) $$target"; \
	    $(with_runtime) go test $$(dirname $$file) -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 1x || exit 1; \
	  done || exit 1; \
	done

.PHONY: bench
bench: ## Run the benchmarks: ratios measured in one run
	$(with_runtime) go test -run '^$$' -bench . -benchtime $(BENCHTIME) -timeout 60m ./runner ./internal/embed ./internal/neighbors
	go test -run '^$$' -bench 'Gallery|SmallObjects|Memory' -benchtime 1x -timeout 60m ./internal/report ./internal/dataset ./internal/duplicates
	$(with_runtime) go test -run '^$$' -bench . ./internal/images

.PHONY: bench-truth
bench-truth: runner ## Plant edited copies among real images (IMAGES, MODELS; else generated ones), count what each method finds of them
	@$(with_runtime) hack/truth/bench.sh

.PHONY: bench-controller
bench-controller: ## Run the controller with AUDITS (1000) audits: writes an audit, time to the Job, memory
	$(with_control_plane) AUDITS=$(AUDITS) go test -run '^$$' -bench "BenchmarkAudits|BenchmarkPolicy" -benchtime 1x -timeout 60m ./controllers

.PHONY: install
install: ## Install the operator in the cluster of the current kubeconfig
	kubectl apply --server-side -k config/default

.PHONY: clean
clean: ## Remove what was built and generated here
	rm -rf bin $(OUT)
