#!/usr/bin/env bash
# Makes a release: pushes the images and the chart, and leaves the files in dist/release. It tags and uploads nothing.
#
#   hack/release.sh v0.2.0     of this commit, after looking whether it may be one
#   hack/release.sh snapshot   what a release of this commit would be, for this machine's architecture alone: for tests
#
#   REGISTRY           where images and chart are pushed to (host/path); they are named in the chart and in install.yaml
#   REGISTRY_INSECURE  http: the registry speaks HTTP; anything else: it has a certificate that nobody knows
#   ARCHES             for which architectures (default: amd64 arm64)
#   URL                where the plugin's archives will be downloaded from
set -euo pipefail
cd "$(dirname "$0")/.."

die() { echo "release.sh: $1" >&2; exit 1; }
helm() { go tool -modfile=hack/tools/helm/go.mod helm "$@"; }

version=${1:-}
registry=${REGISTRY:-}
out=dist/release
[ -n "$registry" ] || die "REGISTRY names no registry, such as registry.example/dataset-audit"
export ARCHES
unset ONNXRUNTIME_LIB RUNNER_BASE PLATFORMS # a release is of what the scripts fetch, for every architecture

if [ "$version" = snapshot ]; then
  ARCHES=$(go env GOARCH)
  number="0.0.0-$(git log -1 --format=%ct)-g$(git rev-parse --short=12 HEAD)"
  [ -z "$(git status --porcelain)" ] || number+=-dirty
  version=v$number
  export PLATFORMS="linux/$ARCHES"
  notes="What is not released yet."
else
  ARCHES=${ARCHES:-amd64 arm64}
  [[ $version =~ ^v[0-9]+\.[0-9]+\.[0-9]+(-[a-z0-9.]+)?$ ]] || die "name a version such as v0.2.0"
  number=${version#v}
  [ -z "$(git status --porcelain)" ] || die "the working tree has changes: commit them first"
  if git rev-parse -q --verify "refs/tags/$version" >/dev/null; then die "the tag $version is there already"; fi
  if git ls-remote --exit-code --tags origin "refs/tags/$version" >/dev/null 2>&1; then die "origin has the tag $version already"; fi
  for field in version appVersion; do
    grep -qx "$field: $number" charts/dataset-audit/Chart.yaml || die "charts/dataset-audit/Chart.yaml: $field is not $number"
  done
  notes=$(awk -v title="## $version" '$0 == title {found = 1; next} /^## / {found = 0} found' CHANGELOG.md)
  [ -n "$notes" ] || die "CHANGELOG.md has no section '## $version': rename 'Unreleased'"
  make verify >/dev/null || die "make verify fails"
fi

rm -rf "$out"
mkdir -p "$out"
export VERSION=$version
hack/images/build.sh > "$out/images.txt"
{ read -r manager; read -r runner; } < "$out/images.txt"

# The runner for the command line, with the library beside it, where it looks first.
for arch in $ARCHES; do
  folder="$out/dataset-audit-runner-linux-$arch"
  mkdir "$folder"
  cp "dist/$arch/runner" "dist/$arch/libonnxruntime.so.1" config/samples/demo.yaml LICENSE hack/images/NOTICE README.md CHANGELOG.md "$folder"
  hack/pack.sh "$folder"
  for program in manager runner; do cp "dist/$arch/$program.cdx.json" "$out/$program-linux-$arch.cdx.json"; done
done

hack/plugin.sh >/dev/null
cp dist/plugin/*.tar.gz dist/plugin/*.yaml dist/plugin/*.cdx.json "$out"

# The chart names the images, and so does install.yaml.
staging=$(mktemp -d)
trap 'rm -rf "$staging"' EXIT
cp -r charts/dataset-audit config "$staging"
awk -v manager="$manager" -v runner="$runner" '
  BEGIN {split(manager, m, "@"); split(runner, r, "@"); name["image"] = m[1]; digest["image"] = m[2]; name["runner"] = r[1]; digest["runner"] = r[2]}
  /^[a-zA-Z]+:/ {block = $1; sub(":", "", block)}
  (block in name) && /^  repository:/ {$0 = "  repository: " name[block]}
  (block in name) && /^  digest:/ {$0 = "  digest: " digest[block]}
  {print}' charts/dataset-audit/values.yaml > "$staging/dataset-audit/values.yaml"
helm package "$staging/dataset-audit" --version "$number" --app-version "$number" --destination "$out" >/dev/null
echo "oci://$registry/charts/dataset-audit --version $number" > "$out/chart.txt"

cat > "$staging/kustomization.yaml" <<YAML
resources: [config/default]
images:
- {name: registry.invalid/dataset-audit/manager, newName: ${manager%@*}, digest: ${manager#*@}}
patches:
- target: {kind: Deployment, name: dataset-audit-manager}
  patch: |
    - {op: replace, path: /spec/template/spec/containers/0/env/0/value, value: "$runner"}
    - {op: replace, path: /spec/template/spec/containers/0/env/1/value, value: ""}
YAML
go tool -modfile=hack/tools/kustomize/go.mod kustomize build "$staging" > "$out/install.yaml"
if grep -q 'registry\.invalid' "$out/install.yaml"; then die "install.yaml still names a placeholder"; fi

echo "$notes" > "$out/notes.md"
(cd "$out" && sha256sum -- * > SHA256SUMS)

# The chart is pushed last: where it is, all else is.
case ${REGISTRY_INSECURE:-} in
  '') tls=() ;;
  http) tls=(--plain-http) ;;
  *) tls=(--insecure-skip-tls-verify) ;;
esac
helm push "${tls[@]}" "$out/dataset-audit-$number.tgz" "oci://$registry/charts" > "$staging/push" 2>&1 || die "$(cat "$staging/push")"

cat <<TEXT
In $out:
$(ls "$out")

Images:
$(cat "$out/images.txt")

Install it:
  helm install dataset-audit $(cat "$out/chart.txt") --namespace dataset-audit-system --create-namespace
  kubectl apply --server-side -f $out/install.yaml

What is left:
  .ci/run passes at this commit
  git tag -s $version -m $version && git push origin $version
  upload the files of $out with notes.md as the text
TEXT
