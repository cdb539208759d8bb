#!/bin/sh
# Generate faceoff/v1 from protos/. Usage: scripts/protos.sh [OUT] (default: the repository).
set -eu
cd "$(dirname "$0")/.."
out=${1:-.}
exec "${PYTHON:-python}" -m grpc_tools.protoc -I protos \
    --python_out="$out" --pyi_out="$out" --grpc_python_out="$out" protos/faceoff/v1/*.proto
