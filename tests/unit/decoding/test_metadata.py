"""Nothing but the picture and a rebuilt profile is in what is written, say exiftool and a reader of our own."""

import io
import struct
from pathlib import Path

import pytest
from PIL import Image

from faceoff.image import decode, encode
from faceoff.types import Encoding
from tests.unit.decoding.exiftool import PICTURE, assert_nothing_but_the_picture, exiftool
from tests.unit.decoding.files import HEIC, SECRET, jpeg_segment, png, save, smooth, telling_files, thumbnail
from tests.unit.decoding.traces import traces

ENCODINGS = [Encoding("PNG"), Encoding("JPEG"), Encoding("WEBP")]


def results(encoding: Encoding) -> list[bytes]:
    files = [*telling_files(), HEIC] if heic() else list(telling_files())
    photos = [decode(data) for data in files]
    return [encode(photo.pixels, photo, encoding) for photo in photos]


def heic() -> bool:
    try:
        import pillow_heif  # noqa: F401
    except ImportError:
        return False
    return True


@pytest.mark.parametrize("encoding", ENCODINGS, ids=lambda encoding: encoding.format)
def test_results_hold_nothing_but_the_picture(encoding: Encoding) -> None:
    for data in results(encoding):
        assert traces(data) == []
        assert SECRET not in data
        assert thumbnail()[:200] not in data


@pytest.mark.parametrize("encoding", ENCODINGS, ids=lambda encoding: encoding.format)
def test_exiftool_finds_no_metadata(encoding: Encoding, tmp_path: Path) -> None:
    made = results(encoding)
    for number, data in enumerate(made):
        (tmp_path / f"{number}.{encoding.format.lower()}").write_bytes(data)
    told = exiftool(tmp_path)
    assert len(told) == len(made)
    for tags in told:
        assert_nothing_but_the_picture(tags)


def test_exiftool_and_our_reader_do_find_what_is_there(tmp_path: Path) -> None:
    files = list(telling_files())
    for number, data in enumerate(files):
        (tmp_path / str(number)).write_bytes(data)
    for tags in exiftool(tmp_path):
        assert {name for name in tags if not name.startswith("ICC_Profile:")} - PICTURE
    readable = [data for data in files if data.startswith((b"\xff\xd8", b"\x89PNG", b"RIFF"))]
    assert len(readable) == 5
    assert all(map(traces, readable))


def test_our_reader_knows_every_place() -> None:
    image = Image.fromarray(smooth())
    jpeg, webp = save(image, "JPEG"), save(image, "WEBP")
    assert traces(jpeg) == traces(webp) == traces(png(1, 1, b"\0abc")) == []
    assert traces(save(image, "JPEG", comment=b"x")) == [b"comment"]
    with_thumbnail = jpeg_segment(0xE0, b"JFIF\0\1\1\0\0\1\0\1\1\1abc")
    assert traces(jpeg[:2] + with_thumbnail + jpeg[2:]) == [b"APP0"]
    for data in (jpeg, webp, png(1, 1, b"\0abc")):
        assert traces(data + b"x") == [b"behind the end"]
    exif = Image.Exif()
    exif[270] = "x"
    assert traces(save(image, "WEBP", exif=exif)) == [b"EXIF"]
    assert traces(save(image, "PNG", exif=exif)) == [b"eXIf"]
    assert Image.open(io.BytesIO(jpeg)).info["jfif"] == struct.unpack(">H", b"\1\1")[0]
