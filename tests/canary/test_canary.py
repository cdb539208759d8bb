"""Marked photos, names and keys go through every door, well and in every way that fails. Nothing of them may be anywhere:
not in logs, traces, metrics, errors, on the disk, nor in what anybody can see of the processes.

The gateway and its rooms are real processes, with the services' own code; the rooms' work is quick, and fails when told to,
with exceptions that quote what they have. One leak is planted in every run, to see that each place is looked at.
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import grpc
import pytest
from PIL import Image

from faceoff.errors import Reason
from faceoff.pipeline import Request
from faceoff.types import Encoding, Plan, Priority, Terms
from tests.canary import rooms
from tests.canary.callers import Grpc, Http, faceoff
from tests.canary.door import BREAKS_DOOR, BREAKS_WORK, LEAKS
from tests.canary.house import ROOT, House, house
from tests.canary.marks import IN_PHOTOS, MARKS, Telling, jpeg_photo, marked, png_photo, reference_photo
from tests.canary.search import Search, blocks, digests, forms
from tests.unit.decoding.files import jpeg_header
from tests.unit.decoding.traces import traces

GOOD, PNG, OTHER = 160, 176, 240
PLAN = Plan(iterations=3)

ALLOWED = {
    # The caller's own words, in the answer to the caller; the job's record has them until the job is deleted.
    "unknown victim": r"answer of .*|words of faceoff .*|disk nats/.*",
    # Whose job it is. It is no part of a photo, and is not told outside.
    "tenant": r"disk state/.*|disk nats/.*",
    # The name of a user's own file on the user's own screen, and of the result beside it.
    "file name": r"words of faceoff .*|name of out/.*",
    "sha256 of the api key": r"disk state/keys\.json",
    # Handed to the service by its operator.
    "secret in env": r"environment of a service",
    # The user's own result, where the user wants it.
    "result": r"disk out/.*",
}
PLANTED = {
    "a log": r"log of door",
    "a metric": r"metrics .*",
    "a trace": r"traces",
    "a file that has no name": r"disk, without a name",
    "a file's name": r"name of tmp/.*",
}


def photos() -> Iterator[Telling]:
    yield reference_photo()
    yield png_photo(PNG)
    for width in (GOOD, OTHER, rooms.FACELESS, rooms.BREAKS_DETECTOR, rooms.BREAKS_VERIFIER):
        yield jpeg_photo(width)


@pytest.fixture(scope="module")
def patterns() -> dict[bytes, str]:
    return marked() | {pattern: name for photo in photos() for pattern, name in photo.patterns().items()}


@pytest.fixture(params=["jobs in memory", "jobs in a broker, debugging"])
def there(request: pytest.FixtureRequest, tmp_path: Path, patterns: dict[bytes, str]) -> Iterator[House]:
    nats = "broker" in request.param
    with house(tmp_path / "disk", tmp_path / "given", Search(patterns), nats, debug=nats) as there:
        yield there


def test_photos_hold_all_marks() -> None:
    """What is not in the photos cannot get out of them."""
    found = Search(marked()).find(b"".join(photo.data for photo in photos()))
    assert {name for name in IN_PHOTOS if not any(one.startswith(f"{name} as") for one in found)} == {"png ztxt"}


@pytest.mark.timeout(290)
@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
def test_nothing_gets_out(there: House, tmp_path: Path) -> None:
    secret = there.key.rpartition("_")[2].encode()
    there.watch.search.add(forms("the api key", secret) | digests("the api key", secret))
    there.watch.search.add(digests("the whole api key", there.key.encode()))
    assert there.cores() == {0}
    results: list[bytes] = []
    with closing(Grpc(there, results)) as over_grpc, closing(Http(there, results)) as over_http:
        broken = a_job_that_breaks(over_grpc)
        all_goes_well(over_grpc, over_http, there)
        for number, result in enumerate(results):
            there.watch.search.add(blocks(f"result {number}", result[100:]))
        over_http.post(jpeg_photo(GOOD).data, "wait=0s", Idempotency_Key=LEAKS + MARKS["planted"])
        if there.broker:
            all_goes_well(over_grpc, over_http, there)  # now that the results are known
        photos_that_are_refused(over_grpc, over_http)
        callers_that_are_refused(over_grpc, over_http)
        rooms_that_break(over_grpc, over_http)
        jobs_that_are_stopped(over_grpc, over_http)
        commands(there, tmp_path)
        assert over_grpc.watch(broken)[-1].operation.HasField("error")
        if there.broker:
            a_worker_is_killed(there, over_grpc)
    there.end()
    said = (there.logs / "door").read_text()
    assert '"event": "thread_died", "error": "ValueError"' in said
    assert said.count('"service": "some.library"') == 4
    for result in results:
        assert traces(result) == []
        assert Search(marked() | blocks("thumbnail", jpeg_photo(GOOD).thumbnail)).find(result) == set()
    assert there.watch.looked > 10
    leaked = {name: forbidden(name, places) for name, places in there.watch.found.items()}
    leaked = {name: places for name, places in leaked.items() if places}
    planted = {name: places for name, places in leaked.items() if name.startswith("planted as ")}
    assert {name: places for name, places in leaked.items() if name not in planted} == {}
    seen = set().union(*planted.values())
    assert {place for place, pattern in PLANTED.items() if not any(re.fullmatch(pattern, one) for one in seen)} == set()


def test_the_brokers_password_is_not_said(tmp_path: Path) -> None:
    """Not even where there is no broker."""
    password = MARKS["secret in env"]
    done = subprocess.run(
        [sys.executable, "-m", "services.gateway", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"],
        capture_output=True,
        cwd=tmp_path,
        env=os.environ | {"FACEOFF_NATS": f"nats://user:{password}@127.0.0.1:9", "PYTHONPATH": str(ROOT)},
        timeout=120,
    )
    assert done.returncode == 1
    assert b"127.0.0.1:9" in done.stderr
    assert Search(forms("password", password.encode())).find(done.stdout + done.stderr) == set()


def forbidden(name: str, places: set[str]) -> set[str]:
    allowed = next((pattern for known, pattern in ALLOWED.items() if re.match(rf"{known}( \d+,)? ", name)), "")
    return {place for place in places if not re.fullmatch(allowed, place)}


def request(**options: object) -> Request:
    return Request(PLAN, **options)  # type: ignore[arg-type]


def all_goes_well(over_grpc: Grpc, over_http: Http, there: House) -> None:
    photo, reference = jpeg_photo(GOOD).data, reference_photo().data
    with_reference = request(terms=Terms((reference,)), encoding=Encoding("JPEG"))
    over_grpc.protect(photo, with_reference)
    assert over_grpc.ended() is grpc.StatusCode.OK
    name = over_grpc.create(png_photo(PNG).data, request(), idempotency_key=MARKS["idempotency key"])
    assert over_grpc.watch(name)[-1].operation.done
    assert over_grpc.result(name)
    over_grpc.page()
    form = {"photo": (f"{MARKS['file name']} é.jpg", photo), "reference": (MARKS["file name"], reference)}
    agent = {"User-Agent": MARKS["user agent"], "Cookie": MARKS["header"], "Referer": f"https://x/{MARKS['path']}"}
    done = over_http("POST", "/v1/protections?wait=60s", agent, files=form, data={"format": "webp"})
    assert done.status_code == 200, done.text
    over_http("GET", done.json()["result"]["href"])
    over_http("GET", "/v1/operations")
    place = over_http.post(png_photo(PNG).data, "wait=0s", Idempotency_Key=f"{MARKS['idempotency key']}2").headers[
        "location"
    ]
    assert "event: done" in over_http("GET", f"{place}/events").text
    over_http("GET", f"{place}/result")
    for one in (place, f"/v1/operations/{name.partition('/')[2]}"):
        assert over_http("DELETE", one).json()["keys"] >= 1


def photos_that_are_refused(over_grpc: Grpc, over_http: Http) -> None:
    whole, reference = jpeg_photo(OTHER).data, reference_photo().data
    two = [Image.effect_noise((40, 40), 90) for _ in range(2)]
    animated = io.BytesIO()
    two[0].save(animated, "GIF", save_all=True, append_images=two[1:], comment=MARKS["jpeg comment"])
    huge = bytearray(jpeg_header(60_000, 60_000))
    huge[2:2] = b"\xff\xfe\0\x0f" + MARKS["jpeg comment"].encode()
    cases = {
        Reason.IMAGE_CORRUPT: whole[: whole.rindex(b"\xff\xda") + 700],
        Reason.IMAGE_TOO_LARGE: bytes(huge),
        Reason.UNSUPPORTED_FORMAT: MARKS["broken upload"].encode() * 100,
        Reason.ANIMATED_IMAGE: animated.getvalue(),
    }
    for reason, data in cases.items():
        answer = over_http.post(data)
        assert answer.json()["reason"] == reason, answer.text
        over_grpc.protect(data, request())
        assert over_grpc.ended() is grpc.StatusCode.INVALID_ARGUMENT
        assert not over_grpc.create(data, request())
    over_http("POST", "/v1/protections", files={"photo": (MARKS["file name"], whole[:500])})
    over_http("POST", "/v1/protections?wait=60s", files={"photo": ("x", whole), "reference": ("y", reference[:900])})
    faceless = jpeg_photo(rooms.FACELESS).data
    answer = over_http.post(faceless)
    assert answer.json()["error"]["reason"] == Reason.NO_FACE_DETECTED, answer.text
    over_http("GET", f"{answer.headers['location']}/result")
    over_grpc.protect(faceless, request())


def callers_that_are_refused(over_grpc: Grpc, over_http: Http) -> None:
    photo, key = jpeg_photo(OTHER).data, MARKS["wrong token"]
    for credential in (key, f"fo_{'0' * 12}_{key.encode().hex():0<64}", f"Basic {key}"):
        for path in ("/v1/operations", "/v1/operations/x/events"):
            assert over_http("GET", path, {"Authorization": f"Bearer {credential}"}).status_code == 401
        over_grpc.protect(photo, request(), authorization=f"Bearer {credential}")
        assert over_grpc.ended() is grpc.StatusCode.UNAUTHENTICATED
    victim = MARKS["unknown victim"]
    over_grpc.protect(photo, request(victims=(victim,)))
    assert over_grpc.ended() is grpc.StatusCode.NOT_FOUND
    answer = over_http.post(photo, f"wait=60s&victims={victim}")
    assert answer.json()["error"]["reason"] == Reason.UNKNOWN_NETWORK, answer.text
    path, field = MARKS["path"], MARKS["field"]
    for where in (
        f"/{path}",
        f"/v1/operations/{path}",
        f"/v1/operations/{path}/result",
        f"/v1/operations?after={path}&x={path}",
    ):
        assert over_http("GET", where).status_code in (404, 422)
    over_http("DELETE", f"/v1/operations/{path}")
    for where in (
        f"/?{field}={field}",
        f"/static/{path}",
        f"/campaigns?{field}={path}",
        f"/v1/campaigns/{path}/{path}",
    ):
        over_http("GET", where, {"Cookie": MARKS["header"], "Accept-Language": MARKS["header"]})
    over_http("POST", f"/v1/protections?{field}={field}&strength={field}", content=photo)
    over_http("POST", "/v1/protections", files={"photo": ("x", photo)}, data={field: field, "strength": field})
    over_http("POST", "/v1/protections", {"Content-Type": f"image/png; {field}"}, content=field)
    over_http("POST", "/v1/protections", {"Content-Type": f"multipart/form-data; boundary={field}"}, content=photo)
    over_http("POST", "/v1/protections", json={field: field})
    over_http.post(photo, Idempotency_Key=f"{MARKS['idempotency key']} not valid")
    over_http("GET", "/v1/operations", {"traceparent": MARKS["header"], "tracestate": f"a={MARKS['header']}"})
    over_http("GET", "/healthz", {"X-Long": MARKS["header"] * 3000})
    over_grpc.create(
        photo, request(), traceparent=MARKS["header"], tracestate=f"a={MARKS['header']}", baggage=f"a={field}"
    )
    over_grpc.create(photo, request(), idempotency_key=f"{MARKS['idempotency key']} not valid")
    over_grpc.create(photo, request(), idempotency_key=MARKS["idempotency key"] + "3")
    over_grpc.create(photo, request(faces=(3,)), idempotency_key=MARKS["idempotency key"] + "3")
    assert over_grpc.ended() is grpc.StatusCode.ALREADY_EXISTS
    over_grpc.watch(f"operations/{path}")
    over_grpc.page(path)
    for method in ("Protect", "CreateProtection", path):
        over_grpc.raw(method, MARKS["broken upload"].encode() + photo[:3000])


def a_job_that_breaks(over_grpc: Grpc) -> str:
    """In the worker itself, at every try."""
    terms = Terms((reference_photo().data,))
    return over_grpc.create(jpeg_photo(OTHER).data, request(encoding=Encoding(quality=BREAKS_WORK), terms=terms))


def rooms_that_break(over_grpc: Grpc, over_http: Http) -> None:
    photo, terms = jpeg_photo(OTHER).data, Terms((reference_photo().data,))
    for width in (rooms.BREAKS_DETECTOR, rooms.BREAKS_VERIFIER):
        over_grpc.protect(jpeg_photo(width).data, request(terms=terms))
        assert over_grpc.ended() is grpc.StatusCode.INTERNAL
        assert over_http.post(jpeg_photo(width).data).json()["error"]["reason"] == Reason.INTERNAL
    over_grpc.protect(photo, request(priority=rooms.BREAKS_ATTACKER))
    assert over_grpc.ended() is grpc.StatusCode.INTERNAL
    over_grpc.protect(photo, request(encoding=Encoding(quality=BREAKS_WORK), terms=terms))
    assert over_grpc.ended() is grpc.StatusCode.INTERNAL
    over_grpc.create(photo, request(), idempotency_key=BREAKS_DOOR + MARKS["idempotency key"])
    assert over_grpc.ended() is grpc.StatusCode.INTERNAL
    answer = over_http.post(photo, Idempotency_Key=BREAKS_DOOR + MARKS["idempotency key"])
    assert (answer.status_code, answer.json()["reason"]) == (500, Reason.INTERNAL)


def jobs_that_are_stopped(over_grpc: Grpc, over_http: Http) -> None:
    photo, long = jpeg_photo(OTHER).data, request(priority=rooms.LONG)
    over_grpc.protect(photo, long, timeout=1)
    assert over_grpc.ended() is grpc.StatusCode.DEADLINE_EXCEEDED
    over_grpc.create(photo, long, timeout=0.001)
    name = running(over_grpc, over_grpc.create(photo, long))
    over_grpc.cancel(name)
    over_grpc.result(name)
    assert over_grpc.ended() is grpc.StatusCode.CANCELLED
    place = over_http.post(photo, "priority=bulk&wait=0s").headers["location"]
    over_http("GET", f"{place}/result")
    assert over_http("POST", f"{place}:cancel").json()["state"] == "cancelled"
    assert over_http("DELETE", place).status_code == 200


def running(over_grpc: Grpc, name: str) -> str:
    """The job, when a worker is at it."""
    deadline = time.monotonic() + 60
    while b"attack" not in over_grpc.get(name).metadata.value:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return name


def commands(there: House, folder: Path) -> None:
    """As a user types them, with the photo's telling name."""
    given = folder / "given"
    photo, broken, other = (given / f"{MARKS['file name']}{suffix}" for suffix in (".jpg", " broken.jpg", " other.jpg"))
    photo.write_bytes(jpeg_photo(GOOD).data)
    broken.write_bytes(jpeg_photo(GOOD).data[:3000])
    other.write_bytes(reference_photo().data)
    out = str(there.folder / "out")
    door = ("--server", there.grpc)
    faceoff(there, "protect", str(photo), "--reference", str(other), "--out-dir", out, "--strength", "subtle", *door)
    faceoff(there, "protect", str(broken), "--out-dir", out, *door, code=4)
    if there.broker:
        words = ("--reference", str(other), "--idempotency-key", MARKS["idempotency key"] + "4", *door)
        job = faceoff(there, "jobs", "submit", str(photo), *words).strip()
        faceoff(there, "jobs", "watch", job, *door)
        faceoff(there, "jobs", "result", job, "-o", f"{out}/{job}.png", *door)
        faceoff(there, "jobs", "delete", job, "--json", *door)
    for file in (there.folder / "out").iterdir():
        assert traces(file.read_bytes()) == []


def a_worker_is_killed(there: House, over_grpc: Grpc) -> None:
    """In the middle of a photo. It is the last thing that happens to it."""
    running(over_grpc, over_grpc.create(jpeg_photo(OTHER).data, request(priority=Priority.BULK)))
    there.metrics.pop()
    there.process("worker").kill()
    there.process("worker").wait()
    there.watch.look()
