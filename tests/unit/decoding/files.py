"""Photos made here: ordinary ones, ones that tell, and ones that are not what they seem."""

import base64
import io
import struct
import zlib
from collections.abc import Iterator

import numpy as np
from PIL import Image, ImageCms
from PIL.TiffImagePlugin import ImageFileDirectory_v2

SECRET = b"Anna was here"


def pixels(height: int = 12, width: int = 20, channels: int = 3, seed: int = 0) -> np.ndarray:
    shape = (height, width, channels) if channels > 1 else (height, width)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def smooth(height: int = 24, width: int = 32) -> np.ndarray:
    """What JPEG keeps nearly as it is."""
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([80 + 4 * x, 60 + 5 * y, 200 - 2 * x - 2 * y], axis=2).astype(np.uint8)


def save(image: Image.Image, format_name: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, format_name, **options)
    return file.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, rows: bytes, depth: int = 8, colour: int = 2, extra: bytes = b"") -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + extra + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def mpo() -> bytes:
    return save(Image.fromarray(smooth()), "MPO", save_all=True, append_images=[Image.new("RGB", (32, 24))])


def riff(chunks: bytes) -> bytes:
    return b"RIFF" + struct.pack("<I", len(chunks) + 4) + b"WEBP" + chunks


def webp_canvas(side: int) -> bytes:
    inner = save(Image.new("RGB", (8, 8)), "WEBP", lossless=True)[12:]
    measure = struct.pack("<I", side - 1)[:3]
    return riff(b"VP8X" + struct.pack("<IB3x", 10, 0) + measure * 2 + inner)


def bmp(width: int, height: int) -> bytes:
    return b"BM" + struct.pack("<IHHIIiiHHIIiiII", 0, 0, 0, 54, 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)


def tiff_with_a_giant_tile() -> bytes:
    tags = ImageFileDirectory_v2()
    for number, value in {256: 16, 257: 16, 258: (8, 8, 8), 259: 8, 262: 2, 277: 3, 322: 30000, 323: 30000}.items():
        tags[number] = value
    tags[324], tags[325] = 500, 1000
    file = io.BytesIO()
    file.write(b"II*\0" + struct.pack("<I", 8))
    tags.save(file)
    return file.getvalue().ljust(500, b"\0") + zlib.compress(bytes(10**6))


def many_scans() -> bytes:
    data = save(Image.new("L", (1000, 1000)), "JPEG", progressive=True)
    scan = data[data.rindex(b"\xff\xda") : -2]
    return data[:-2] + scan * 200 + data[-2:]


def jpeg_header(width: int, height: int) -> bytes:
    data = bytearray(save(Image.new("RGB", (8, 8)), "JPEG"))
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = struct.pack(">HH", height, width)
    return bytes(data)


def gif_frame(width: int, height: int) -> bytes:
    """A small screen with a frame that is far larger."""
    data = bytearray(save(Image.fromarray(smooth()), "GIF"))
    at = data.index(b",\0\0\0\0") + 5
    data[at : at + 4] = struct.pack("<HH", width, height)
    return bytes(data)


def srgb_profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def thumbnail() -> bytes:
    return save(Image.fromarray(pixels(8, 8)), "JPEG")


def add_thumbnail(block: bytes, preview: bytes) -> bytes:
    """An EXIF block with a second directory that holds a picture, as cameras write it."""
    order = ">" if block[:2] == b"MM" else "<"
    first = struct.unpack_from(order + "I", block, 4)[0]
    count = struct.unpack_from(order + "H", block, first)[0]
    link = first + 2 + 12 * count
    second = struct.pack(order + "H", 2)
    second += struct.pack(order + "HHII", 0x201, 4, 1, len(block) + 30)
    second += struct.pack(order + "HHII", 0x202, 4, 1, len(preview)) + bytes(4)
    return block[:link] + struct.pack(order + "I", len(block)) + block[link + 4 :] + second + preview


def more_jpeg_segments(data: bytes, secret: bytes = SECRET, extension: bytes = SECRET) -> bytes:
    """With IPTC in a Photoshop block, XMP in its extended form, a second comment and a maker's own segment."""
    iptc = b"\x1c\x02\x78" + struct.pack(">H", len(secret)) + secret
    photoshop = b"Photoshop 3.0\x008BIM\x04\x04\0\0" + struct.pack(">I", len(iptc)) + iptc + bytes(len(iptc) % 2)
    extended = b"http://ns.adobe.com/xmp/extension/\0" + b"0" * 32 + struct.pack(">II", len(extension), 0) + extension
    segments = {0xED: photoshop, 0xE1: extended, 0xFE: secret, 0xEF: secret}
    return data[:2] + b"".join(jpeg_segment(*each) for each in segments.items()) + data[2:]


def jpeg_segment(marker: int, body: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body


def telling_files() -> Iterator[bytes]:
    """Files that carry a thumbnail, a comment and texts in every place there is."""
    image = Image.fromarray(smooth())
    exif = Image.Exif()
    exif[270] = SECRET.decode()
    exif[0x9C9B] = SECRET
    block = add_thumbnail(exif.tobytes()[6:], thumbnail())
    telling = b"Exif\0\0" + block
    xmp = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'>" + SECRET + b"</x:xmpmeta>"
    yield save(image, "JPEG", exif=telling, comment=SECRET, xmp=xmp, icc_profile=srgb_profile()) + SECRET
    yield save(image, "WEBP", lossless=True, exif=telling, xmp=xmp, icc_profile=srgb_profile())
    yield save(image, "TIFF", tiffinfo={270: SECRET.decode(), 700: xmp}, icc_profile=srgb_profile())
    yield save(image, "GIF", comment=SECRET)
    yield save(image, "AVIF", exif=telling, xmp=xmp, icc_profile=srgb_profile())
    yield more_jpeg_segments(save(image, "JPEG"))
    yield save(image, "MPO", save_all=True, append_images=[Image.fromarray(pixels(24, 32))], exif=telling)
    text = chunk(b"tEXt", b"Comment\0" + SECRET) + chunk(b"zTXt", b"Comment\0\0" + zlib.compress(SECRET))
    text += chunk(b"iTXt", b"Comment\0\0\0\0\0" + SECRET) + chunk(b"eXIf", block)
    text += chunk(b"tIME", struct.pack(">H5B", 1999, 12, 31, 23, 59, 59)) + chunk(b"prVt", SECRET)
    yield png(32, 24, b"".join(b"\0" + row.tobytes() for row in smooth()), extra=text)


SIZE_BOMBS = [
    png(30000, 30000, bytes(10**7)),
    png(12000, 12000, bytes(10**7)),
    png(16385, 10, bytes(10**6)),
    png(10, 16385, bytes(10**6)),
    png(7072, 7072, bytes(10**6)),
    png(2**31 - 1, 2**31 - 1, b""),
    webp_canvas(30000),
    bmp(20000, 20000),
    bmp(20000, -20000),
    jpeg_header(60000, 60000),
    gif_frame(60000, 60000),
    tiff_with_a_giant_tile(),
    many_scans(),
]

# smooth() by libheif's encoder, which is not among the packages that reading needs: with SECRET as EXIF and XMP, stored
# on its side, and twice in one file.
HEIC = base64.b64decode(
    "AAAAHGZ0eXBoZWljAAAAAG1pZjFoZWljbWlhZgAAAfNtZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAAAAAAAAAAAAAEZpbG9jAA"
    "AAAERAAAMAAQAAAAACFwABAAAAAAAAAHwAAgAAAAACkwABAAAAAAAAADIAAwAAAAACxQABAAAAAAAAACQAAABiaWluZgAAAAAAAwAAABVpbmZl"
    "AgAAAAABAABodmMxAAAAABVpbmZlAgAAAQACAABFeGlmAAAAACppbmZlAgAAAQADAABtaW1lAGFwcGxpY2F0aW9uL3JkZit4bWwAAAAAAA5waX"
    "RtAAAAAAABAAAA6GlwcnAAAADJaXBjbwAAAHVodmNDAQNwAAAAkAAAAAAAHvAA/P34+AAADwNgAAEAGEABDAH//wNwAAADAJAAAAMAAAMAHroC"
    "QGEAAQApQgEBA3AAAAMAkAAAAwAAAwAeoCCBBZbqrprm4CGgwIAAAAyAAAADAIRiAAEABkQBwXPBiQAAABRpc3BlAAAAAAAAAEAAAABAAAAAKG"
    "NsYXAAAAAgAAAAAQAAABgAAAAB////4AAAAAL////YAAAAAgAAABBwaXhpAAAAAAMICAgAAAAXaXBtYQAAAAAAAAABAAEEgQIEgwAAAChpcmVm"
    "AAAAAAAAAA5jZHNjAAIAAQABAAAADmNkc2MAAwABAAEAAADabWRhdAAAAHgoAa8JyGvsKj4Dv3Fo5JlKcrSKA4UoHTz+VhLtJlDrzu2Ak4a2BB"
    "J/lYZVGDKi5g3tA6D/PIzb6OtVaTRSO0S4u1097TvsrlG2o+5Vq6nKKwwybtp2j13TSQJdcbf0vg9BohawXczGY1UkrIhmQ++gylrNTMyeKF8A"
    "AAAGRXhpZgAATU0AKgAAAAgAAQEOAAIAAAAOAAAAGgAAAABBbm5hIHdhcyBoZXJlADx4OnhtcG1ldGE+QW5uYSB3YXMgaGVyZTwveDp4bXBtZX"
    "RhPg=="
)
HEIC_TURNED = base64.b64decode(
    "AAAAHGZ0eXBoZWljAAAAAG1pZjFoZWljbWlhZgAAAbNtZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAAAAAAAAAAAAADRpbG9jAA"
    "AAAERAAAIAAQAAAAAB1wABAAAAAAAAAHwAAgAAAAACUwABAAAAAAAAACQAAAA4aWluZgAAAAAAAgAAABVpbmZlAgAAAAABAABodmMxAAAAABVp"
    "bmZlAgAAAQACAABFeGlmAAAAAA5waXRtAAAAAAABAAAA8mlwcnAAAADSaXBjbwAAAHVodmNDAQNwAAAAkAAAAAAAHvAA/P34+AAADwNgAAEAGE"
    "ABDAH//wNwAAADAJAAAAMAAAMAHroCQGEAAQApQgEBA3AAAAMAkAAAAwAAAwAeoCCBBZbqrprm4CGgwIAAAAyAAAADAIRiAAEABkQBwXPBiQAA"
    "ABRpc3BlAAAAAAAAAEAAAABAAAAAKGNsYXAAAAAgAAAAAQAAABgAAAAB////4AAAAAL////YAAAAAgAAABBwaXhpAAAAAAMICAgAAAAJaXJvdA"
    "MAAAAYaXBtYQAAAAAAAAABAAEFgQIEg4UAAAAaaXJlZgAAAAAAAAAOY2RzYwACAAEAAQAAAKhtZGF0AAAAeCgBrwnIa+wqPgO/cWjkmUpytIoD"
    "hSgdPP5WEu0mUOvO7YCThrYEEn+VhlUYMqLmDe0DoP88jNvo61VpNFI7RLi7XT3tO+yuUbaj7lWrqcorDDJu2naPXdNJAl1xt/S+D0GiFrBdzM"
    "ZjVSSsiGZD76DKWs1MzJ4oXwAAAAZFeGlmAABNTQAqAAAACAABARIAAwAAAAEABgAAAAAAAA=="
)
HEIC_SEVERAL = base64.b64decode(
    "AAAAHGZ0eXBoZWljAAAAAG1pZjFoZWljbWlhZgAAAZZtZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAAAAAAAAAAAAADRpbG9jAA"
    "AAAERAAAIAAQAAAAABugABAAAAAAAAAHwAAgAAAAACNgABAAAAAAAAAHwAAAA4aWluZgAAAAAAAgAAABVpbmZlAgAAAAABAABodmMxAAAAABVp"
    "bmZlAgAAAAACAABodmMxAAAAAA5waXRtAAAAAAABAAAA72lwcnAAAADJaXBjbwAAAHVodmNDAQNwAAAAkAAAAAAAHvAA/P34+AAADwNgAAEAGE"
    "ABDAH//wNwAAADAJAAAAMAAAMAHroCQGEAAQApQgEBA3AAAAMAkAAAAwAAAwAeoCCBBZbqrprm4CGgwIAAAAyAAAADAIRiAAEABkQBwXPBiQAA"
    "ABRpc3BlAAAAAAAAAEAAAABAAAAAKGNsYXAAAAAgAAAAAQAAABgAAAAB////4AAAAAL////YAAAAAgAAABBwaXhpAAAAAAMICAgAAAAeaXBtYQ"
    "AAAAAAAAACAAEEgQIEgwACBIECBIMAAAEAbWRhdAAAAHgoAa8JyGvsKj4Dv3Fo5JlKcrSKA4UoHTz+VhLtJlDrzu2Ak4a2BBJ/lYZVGDKi5g3t"
    "A6D/PIzb6OtVaTRSO0S4u1097TvsrlG2o+5Vq6nKKwwybtp2j13TSQJdcbf0vg9BohawXczGY1UkrIhmQ++gylrNTMyeKF8AAAB4KAGvCchr7C"
    "o+A79xaOSZSnK0igOFKB08/lYS7SZQ687tgJOGtgQSf5WGVRgyouYN7QOg/zyM2+jrVWk0UjtEuLtdPe077K5RtqPuVaupyisMMm7ado9d00kC"
    "XXG39L4PQaIWsF3MxmNVJKyIZkPvoMpazUzMnihf"
)
