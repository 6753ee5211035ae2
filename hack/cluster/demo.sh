#!/usr/bin/env bash
# Shows the operator at work: a cluster on this machine, the operator by its chart, and an audit of the demo's dataset until it is Ready.
# As root on Linux; `make cluster-down` removes it again.
set -euo pipefail
cd "$(dirname "$0")/../.."

title() { printf '\n\033[1m%s\033[0m\n' "$*"; }
shown() { printf '\n$ %s\n' "$*"; "$@"; }

title 'A Kubernetes on this machine'
hack/cluster/cluster.sh up
export KUBECONFIG="${CLUSTER_FOLDER:-/var/tmp/dataset-audit-cluster}/kubeconfig"
programs=$(hack/cluster/programs.sh kubectl)
mkdir -p bin
go build -modfile=hack/tools/helm/go.mod -o bin/helm helm.sh/helm/v4/cmd/helm
export PATH="$programs:$PWD/bin:$PATH"

title 'The images of this checkout, and the operator by its chart'
images=$(REGISTRY_INSECURE=http REGISTRY=10.255.77.1:5000/dataset-audit hack/images/build.sh)
{ read -r manager; read -r runner; } <<< "$images"
shown helm upgrade --install dataset-audit charts/dataset-audit --namespace dataset-audit-system --create-namespace --wait \
  --set "image.repository=${manager%@*},image.digest=${manager#*@},runner.repository=${runner%@*},runner.digest=${runner#*@}"

title 'A dataset with planted duplicates, as a volume'
demo="$PWD/demo"
go run ./hack/demo -out "$demo"
chmod -R a+rX "$demo"
kubectl create namespace demo --dry-run=client -o yaml | kubectl apply -f -
kubectl label namespace demo pod-security.kubernetes.io/enforce=restricted --overwrite >/dev/null
kubectl apply -f - <<YAML
apiVersion: v1
kind: PersistentVolume
metadata: {name: demo}
spec:
  storageClassName: ""
  capacity: {storage: 1Gi}
  accessModes: [ReadOnlyMany]
  local: {path: "$demo"}
  nodeAffinity: {required: {nodeSelectorTerms: [{matchExpressions: [{key: kubernetes.io/os, operator: In, values: [linux]}]}]}}
  claimRef: {namespace: demo, name: demo}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: demo, namespace: demo}
spec:
  storageClassName: ""
  volumeName: demo
  accessModes: [ReadOnlyMany]
  resources: {requests: {storage: 1Gi}}
YAML

title 'The audit'
shown kubectl apply --namespace demo --filename "$demo/audit.yaml"
printf '\n$ kubectl get datasetaudits --namespace demo --watch\n'
kubectl get datasetaudits --namespace demo --watch &
watch=$!
trap 'kill $watch 2>/dev/null || true' EXIT # it has ended by then, unless something failed
kubectl wait --namespace demo --for=condition=Ready --timeout=5m datasetaudit/demo >/dev/null
sleep 1
kill $watch

title 'What it found'
shown kubectl get datasetaudit demo --namespace demo --output jsonpath='{range .status.conditions[*]}{.type}={.status} ({.reason}): {.message}{"\n"}{end}'
printf '\nexport KUBECONFIG=%s\n' "$KUBECONFIG"
