"""The photo's door, with real files made here."""

import io
import logging
import struct
import time
import tracemalloc
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image, ImageCms
from PIL.JpegImagePlugin import JpegImageFile

from faceoff.errors import FaceOffError, Reason
from faceoff.image import MAX_BYTES, decode, encode, on_white, to_bytes
from faceoff.types import Encoding, Photo
from tests.unit.decoding.files import (
    SECRET,
    SIZE_BOMBS,
    chunk,
    mpo,
    pixels,
    png,
    save,
    smooth,
    srgb_profile,
    telling_files,
    thumbnail,
)

LOSSLESS = [Encoding("PNG"), Encoding("WEBP")]


def levels(photo: Photo) -> np.ndarray:
    return to_bytes(photo.pixels)


def refused(data: bytes) -> Reason:
    with pytest.raises(FaceOffError) as caught:
        decode(data)
    assert caught.value.hint
    assert caught.value.__cause__ is None
    return caught.value.reason


# What comes in


@pytest.mark.parametrize("format_name", ["PNG", "WEBP", "BMP", "TIFF"])
def test_colour(format_name: str) -> None:
    array = pixels()
    options = {"lossless": True} if format_name == "WEBP" else {}
    data = save(Image.fromarray(array), format_name, **options)
    photo = decode(data)
    assert (photo.format, photo.source, photo.grayscale, photo.warnings) == (format_name, data, False, ())
    assert photo.pixels.dtype == np.float32
    assert (photo.alpha, photo.icc) == (None, None)
    np.testing.assert_array_equal(levels(photo), array)


def test_jpeg() -> None:
    photo = decode(save(Image.fromarray(smooth()), "JPEG", quality=95, subsampling=0))
    assert photo.format == "JPEG"
    assert np.abs(levels(photo).astype(int) - smooth()).max() <= 6


@pytest.mark.parametrize("format_name", ["PNG", "JPEG", "BMP", "TIFF", "GIF"])
def test_grey(format_name: str) -> None:
    photo = decode(save(Image.fromarray(smooth()[..., 0]), format_name))
    assert photo.grayscale
    assert (np.ptp(photo.pixels, axis=2) == 0).all()


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_adobe_deflate", "packbits"])
def test_tiff_compressions(compression: str) -> None:
    data = save(Image.fromarray(pixels()), "TIFF", compression=compression)
    np.testing.assert_array_equal(levels(decode(data)), pixels())


def test_one_bit() -> None:
    array = pixels(channels=1) > 127
    photo = decode(save(Image.fromarray(array), "PNG"))
    assert photo.grayscale
    np.testing.assert_array_equal(levels(photo)[..., 0], np.where(array, 255, 0))


@pytest.mark.parametrize("format_name", ["PNG", "GIF", "BMP", "TIFF"])
def test_palette(format_name: str) -> None:
    image = Image.fromarray(smooth()).quantize(16)
    photo = decode(save(image, format_name))
    assert not photo.grayscale
    np.testing.assert_array_equal(levels(photo), np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("format_name", ["PNG", "GIF"])
def test_transparent_palette(format_name: str) -> None:
    image = Image.fromarray(smooth()).quantize(16)
    photo = decode(save(image, format_name, transparency=3))
    assert photo.alpha is not None
    np.testing.assert_array_equal(photo.alpha == 0, np.asarray(image) == 3)


@pytest.mark.parametrize("format_name", ["PNG", "WEBP", "TIFF"])
def test_alpha_is_kept_apart(format_name: str) -> None:
    array = pixels(channels=4)
    options = {"lossless": True, "exact": True} if format_name == "WEBP" else {}
    photo = decode(save(Image.fromarray(array), format_name, **options))
    assert photo.alpha is not None
    np.testing.assert_array_equal(photo.alpha, array[..., 3])
    np.testing.assert_array_equal(levels(photo), array[..., :3])


@pytest.mark.parametrize("extra_samples", [1, 2])
def test_grey_tiff_with_alpha(extra_samples: int) -> None:
    array = np.full((4, 6, 2), 255, np.uint8)
    array[:2] = (100, 200)
    tag = struct.pack("<HHI", 338, 3, 1)
    data = save(Image.fromarray(array), "TIFF")
    assert data.count(tag + b"\2") == 1
    photo = decode(data.replace(tag + b"\2", tag + bytes([extra_samples])))
    assert photo.grayscale
    assert photo.alpha is not None
    assert photo.alpha[0, 0] == 200
    assert levels(photo)[0, 0, 0] == (100 if extra_samples == 2 else 127)  # premultiplied: 100 / (200 / 255)


def test_full_alpha_is_no_alpha() -> None:
    array = pixels(channels=4)
    array[..., 3] = 255
    assert decode(save(Image.fromarray(array), "PNG")).alpha is None


def test_sixteen_bits_are_reduced_with_a_warning() -> None:
    values = np.array([[0, 256, 257, 32896, 65535]], np.uint16)
    photo = decode(png(5, 1, b"\0" + values.astype(">u2").tobytes(), depth=16, colour=0))
    assert photo.grayscale
    assert "8 bits" in photo.warnings[0]
    np.testing.assert_array_equal(levels(photo)[0, :, 0], [0, 1, 1, 128, 255])
    colour = decode(png(1, 1, b"\0" + struct.pack(">3H", 0x1234, 0xABCD, 0xFFFF), depth=16))
    assert "8 bits" in colour.warnings[0]
    assert levels(colour)[0, 0].tolist() == [0x12, 0xAB, 0xFF]
    tiff = decode(save(Image.fromarray(values.astype(np.int32)).convert("I;16"), "TIFF"))
    np.testing.assert_array_equal(levels(tiff), levels(photo))


def test_cmyk_is_converted_with_a_warning() -> None:
    cmyk = Image.fromarray(smooth()).convert("CMYK")
    photo = decode(save(cmyk, "JPEG", quality=98))
    assert "CMYK" in photo.warnings[0]
    assert np.abs(levels(photo).astype(int) - np.asarray(cmyk.convert("RGB"))).max() <= 10
    broken = decode(save(cmyk, "JPEG", quality=98, icc_profile=srgb_profile()))  # not a CMYK profile: not applied
    np.testing.assert_array_equal(levels(broken), levels(photo))
    assert broken.icc is None


@pytest.mark.parametrize("mode", ["F", "I", "LAB"])
def test_other_colour_formats_are_refused(mode: str) -> None:
    assert refused(save(Image.new(mode, (4, 4)), "TIFF")) is Reason.UNSUPPORTED_FORMAT


def test_of_a_phones_double_photo_the_first_is_taken() -> None:
    photo = decode(mpo())
    assert photo.format == "JPEG"
    assert "more than one picture" in photo.warnings[0]
    assert np.abs(levels(photo).astype(int) - smooth()).mean() < 5


# Orientation


@pytest.mark.parametrize("format_name", ["PNG", "JPEG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied(format_name: str, orientation: int) -> None:
    array = smooth()
    stored = {
        1: array,
        2: array[:, ::-1],
        3: array[::-1, ::-1],
        4: array[::-1],
        5: array.swapaxes(0, 1),
        6: array.swapaxes(0, 1)[::-1],
        7: array.swapaxes(0, 1)[::-1, ::-1],
        8: array.swapaxes(0, 1)[:, ::-1],
    }[orientation]
    every: dict[str, dict[str, object]] = {"JPEG": {"quality": 98, "subsampling": 0}, "WEBP": {"lossless": True}}
    options = every.get(format_name, {})
    exif = Image.Exif()
    exif[274] = orientation
    photo = decode(save(Image.fromarray(np.ascontiguousarray(stored)), format_name, exif=exif, **options))
    assert photo.pixels.shape == array.shape
    assert np.abs(levels(photo).astype(int) - array).max() <= (6 if format_name == "JPEG" else 0)
    again = decode(encode(photo.pixels, photo, Encoding()))
    np.testing.assert_array_equal(levels(again), levels(photo))


def test_alpha_turns_with_the_photo() -> None:
    exif = Image.Exif()
    exif[274] = 6
    photo = decode(save(Image.fromarray(pixels(channels=4)), "PNG", exif=exif))
    assert photo.alpha is not None
    np.testing.assert_array_equal(photo.alpha, np.rot90(pixels(channels=4)[..., 3], -1))


def test_broken_exif_does_not_matter() -> None:
    data = save(Image.fromarray(pixels()), "PNG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff" + bytes(9))
    np.testing.assert_array_equal(levels(decode(data)), pixels())


# What is refused


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0",
        b"Dear Sir or Madam,",
        b"%PDF-1.7",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"\0\0\0\x18ftypisom",
    ],
)
def test_other_files(data: bytes) -> None:
    assert refused(data) is Reason.UNSUPPORTED_FORMAT


def test_formats_that_pillow_reads_but_we_do_not() -> None:
    for format_name in ("PPM", "ICO", "TGA", "PCX", "JPEG2000", "DDS"):
        assert refused(save(Image.fromarray(pixels()), format_name)) is Reason.UNSUPPORTED_FORMAT


@pytest.mark.parametrize("format_name", ["PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.8])
def test_cut_off(format_name: str, share: float) -> None:
    data = save(Image.fromarray(pixels(40, 40)), format_name)
    assert refused(data[: int(len(data) * share)]) is Reason.IMAGE_CORRUPT


def test_damaged_in_the_middle() -> None:
    data = bytearray(save(Image.fromarray(pixels(40, 40)), "PNG"))
    data[len(data) // 2] ^= 0x55
    assert refused(bytes(data)) is Reason.IMAGE_CORRUPT


@pytest.mark.parametrize("format_name", ["GIF", "WEBP", "PNG", "TIFF"])
def test_several_frames(format_name: str) -> None:
    frames = [Image.fromarray(pixels(seed=seed)) for seed in range(3)]
    data = save(frames[0], format_name, save_all=True, append_images=frames[1:])
    assert refused(data) is Reason.ANIMATED_IMAGE


def test_a_gif_of_one_frame() -> None:
    assert decode(save(Image.fromarray(smooth()), "GIF", save_all=True)).format == "GIF"


def test_too_many_bytes() -> None:
    data = png(1, 1, b"\0abc") + bytes(MAX_BYTES)
    assert refused(data) is Reason.IMAGE_TOO_LARGE
    assert decode(data, max_bytes=len(data)).width == 1


@pytest.mark.parametrize(
    "data",
    SIZE_BOMBS,
    ids=lambda data: f"{len(data)} bytes",
)
@pytest.mark.filterwarnings("error")
def test_bombs_cost_nothing(data: bytes) -> None:
    refused(b"\x89PNG\r\n\x1a\n")
    tracemalloc.start()
    start = time.perf_counter()
    reason = refused(data)
    seconds = time.perf_counter() - start
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert reason is Reason.IMAGE_TOO_LARGE
    assert seconds < 0.5
    assert peak < 20e6


def test_text_and_profile_bombs_are_refused() -> None:
    bomb = zlib.compress(bytes(10**8))
    for name in (b"zTXt", b"iCCP"):
        data = png(1, 1, b"\0abc", extra=chunk(name, b"k\0\0" + bomb))
        tracemalloc.start()
        assert refused(data) is Reason.IMAGE_CORRUPT
        assert tracemalloc.get_traced_memory()[1] < 20e6
        tracemalloc.stop()


# What goes out


@pytest.mark.parametrize("encoding", LOSSLESS)
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_lossless_results_are_identical(channels: int, encoding: Encoding) -> None:
    photo = decode(save(Image.fromarray(pixels(channels=channels)), "PNG"))
    data = encode(photo.pixels, photo, encoding)
    again = decode(data)
    np.testing.assert_array_equal(levels(again), levels(photo))
    np.testing.assert_array_equal(again.alpha, photo.alpha)
    assert (again.alpha is None) == (channels in (1, 3))
    if encoding.format == "PNG":
        assert Image.open(io.BytesIO(data)).mode == ("L", "LA", "RGB", "RGBA")[channels - 1]
        assert again.grayscale == photo.grayscale


def test_levels_round_to_the_nearest() -> None:
    every = np.arange(256, dtype=np.float32)
    for near in (every / 255, (every + 0.49) / 255, (every - 0.49) / 255):
        np.testing.assert_array_equal(to_bytes(near.astype(np.float32)), every)
    np.testing.assert_array_equal(to_bytes(np.array([-3, 7], np.float32)), [0, 255])


def test_jpeg_has_full_colour_resolution() -> None:
    photo = decode(save(Image.fromarray(smooth()), "PNG"))
    image = Image.open(io.BytesIO(encode(photo.pixels, photo, Encoding("JPEG", 90))))
    assert image.format == "JPEG"
    assert isinstance(image, JpegImageFile)
    assert {part[1:3] for part in image.layer} == {(1, 1)}
    sizes = [len(encode(photo.pixels, photo, Encoding("JPEG", quality))) for quality in (30, 95)]
    assert sizes[0] < sizes[1]


def test_grey_jpeg_stays_grey() -> None:
    photo = decode(save(Image.fromarray(smooth()[..., 0]), "PNG"))
    assert decode(encode(photo.pixels, photo, Encoding("JPEG"))).grayscale


def test_jpeg_of_a_transparent_photo_is_on_white() -> None:
    array = np.zeros((16, 32, 4), np.uint8)
    array[:, 16:, 3] = 255
    photo = decode(save(Image.fromarray(array), "PNG"))
    result = levels(decode(encode(photo.pixels, photo, Encoding("JPEG", 100))))
    assert result[:, :15].min() > 250
    assert result[:, 17:].max() < 5
    assert photo.alpha is not None
    np.testing.assert_array_equal(on_white(photo.pixels, photo.alpha)[0, 0], [1, 1, 1])


@pytest.mark.parametrize(
    "encoding", [Encoding("BMP"), Encoding("png"), Encoding("JPEG", 0), Encoding("JPEG", 101), Encoding("")]
)
def test_encodings_that_do_not_exist(encoding: Encoding) -> None:
    photo = decode(save(Image.fromarray(pixels()), "PNG"))
    with pytest.raises(FaceOffError) as caught:
        encode(photo.pixels, photo, encoding)
    assert caught.value.reason is Reason.INVALID_ARGUMENT


def test_webp_has_a_limit_of_its_own() -> None:
    photo = decode(save(Image.new("L", (16384, 1)), "PNG"))
    with pytest.raises(FaceOffError, match="16383"):
        encode(photo.pixels, photo, Encoding("WEBP"))


def test_pixels_of_another_size() -> None:
    photo = decode(save(Image.fromarray(pixels()), "PNG"))
    with pytest.raises(FaceOffError):
        encode(photo.pixels[1:], photo, Encoding())


# What must not go through


@pytest.mark.parametrize("encoding", [*LOSSLESS, Encoding("JPEG")])
def test_nothing_but_the_picture_goes_through(encoding: Encoding) -> None:
    container = set(Image.open(io.BytesIO(save(Image.new("RGB", (2, 2)), encoding.format))).info)
    for data in telling_files():
        photo = decode(data)
        result = encode(photo.pixels, photo, encoding)
        assert SECRET not in result
        assert thumbnail()[:200] not in result
        image = Image.open(io.BytesIO(result))
        assert not image.getexif()
        assert set(image.info) <= container | {"icc_profile"}


def test_the_thumbnail_of_the_test_is_really_there() -> None:
    data = next(telling_files())
    assert thumbnail() in data
    assert Image.open(io.BytesIO(data)).getexif().get_ifd(ExifTags.IFD.IFD1)[0x202] == len(thumbnail())


@pytest.mark.parametrize("encoding", [*LOSSLESS, Encoding("JPEG")])
def test_a_plain_profile_is_kept_beside_untouched_pixels(encoding: Encoding) -> None:
    photo = decode(save(Image.fromarray(smooth()), "PNG", icc_profile=srgb_profile()))
    assert photo.icc is not None
    assert len(photo.icc) < len(srgb_profile())
    np.testing.assert_array_equal(levels(photo), smooth())
    assert decode(encode(photo.pixels, photo, encoding)).icc == photo.icc
    assert photo.warnings == ()


def test_other_profiles_are_applied() -> None:
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    for profile in (lab, b"nonsense", srgb_profile()[:200]):
        photo = decode(save(Image.fromarray(smooth()), "PNG", icc_profile=profile))
        assert photo.icc is None
        assert "dropped" in photo.warnings[0]
        np.testing.assert_array_equal(levels(photo), smooth())


def test_a_table_profile_is_applied() -> None:
    """sRGB's own numbers plus a table: no longer a plain profile, but still one that can be applied."""
    profile = bytearray(srgb_profile())
    count = struct.unpack_from(">I", profile, 128)[0]
    names = [bytes(profile[132 + 12 * index : 136 + 12 * index]) for index in range(count)]
    at = 132 + 12 * names.index(b"cprt")
    profile[at : at + 4] = b"A2B0"  # lcms falls back to the primaries when the table's type is unknown
    photo = decode(save(Image.fromarray(smooth()), "PNG", icc_profile=bytes(profile)))
    assert photo.icc is None
    assert len(photo.warnings) == 1


def test_nothing_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for data in telling_files():
        decode(data)
        refused(data[: len(data) // 3])
    assert caplog.text == ""


# Whatever comes


SEEDS = [
    save(Image.fromarray(smooth()), "PNG"),
    save(Image.fromarray(smooth()), "JPEG", progressive=True, icc_profile=srgb_profile()),
    save(Image.fromarray(smooth()), "WEBP"),
    save(Image.fromarray(smooth()), "GIF"),
    save(Image.fromarray(smooth()), "BMP"),
    save(Image.fromarray(smooth()), "TIFF", compression="tiff_lzw"),
    save(Image.fromarray(smooth()), "TIFF", icc_profile=srgb_profile()),
    mpo(),
    *telling_files(),
]


@pytest.mark.filterwarnings("ignore")
@settings(max_examples=400, deadline=None, derandomize=True)
@given(
    st.sampled_from(SEEDS),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.binary(min_size=1, max_size=4)), max_size=6),
    st.floats(0.2, 1),
)
def test_mutated_files_are_read_or_refused(seed: bytes, edits: list[tuple[float, bytes]], share: float) -> None:
    data = bytearray(seed)
    for place, patch in edits:
        # Most of what breaks a parser is near the front.
        at = int(place * place * len(data))
        data[at : at + len(patch)] = patch
    read_or_refused(bytes(data[: int(len(data) * share) + 1]))


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    st.sampled_from(
        [b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF89a", b"BM", b"II*\0", b"MM\0*", b"RIFF\0\0\0\0WEBPVP8X"]
    ),
    st.binary(max_size=300),
)
def test_random_bytes_are_refused(magic: bytes, rest: bytes) -> None:
    read_or_refused(magic + rest)


def read_or_refused(data: bytes) -> None:
    try:
        photo = decode(data)
    except FaceOffError:
        return
    assert photo.pixels.min() >= 0
    assert photo.pixels.max() <= 1
