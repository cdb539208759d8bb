"""The HTTP door, over real sockets."""

from __future__ import annotations

import json
import socket
import time
from typing import Any

import httpx2
import pytest

from faceoff.client import Client, Request
from faceoff.errors import FaceOffError, Reason
from faceoff.presets import STRENGTHS
from faceoff.rpc.errors import CODES
from faceoff.rpc.metrics import REQUESTS
from faceoff.testing import NoiseAttacker
from faceoff.types import Encoding, Terms, View
from services.gateway import http as http_port
from services.gateway import problems
from tests.services.house import House


def submit(http: httpx2.Client, photo: bytes, **options: Any) -> httpx2.Response:
    return http.post("/v1/protections", content=photo, headers={"Content-Type": "image/png"}, params=options)


def problem(answer: httpx2.Response, status: int, reason: Reason) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == problems.MEDIA_TYPE
    said = answer.json()
    assert (said["status"], said["reason"], said["type"]) == (status, reason, "about:blank")


def test_a_photo_from_upload_to_deletion(http: httpx2.Client, photo: bytes) -> None:
    answer = submit(http, photo, wait="30s", format="jpeg", quality=90)
    assert answer.status_code == 200, answer.text
    operation = answer.json()
    assert (operation["state"], operation["done"], operation["attempts"]) == ("succeeded", True, 1)
    assert [face["outcome"] for face in operation["result"]["faces"]] == ["reached", "reached"]
    assert operation["result"]["verdicts"][0]["outcome"] == "transferred"
    result = http.get(operation["result"]["href"])
    assert result.headers["content-type"] == "image/jpeg"
    assert result.headers["content-disposition"] == 'attachment; filename="protected.jpg"'
    assert result.headers["cache-control"] == "no-store"
    assert len(result.content) == operation["result"]["size"] == int(result.headers["content-length"])
    assert http.get(answer.headers["location"]).json()["id"] == operation["id"]
    receipt = http.delete(answer.headers["location"]).json()
    assert (receipt["id"], receipt["keys"] >= 1) == (operation["id"], True)
    problem(http.get(answer.headers["location"]), 404, Reason.NOT_FOUND)
    problem(http.get(operation["result"]["href"]), 404, Reason.NOT_FOUND)


def test_both_doors_give_the_same_bytes(http: httpx2.Client, client: Client, photo: bytes) -> None:
    options = {"strength": "strong", "format": "webp", "faces": [1, 0], "victims": ["a"], "views": ["photo", "jpeg"]}
    form = http.post(
        "/v1/protections", params={"wait": "30s"}, data=options, files={"photo": ("x", photo), "reference": ("y", photo)}
    )  # fmt: skip
    request = Request(
        STRENGTHS["strong"], Encoding("WEBP"), (1, 0), ("a",), terms=Terms((photo,), (), (View.PHOTO, View.JPEG))
    )
    job = client.wait(client.submit(photo, request).id)
    result = client.result(job.id)
    assert result.candidate.data == http.get(form.json()["result"]["href"]).content
    assert client.protect(photo, request, lambda _: None).candidate.data == result.candidate.data
    assert [verdict.victim for verdict in result.verdicts] == ["a", "a"]


def test_waiting_is_optional_and_ends(http: httpx2.Client, photo: bytes, attacker: NoiseAttacker) -> None:
    answer = submit(http, photo, strength="strong")
    assert answer.status_code == 202
    assert answer.headers["location"] == f"/v1/operations/{answer.json()['id']}"
    problem(http.get(answer.headers["location"] + "/result"), 409, Reason.NOT_READY)
    assert submit(http, photo, wait="0s").status_code == 202


def test_cancelled_in_the_middle(http: httpx2.Client, photo: bytes, attacker: NoiseAttacker) -> None:
    attacker.stopped.clear()
    place = submit(http, photo, strength="strong").headers["location"]
    while (http.get(place).json().get("progress") or {}).get("stage") != "attack":
        time.sleep(0.01)
    answer = http.post(f"{place}:cancel")
    assert (answer.status_code, answer.json()["state"]) == (200, "cancelled")
    assert attacker.stopped.wait(5)
    problem(http.get(place + "/result"), 409, Reason.CANCELLED)
    assert http.get(place).json()["error"]["reason"] == Reason.CANCELLED


def test_events(http: httpx2.Client, photo: bytes) -> None:
    place = submit(http, photo).headers["location"]
    with http.stream("GET", place + "/events") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        text = "".join(stream.iter_text())
    events = [dict(line.split(": ", 1) for line in block.splitlines()) for block in text.strip().split("\n\n")]
    told = [(event["event"], json.loads(event["data"])["state"]) for event in events if "event" in event]
    assert told[-1] == ("done", "succeeded")
    assert ("operation", "running") in told
    assert http.get(place + "/events").text.count("event: done") == 1


def test_a_watcher_that_leaves_does_not_stop_the_job(http: httpx2.Client, photo: bytes) -> None:
    place = submit(http, photo).headers["location"]
    with http.stream("GET", place + "/events") as stream:
        next(stream.iter_text())
    while not http.get(place).json()["done"]:
        time.sleep(0.02)
    assert http.get(place).json()["state"] == "succeeded"


def test_idempotency_keys(http: httpx2.Client, stranger: httpx2.Client, photo: bytes, client: Client) -> None:
    def post(door: httpx2.Client, quality: int) -> httpx2.Response:
        return door.post(
            "/v1/protections",
            content=photo,
            params={"quality": quality},
            headers={"Content-Type": "image/png", "Idempotency-Key": "k1"},
        )

    first = post(http, 90)
    assert post(http, 90).json()["id"] == first.json()["id"]
    problem(post(http, 91), 409, Reason.IDEMPOTENCY_CONFLICT)
    assert post(stranger, 91).json()["id"] != first.json()["id"]
    request = Request(STRENGTHS["balanced"], Encoding(quality=90))
    assert client.submit(photo, request, "k1").id == first.json()["id"]
    with pytest.raises(FaceOffError) as caught:
        client.submit(photo, Request(STRENGTHS["subtle"]), "k1")
    assert caught.value.reason is Reason.IDEMPOTENCY_CONFLICT
    with pytest.raises(FaceOffError) as caught:
        client.submit(photo, request, "a b")
    assert caught.value.reason is Reason.INVALID_ARGUMENT


def test_strangers_see_nothing(http: httpx2.Client, stranger: httpx2.Client, photo: bytes) -> None:
    done = submit(http, photo, wait="30s").json()
    place = f"/v1/operations/{done['id']}"
    for path in (place, place + "/events", place + "/result"):
        problem(stranger.get(path), 404, Reason.NOT_FOUND)
    problem(stranger.delete(place), 404, Reason.NOT_FOUND)
    problem(stranger.post(place + ":cancel"), 404, Reason.NOT_FOUND)
    assert done["id"] not in stranger.get("/v1/operations").text
    submit(http, photo, wait="30s")
    before_done = {"after": http.get("/v1/operations", params={"limit": 1}).json()["next"]}
    assert done["id"] in http.get("/v1/operations", params=before_done).text
    behind = stranger.get("/v1/operations", params=before_done)
    assert behind.status_code == 200
    assert done["id"] not in behind.text, "another tenant's page token opens nothing of that tenant's"
    assert stranger.get(place).content == stranger.get("/v1/operations/none").content
    assert http.get(place).status_code == 200


def test_who_calls(there: House, http: httpx2.Client, photo: bytes) -> None:
    for headers in ({}, {"Authorization": "Basic YTpi"}, {"Authorization": "Bearer 123"}):
        for method, path in (
            ("GET", "/v1/operations"),
            ("POST", "/v1/protections"),
            ("GET", "/v1/operations/x/events"),
        ):
            answer = httpx2.request(method, there.http + path, headers=headers)
            problem(answer, 401, Reason.UNAUTHENTICATED)
            assert answer.headers["www-authenticate"].startswith("Bearer")
    problem(http.get("/v1/operations", headers={"Authorization": "Bearer nobody"}), 403, Reason.PERMISSION_DENIED)
    for path in ("/healthz", "/openapi.json"):
        assert httpx2.get(there.http + path).status_code == 200


def test_what_is_refused_at_the_door(http: httpx2.Client, photo: bytes) -> None:
    path = "/v1/protections"
    problem(http.get("/nothing"), 404, Reason.NOT_FOUND)
    problem(http.get("/v1/operations/../../etc/passwd"), 404, Reason.NOT_FOUND)
    refused = http.get(path)
    problem(refused, 405, Reason.INVALID_ARGUMENT)
    assert refused.headers["allow"] == "POST"
    problem(http.post(path, json={"photo": "http://169.254.169.254/"}), 415, Reason.UNSUPPORTED_FORMAT)
    problem(submit(http, b"no photo"), 415, Reason.UNSUPPORTED_FORMAT)
    problem(submit(http, photo[:500]), 422, Reason.IMAGE_CORRUPT)
    problem(submit(http, photo, strength="<script>"), 422, Reason.INVALID_ARGUMENT)
    problem(submit(http, photo, url="http://x/"), 422, Reason.INVALID_ARGUMENT)
    problem(submit(http, photo, victims="facenet"), 422, Reason.VICTIM_IS_SURROGATE)
    problem(http.post(path, files={"photo": photo}, data={"url": "x"}), 422, Reason.INVALID_ARGUMENT)
    problem(http.get("/v1/operations", params={"limit": 0}), 422, Reason.INVALID_ARGUMENT)
    assert "script" not in submit(http, photo, strength="<script>").text
    assert "facenet" in submit(http, photo, victims="facenet").text


def test_a_photo_without_a_face_fails_as_a_job(http: httpx2.Client, photo: bytes) -> None:
    operation = submit(http, photo, faces=[9], wait="30s").json()
    assert (operation["state"], operation["error"]["reason"]) == ("failed", Reason.INVALID_ARGUMENT)
    problem(http.get(f"/v1/operations/{operation['id']}/result"), 409, Reason.INVALID_ARGUMENT)


def test_lists_have_pages(there: House, photo: bytes) -> None:
    with httpx2.Client(base_url=there.http, headers={"Authorization": "Bearer lister"}) as http:
        ids = [submit(http, photo).json()["id"] for _ in range(3)][::-1]
        first = http.get("/v1/operations", params={"limit": 2}).json()
        assert [entry["id"] for entry in first["operations"]] == ids[:2]
        second = http.get("/v1/operations", params={"limit": 2, "after": first["next"]}).json()
        assert [entry["id"] for entry in second["operations"]] == ids[2:]
        assert second["next"] is None
        http.delete(f"/v1/operations/{ids[1]}")
        again = http.get("/v1/operations", params={"limit": 2, "after": first["next"]}).json()
        assert [entry["id"] for entry in again["operations"]] == ids[2:], "behind an operation that is gone"
        problem(http.get("/v1/operations", params={"after": ids[0]}), 422, Reason.INVALID_ARGUMENT)


def test_headers_on_every_answer(http: httpx2.Client, photo: bytes) -> None:
    for answer in (http.get("/nothing"), http.get("/healthz"), http.get("/v1/operations"), submit(http, b"x")):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "server" not in answer.headers
        assert not [name for name in answer.headers if name.startswith("access-control")]
    options = http.options("/v1/operations", headers={"Origin": "https://x", "Access-Control-Request-Method": "GET"})
    assert options.status_code == 405


def test_the_log_says_nothing_of_a_photo(http: httpx2.Client, photo: bytes, capfd: pytest.CaptureFixture[str]) -> None:
    submit(http, photo, wait="30s", victims=["canaryvictim"])
    http.post("/v1/protections?canary=1", files={"photo": ("canary.png", b"canary")})
    http.get("/canary")
    time.sleep(0.2)
    log = capfd.readouterr().err
    assert '"method": "http/CreateProtection"' in log
    assert '"method": "http/none"' in log
    assert "canary" not in log
    assert "alice" not in log


def test_a_line_that_says_nothing_is_closed(there: House, monkeypatch: pytest.MonkeyPatch, photo: bytes) -> None:
    monkeypatch.setattr(http_port, "HEAD_SECONDS", 0.2)
    host, _, port = there.http.removeprefix("http://").rpartition(":")
    for head in (b"", b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: "):
        with socket.create_connection((host, int(port)), timeout=5) as line:
            line.sendall(head)
            assert line.recv(1000) == b""
    with socket.create_connection((host, int(port)), timeout=5) as line:
        for _ in range(2):
            line.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            answer = b""
            while not answer.endswith(b'{"status":"ok"}'):
                answer += line.recv(1000)
        line.sendall(b"GET /hea")
        assert line.recv(1000) == b""


def test_requests_at_once_have_a_bound(
    there: House, http: httpx2.Client, photo: bytes, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(http_port, "_REQUESTS", 1)
    host, _, port = there.http.removeprefix("http://").rpartition(":")
    head = "POST /v1/protections HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer alice\r\nContent-Type: image/png\r\n"
    counted = REQUESTS.labels("http/none", "503")._value.get
    before = counted()
    with socket.create_connection((host, int(port)), timeout=5) as line:
        line.sendall(f"{head}Content-Length: {len(photo)}\r\n\r\n".encode() + photo[:100])
        while http.get("/v1/operations").status_code != 503:
            time.sleep(0.02)
        refused = http.get("/v1/operations")
        problem(refused, 503, Reason.OVERLOADED)
        assert refused.headers["retry-after"] == "2"
        assert refused.headers["x-content-type-options"] == "nosniff"
        assert http.get("/healthz").status_code == 200
        logged = ""  # as is what was counted, once the answer is under way
        while logged.count('"method": "http/none", "code": "503"') < 2:
            time.sleep(0.02)
            logged += capfd.readouterr().err
        assert counted() == before + 2
    while http.get("/v1/operations").status_code == 503:
        time.sleep(0.02)


def test_every_reason_has_a_status() -> None:
    for reason in CODES:
        assert 400 <= problems.status_of(FaceOffError(reason, "")) < 600
