"""What OpenAPI promises is what comes, whatever is sent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.specs.openapi import checks

from faceoff.amplify import LocalAmplifier
from faceoff.pipeline import Rooms
from faceoff.testing import BoxDetector, FixedVerifier, NoiseAttacker
from tests.services.house import ByName, house

CHECKS = [
    schemathesis.checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]
OPERATIONS = [
    ("POST", "/v1/protections"),
    ("GET", "/v1/operations"),
    ("GET", "/v1/operations/{operation}"),
    ("POST", "/v1/operations/{operation}:cancel"),
    ("GET", "/v1/operations/{operation}/result"),
    ("GET", "/v1/operations/{operation}/events"),
    ("GET", "/healthz"),
    ("DELETE", "/v1/operations/{operation}"),
]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    rooms = Rooms(BoxDetector(1), NoiseAttacker(), LocalAmplifier(), FixedVerifier())
    with house(lambda _: rooms, ByName()) as there:
        yield there.http


@pytest.fixture(scope="module")
def job(url: str, photo: bytes) -> str:
    headers = {"Authorization": "Bearer alice", "Content-Type": "image/png"}
    answer = httpx2.post(f"{url}/v1/protections?wait=30s", content=photo, headers=headers, timeout=40)
    return str(answer.json()["id"])


def test_every_operation_is_tried(url: str) -> None:
    paths = httpx2.get(f"{url}/openapi.json").json()["paths"]
    assert {(method.upper(), path) for path, methods in paths.items() for method in methods} == set(OPERATIONS)


@pytest.mark.parametrize("mode", ["positive", "negative"])
@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_answers_are_as_promised(url: str, job: str, photo: bytes, method: str, path: str, mode: str) -> None:
    if (path, mode) == ("/healthz", "negative"):
        return  # it takes nothing that could be wrong
    operation = schemathesis.openapi.from_url(f"{url}/openapi.json")[path][method]
    strategy = operation.as_strategy(generation_mode=schemathesis.GenerationMode(mode))

    @settings(
        max_examples=25,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=strategy)
    def tried(case: schemathesis.Case[Any]) -> None:
        if case.path_parameters and len(case.path_parameters["operation"]) % 2:
            case.path_parameters["operation"] = job
        if case.media_type == "image/png":
            case.body = photo
        case.call_and_validate(headers={"Authorization": "Bearer alice"}, checks=CHECKS, timeout=20)

    tried()
