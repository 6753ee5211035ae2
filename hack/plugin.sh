#!/usr/bin/env bash
# Packs the kubectl plugin for each platform into dist/plugin, beside the manifest by which krew installs it.
#
#   VERSION    of the release (default: git describe)
#   URL        where the archives will be downloaded from
#   PLATFORMS  for which platforms (default: all that people have)
set -euo pipefail
cd "$(dirname "$0")/.."

version=${VERSION:-$(git describe --tags --always --dirty)}
url=${URL:-https://github.com/datasetaudit/dataset-audit/releases/download/$version}
platforms=${PLATFORMS:-linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64}
out=dist/plugin
rm -rf "$out"
mkdir -p "$out"

cat > "$out/dataset-audit.yaml" <<YAML
apiVersion: krew.googlecontainertools.github.com/v1alpha2
kind: Plugin
metadata:
  name: dataset-audit
spec:
  version: $version
  homepage: https://github.com/datasetaudit/dataset-audit
  shortDescription: See what audits of datasets found, and run them
  description: |
    Lists the DatasetAudits of a cluster with the near duplicates that they found, describes one with its policy's outcome, saves and
    opens its report, requests a run and waits for it. Needs the operator dataset-audit in the cluster.
  platforms:
YAML
for platform in $platforms; do
  os=${platform%/*} arch=${platform#*/} program=kubectl-dataset_audit
  [ "$os" = windows ] && program=$program.exe
  folder="$out/dataset-audit-$os-$arch"
  mkdir "$folder"
  CGO_ENABLED=0 GOOS=$os GOARCH=$arch go build -trimpath -ldflags "-s -w -X main.version=$version" -o "$folder/$program" ./plugin
  cp LICENSE plugin/kubectl_complete-dataset_audit "$folder"
  go tool -modfile=hack/tools/cyclonedx/go.mod cyclonedx-gomod bin -json -noserial -notimestamp -version "$version" \
    -output "$out/kubectl-dataset_audit-$os-$arch.cdx.json" "$folder/$program" 2>/dev/null
  hack/pack.sh "$folder"
  archive="dataset-audit-$os-$arch.tar.gz"
  cat >> "$out/dataset-audit.yaml" <<YAML
  - selector: {matchLabels: {os: $os, arch: $arch}}
    uri: $url/$archive
    sha256: $(sha256sum "$out/$archive" | cut -d' ' -f1)
    bin: $program
YAML
done
ls -l "$out"
