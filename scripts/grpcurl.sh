#!/usr/bin/env bash
# grpcurl into .venv/tools, where the tests of docs/api.md's examples look before they look on the PATH. Built from its published
# Go module, whose checksum Go asks of its public database; two minutes of processor time, once.
set -euo pipefail
cd "$(dirname "$0")/.."
tools=$PWD/.venv/tools
version=v1.9.4
mark=$tools/.grpcurl-$version
[ ! -e "$mark" ] || exit 0
command -v go >/dev/null || { echo "Go is needed to build grpcurl." >&2; exit 1; }
GOBIN=$tools CGO_ENABLED=0 go install -trimpath -ldflags "-s -w" "github.com/fullstorydev/grpcurl/cmd/grpcurl@$version"
touch "$mark"
