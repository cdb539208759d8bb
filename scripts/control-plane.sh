#!/usr/bin/env bash
# etcd and Kubernetes' API server, controller manager and scheduler, built from their published Go modules into .venv/tools, where
# the tests of tests/cluster look. Needs Go and about 6 GB while it builds; ten minutes on two cores, and nothing where all
# is there already.
set -euo pipefail
cd "$(dirname "$0")/.."
target=$PWD/${1:-.venv/tools/control-plane}
cd tests/cluster/tools
# Another list of modules is another build.
mark=$target/.$(cat go.mod go.sum | sha256sum | cut -c 1-16)
[ ! -e "$mark" ] || exit 0
command -v go >/dev/null || { echo "Go ($(grep '^go ' go.mod)) is needed to build a control plane." >&2; exit 1; }

# Gigabytes that nobody needs again: kept only until all is built, so that a build that was stopped goes on.
work=$target/.build
mkdir -p "$work"
export CGO_ENABLED=0 GOCACHE=$work/cache
version=$(go list -m -f '{{.Version}}' k8s.io/kubernetes)
flags="-s -w -X k8s.io/component-base/version.gitVersion=$version"
go build -mod=readonly -trimpath -ldflags "-s -w" -o "$work/etcd" go.etcd.io/etcd/server/v3
go build -mod=readonly -trimpath -ldflags "$flags" -o "$work/" k8s.io/kubernetes/cmd/kube-{apiserver,controller-manager,scheduler}
find "$target" -maxdepth 1 -type f -name ".*" -delete
mv "$work"/etcd "$work"/kube-* "$target"
rm -rf "$work"
touch "$mark"
