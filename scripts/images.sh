#!/usr/bin/env bash
# Our seven images, with podman, buildah or docker. BASE is the Python image that they stand on, where python:3.11-slim-bookworm
# is not to be had; BUILD_FLAGS are further flags of the build, such as a mounted configuration of pip.
#
#   scripts/images.sh [SERVICE ...]
set -euo pipefail
cd "$(dirname "$0")/.."
engine=$(command -v podman || command -v docker || { echo "podman or docker is needed." >&2; exit 1; })
version=$(sed -n 's/^appVersion: *"\{0,1\}\([^"]*\)"\{0,1\}$/\1/p' deploy/helm/faceoff/Chart.yaml)
[ $# -gt 0 ] || set -- detector attacker amplifier verifier gateway operator cli
for service in "$@"; do
    echo "building faceoff/$service:$version" >&2
    # shellcheck disable=SC2086  # flags are words
    "$engine" build --quiet ${BUILD_FLAGS:-} ${BASE:+--build-arg BASE=$BASE} --build-arg SERVICE="$service" \
        -f deploy/images/Dockerfile -t "faceoff/$service:$version" .
done
