"""docs/api.md from what it describes: the protos, OpenAPI, and the errors' codes.

python scripts/api.py [--check]: --check writes nothing and fails where the page is not what would be written.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from google.rpc import code_pb2

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from faceoff.errors import FaceOffError  # noqa: E402
from faceoff.rpc.errors import CODES  # noqa: E402
from scripts.api_examples import CURL, GRPCURL, PYTHON  # noqa: E402
from services.gateway import problems  # noqa: E402
from services.gateway.web import create_app, openapi  # noqa: E402

PAGE = ROOT / "docs" / "api.md"
HEAD = (ROOT / "scripts" / "api.head.md").read_text()
_PROTO = "faceoff/v1/protection.proto"
_METHOD_OF_SERVICE = (6, 2)  # fields of FileDescriptorProto and ServiceDescriptorProto


def page() -> str:
    return "\n".join([HEAD.strip(), "", *_http(), *_grpc(), *_errors()]) + "\n"


def _http() -> Iterator[str]:
    yield "## HTTP\n"
    schema = openapi(create_app(None))  # type: ignore[arg-type]  # the description needs nobody behind the door
    there = {f"{method.upper()} {path}" for path, methods in schema["paths"].items() for method in methods}
    if there != set(CURL):
        raise SystemExit(f"Examples for calls that there are not, or none for those there are: {there ^ set(CURL)}")
    for name, example in CURL.items():
        method, _, path = name.partition(" ")
        operation = schema["paths"][path][method.lower()]
        problems_ = [code for code in sorted(operation["responses"]) if code >= "400"]
        yield f"### `{name}`\n"
        yield f"{operation['description']}\n"
        yield from _parameters(operation)
        for code, answer in sorted(operation["responses"].items()):
            if code < "400":
                yield f"- {code}: {answer['description']}"
        yield f"- problems: {', '.join(problems_)}\n" if problems_ else ""
        yield from _block("sh", example)


def _parameters(operation: dict[str, Any]) -> Iterator[str]:
    rows = [
        (p["name"], p["in"], p["schema"], p.get("description", ""))
        for p in operation.get("parameters", [])
        if p["in"] != "path"
    ]
    form = operation.get("requestBody", {}).get("content", {}).get("multipart/form-data", {}).get("schema", {})
    rows += [
        (name, "form", form["properties"][name], form["properties"][name].get("description", ""))
        for name in ("photo", "reference")
        if form
    ]
    if not rows:
        return
    yield "| name | in | takes | |"
    yield "|---|---|---|---|"
    for name, place, schema, text in rows:
        yield f"| `{name}` | {place} | {_takes(schema)} | {text} |"
    yield ""


def _takes(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if schema.get("type") == "array":
        return f"several: {_takes(schema['items'])}"
    if "minimum" in schema:
        return f"{schema['minimum']} to {schema['maximum']}"
    return "file" if schema.get("format") == "binary" else "text"


def _grpc() -> Iterator[str]:
    yield "## gRPC and Python\n"
    file = _described()
    comments = {tuple(place.path): place.leading_comments for place in file.source_code_info.location}
    for number, service in enumerate(file.service):
        for index, method in enumerate(service.method):
            up, down = ("stream " if streams else "" for streams in (method.client_streaming, method.server_streaming))
            sent, answer = (name.rpartition(".")[2] for name in (method.input_type, method.output_type))
            yield f"### `{file.package}.{service.name}/{method.name}` ({up}{sent}) returns ({down}{answer})\n"
            yield _text(comments.get((_METHOD_OF_SERVICE[0], number, _METHOD_OF_SERVICE[1], index), "")) + "\n"
            yield from _examples(method.name)
    yield "### `google.longrunning.Operations`\n"
    yield "GetOperation, ListOperations, WaitOperation, CancelOperation and DeleteOperation over the same jobs.\n"
    yield from _examples("Operations")


def _examples(name: str) -> Iterator[str]:
    yield from _block("python", PYTHON.get(name, ""))
    yield from _block("sh", GRPCURL.get(name, ""))


def _errors() -> Iterator[str]:
    yield "## Errors\n"
    yield "| reason | HTTP | gRPC |"
    yield "|---|---|---|"
    for reason, code in CODES.items():
        yield f"| `{reason.value}` | {problems.status_of(FaceOffError(reason, ''))} | {code_pb2.Code.Name(code.value[0])} |"


def _described() -> FileDescriptorProto:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "protos.binpb")
        subprocess.run(
            [ROOT / "scripts" / "protos.sh", "--describe", file],
            check=True,
            env={"PYTHON": sys.executable, "PATH": "/usr/bin:/bin"},
        )
        files = FileDescriptorSet.FromString(file.read_bytes()).file
    return next(file for file in files if file.name == _PROTO)


def _text(comment: str) -> str:
    kept = [line.removeprefix(" ") for line in comment.splitlines() if "buf:lint" not in line]
    return "\n".join(kept).strip()


def _block(language: str, code: str) -> Iterator[str]:
    if code:
        yield f"```{language}\n{code.strip()}\n```\n"


def main() -> int:
    written = page()
    if "--check" in sys.argv:
        return 0 if PAGE.exists() and PAGE.read_text() == written else 1
    PAGE.write_text(written)
    return 0


if __name__ == "__main__":
    sys.exit(main())
