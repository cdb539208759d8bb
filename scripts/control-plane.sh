#!/usr/bin/env bash
# etcd and Kubernetes' API server, controller manager and scheduler, built from their published Go modules for the tests of
# tests/cluster. Needs Go, 2 GB of memory, 5 GB of disk while it builds, and a quarter of an hour on two cores; nothing where all
# is there already. What is built lies in the user's cache, where every checkout finds it, named by the list of modules.
set -euo pipefail
cd "$(dirname "$0")/../tests/cluster/tools"
cache=${XDG_CACHE_HOME:-$HOME/.cache}/faceoff-control-plane
target=$cache/$(cat go.mod go.sum | sha256sum | cut -c 1-16)
[ ! -e "$target" ] || exit 0
command -v go >/dev/null || { echo "Go $(awk '$1 == "go" { print $2 }' go.mod) is needed to build a control plane." >&2; exit 1; }

# Gigabytes that nobody needs again: kept only until all is built, so that a build that was stopped goes on.
export CGO_ENABLED=0 GOCACHE=$cache/build
version=$(go list -m -f '{{.Version}}' k8s.io/kubernetes)
flags="-s -w -X k8s.io/component-base/version.gitVersion=$version"
mkdir -p "$cache/new"
go build -mod=readonly -trimpath -ldflags "-s -w" -o "$cache/new/etcd" go.etcd.io/etcd/server/v3
go build -mod=readonly -trimpath -ldflags "$flags" -o "$cache/new/" k8s.io/kubernetes/cmd/kube-{apiserver,controller-manager,scheduler}
mv "$cache/new" "$target"
rm -rf "$cache/build"
