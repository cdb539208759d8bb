#!/bin/sh
# Generate faceoff/v1 from protos/. Usage: scripts/protos.sh [OUT] (default: the repository), or scripts/protos.sh --lint.
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-python}
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT
# Google's protos come with googleapis-common-protos, which has this one under another name than all who import it.
google=$("$python" -c 'import google.longrunning as here; print(here.__path__[0])')
mkdir -p "$work/google/longrunning"
cp "$google/operations_proto.proto" "$work/google/longrunning/operations.proto"
protoc() {
    "$python" -m grpc_tools.protoc -I protos -I "$work" -I "$google/../.." "$@" protos/faceoff/v1/*.proto
}
if [ "${1:-}" = --lint ]; then
    protoc --include_imports --include_source_info --descriptor_set_out="$work/faceoff.binpb"
    "$(dirname "$python")/buf" lint "$work/faceoff.binpb" --path faceoff
else
    out=${1:-.}
    protoc --python_out="$out" --pyi_out="$out" --grpc_python_out="$out"
fi
