#!/usr/bin/env bash
# Makes the files of a release in dist/release, and says what is left to do. It tags and uploads nothing.
#
#   hack/release.sh v0.2.0
#
#   REGISTRY  where the images are pushed to (host/path); without it they are built and stay here
#   ARCHES    for which architectures (default: amd64 arm64)
#   URL       where the plugin's archives will be downloaded from
set -euo pipefail
cd "$(dirname "$0")/.."

version=${1:-}
die() { echo "release.sh: $1" >&2; exit 1; }

[[ $version =~ ^v[0-9]+\.[0-9]+\.[0-9]+(-[a-z0-9.]+)?$ ]] || die "name a version such as v0.2.0"
number=${version#v}
[ -z "$(git status --porcelain)" ] || die "the working tree has changes: commit them first"
if git rev-parse -q --verify "refs/tags/$version" >/dev/null; then die "the tag $version is there already"; fi
for field in version appVersion; do
  grep -qx "$field: $number" charts/dataset-audit/Chart.yaml || die "charts/dataset-audit/Chart.yaml: $field is not $number"
done
notes=$(awk -v title="## $version" '$0 == title {found = 1; next} /^## / {found = 0} found' CHANGELOG.md)
[ -n "$notes" ] || die "CHANGELOG.md has no section '## $version': rename 'Unreleased'"
make verify >/dev/null || die "make verify fails"

out=dist/release
rm -rf "$out"
mkdir -p "$out"
echo "$notes" > "$out/notes.md"
export VERSION=$version ARCHES=${ARCHES:-amd64 arm64}
hack/images/build.sh > "$out/images.txt"
hack/plugin.sh >/dev/null
cp dist/plugin/*.tar.gz dist/plugin/*.yaml "$out"
go tool -modfile=hack/tools/helm/go.mod helm package charts/dataset-audit --destination "$out" >/dev/null
(cd "$out" && sha256sum -- * > SHA256SUMS)

cat <<TEXT
In $out:
$(ls "$out")

Images:
$(cat "$out/images.txt")

What is left:
  .ci/run and make e2e pass at this commit
  git tag -s $version -m $version && git push origin $version
  upload the files of $out with notes.md as the text
TEXT
