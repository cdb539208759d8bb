"""Limits as options: what is taken, what is refused, and what each does to photos and jobs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from faceoff import image
from faceoff.amplify import LocalAmplifier
from faceoff.client import Client, Request
from faceoff.errors import FaceOffError, Reason
from faceoff.jobs.engine import Limits
from faceoff.pipeline import Rooms
from faceoff.testing import BoxDetector, FixedVerifier, NoiseAttacker, picture
from faceoff.types import Encoding, Photo, Plan, Terms
from services.gateway.settings import CALLS, Largest, parse
from tests.services.house import ByName, House, house


def test_the_defaults_are_the_engines() -> None:
    settings = parse([])
    assert settings.limits == Limits()
    assert settings.largest == Largest(image.MAX_BYTES, image.MAX_PIXELS)


def test_options_and_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACEOFF_TTL", "600")
    monkeypatch.setenv("FACEOFF_MAX_TENANT_JOBS", "7")
    queue = ["--max-jobs", "70", "--max-jobs-megabytes", "10", "--max-tenant-megabytes", "1.5"]
    photo = ["--max-megabytes", "2.5", "--max-megapixels", "12"]
    monkeypatch.setenv("FACEOFF_NATS_REPLICAS", "3")
    assert parse([]).server.calls == CALLS
    monkeypatch.setenv("FACEOFF_CALLS", "20")
    settings = parse(["--tries", "5", *queue, *photo])
    assert settings.server.calls == 20
    assert settings.limits == Limits(70, 10_000_000, 7, 1_500_000, ttl=600.0, tries=5)
    assert settings.largest == Largest(2_500_000, 12_000_000)
    assert settings.replicas == 3


@pytest.mark.parametrize(
    ("flag", "value", "bounds"),
    [
        ("--ttl", "59", "from 60 to 604800"),
        ("--ttl", "604801", "from 60 to 604800"),
        ("--ttl", "nan", "from 60 to 604800"),
        ("--ttl", "an hour", "from 60 to 604800"),
        ("--tries", "0", "from 1 to 10"),
        ("--tries", "1.5", "from 1 to 10"),
        ("--nats-replicas", "6", "from 1 to 5"),
        ("--max-jobs", "0", "from 1 to 1000000"),
        ("--max-tenant-jobs", "-1", "from 1 to 1000000"),
        ("--max-jobs-megabytes", "0", "from 1 to 1000000"),
        ("--max-tenant-megabytes", "inf", "from 1 to 1000000"),
        ("--max-megabytes", "26", "from 0.01 to 25"),
        ("--max-megapixels", "51", "from 0.01 to 50"),
    ],
)
def test_what_is_out_of_range_is_refused(
    flag: str, value: str, bounds: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        parse([f"{flag}={value}"])
    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert flag in said
    assert f"'{value}' is no number {bounds}" in said
    monkeypatch.setenv(f"FACEOFF_{flag[2:].replace('-', '_').upper()}", value)
    with pytest.raises(SystemExit):
        parse([])


@pytest.fixture(scope="module")
def small() -> Iterator[House]:
    rooms = Rooms(BoxDetector(1), NoiseAttacker(), LocalAmplifier(), FixedVerifier())
    limits = Limits(ttl=120.0)
    with house(lambda _: rooms, ByName(), limits=limits, largest=Largest(100_000, 76_800)) as small:
        yield small


def test_the_largest_photo(small: House, photo: bytes) -> None:
    pixels = picture(240, 321)
    wide = image.encode(pixels, Photo(pixels, "PNG", b""), Encoding())
    with closing(Client(small.grpc, "alice")) as client:
        fast = Request(Plan(iterations=1))
        job = client.submit(photo, fast)
        assert job.expires == pytest.approx(time.time() + 120, abs=30)
        for data, request, most in (
            (wide, fast, "0.0768 megapixels"),
            (photo, Request(fast.plan, terms=Terms((wide,))), "0.0768 megapixels"),
            (photo + bytes(100_000), fast, "0.1 MB"),
            (photo, Request(fast.plan, terms=Terms((bytes(100_001),))), "0.1 MB"),
        ):
            with pytest.raises(FaceOffError, match=f"at most {most} here") as caught:
                client.submit(data, request)
            assert caught.value.reason is Reason.IMAGE_TOO_LARGE
        client.wait(job.id)
