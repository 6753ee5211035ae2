#!/usr/bin/env bash
# Runs the end-to-end tests: the images of this checkout, installed by the chart, in a real cluster.
#
#   KUBECONFIG  a cluster of your own; without it one is made on this machine, as root on Linux
#   REGISTRY    with KUBECONFIG: where its nodes and this machine reach a registry, as host:port/path; with
#               REGISTRY_INSECURE=http, it speaks HTTP, with tls nobody knows its certificate
#   KEEP        not empty: leave the cluster as the tests left it
#
# Arguments go to `go test`, such as -run TestCars.
set -euo pipefail
cd "$(dirname "$0")/../.."

skip() { echo "SKIPPED: the end-to-end tests: $*" >&2; exit 0; }

if [ -n "${KUBECONFIG:-}" ]; then
  [ -n "${REGISTRY:-}" ] || skip "KUBECONFIG names a cluster, but REGISTRY no registry for the images"
else
  [ "$(uname -s)" = Linux ] && [ "$(id -u)" = 0 ] || skip "they make a cluster of namespaces, which needs Linux and root"
  unshare --mount --net --pid --fork true 2>/dev/null || skip "this machine allows no new namespaces"
  # A cluster that somebody runs here stays.
  if ! hack/cluster/cluster.sh status >/dev/null 2>&1 && [ -z "${KEEP:-}" ]; then
    trap 'hack/cluster/cluster.sh down' EXIT
  fi
  hack/cluster/cluster.sh up
  export KUBECONFIG="${CLUSTER_FOLDER:-/var/tmp/dataset-audit-cluster}/kubeconfig" REGISTRY=10.255.77.1:5000/dataset-audit
  REGISTRY_INSECURE=http
  export E2E_CLUSTER="$PWD/hack/cluster/cluster.sh"
fi

programs=$(hack/cluster/programs.sh kubectl)
library=$(hack/onnxruntime.sh)
export REGISTRY REGISTRY_INSECURE
hack/release.sh snapshot >&2
images=$(cat dist/release/images.txt)
read -r chart _ version < dist/release/chart.txt
again=$(ARCHES=$(go env GOARCH) VERSION="v$version" hack/images/build.sh)
[ "$again" = "$images" ] || { echo "run.sh: two builds of a commit are different images" >&2; exit 1; }
{ read -r _; read -r runner; } <<< "$images"
images=$(test/e2e/images.sh)
{ read -r pod; read -r kueue; read -r demo; } <<< "$images"
mkdir -p bin
go build -trimpath -tags nodynamic -o bin/runner ./runner # what the pods find is held against what this one finds
CGO_ENABLED=0 go build -trimpath -o bin/kubectl-dataset_audit ./plugin
go build -modfile=hack/tools/helm/go.mod -o bin/helm helm.sh/helm/v4/cmd/helm
module=$(go list -m -f '{{.Dir}}' sigs.k8s.io/kueue)
jobset=$(sed -n 's/^\t\(sigs.k8s.io\/jobset\) \(v[^ ]*\).*/\1@\2/p' "$module/go.mod") # the one that Kueue knows
jobset=$(cd / && GOFLAGS=-mod=mod go mod download -json "$jobset" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
go tool -modfile=hack/tools/kustomize/go.mod kustomize build "$(hack/kueue.sh)/config/default" > dist/kueue.yaml

export E2E_CHART="$chart" E2E_VERSION="$version" E2E_RELEASE="$PWD/dist/release" E2E_RUNNER_IMAGE="$runner" E2E_POD_IMAGE="$pod" E2E_KUEUE_IMAGE="$kueue" E2E_DEMO_IMAGE="$demo" E2E_KUEUE_MANIFEST="$PWD/dist/kueue.yaml"
export E2E_JOBSET_CRD="$jobset/config/components/crd/bases/jobset.x-k8s.io_jobsets.yaml"
export PATH="$programs:$PWD/bin:$PATH" ONNXRUNTIME_LIB="$library"
go test -tags e2e -count 1 -timeout 60m -v "$@" ./test/e2e
