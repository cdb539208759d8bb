#!/bin/sh
# Generate faceoff/v1 from protos/. Usage: scripts/protos.sh [OUT] (default: the repository), scripts/protos.sh --lint,
# or scripts/protos.sh --describe FILE (the protos with their comments, as descriptors).
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
describe() {
    protoc --include_imports --include_source_info --descriptor_set_out="$1"
}
case ${1:-.} in
--lint)
    describe "$work/faceoff.binpb"
    "$(dirname "$python")/buf" lint "$work/faceoff.binpb" --path faceoff
    ;;
--describe) describe "$2" ;;
*) protoc --python_out="${1:-.}" --pyi_out="${1:-.}" --grpc_python_out="${1:-.}" ;;
esac
