"""What exiftool finds in files, and what it may find in ours."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.unit.decoding.files import SECRET

PICTURE = {
    "SourceFile", "ExifTool:ExifToolVersion", "File:FileType", "File:FileTypeExtension", "File:MIMEType",
    "File:ImageWidth", "File:ImageHeight", "File:EncodingProcess", "File:BitsPerSample", "File:ColorComponents",
    "File:YCbCrSubSampling",
    "JFIF:JFIFVersion", "JFIF:ResolutionUnit", "JFIF:XResolution", "JFIF:YResolution",
    "PNG:ImageWidth", "PNG:ImageHeight", "PNG:BitDepth", "PNG:ColorType", "PNG:Compression", "PNG:Filter",
    "PNG:Interlace", "PNG:ProfileName",
    "RIFF:ImageWidth", "RIFF:ImageHeight", "RIFF:AlphaIsUsed", "RIFF:WebP_Flags",
    "Composite:ImageSize", "Composite:Megapixels",
}  # fmt: skip
"""What exiftool may say of a result, apart from its profile's numbers."""
NOTHING = ("", "Unknown ()", 0)
PROFILE = {
    "ProfileCMMType": NOTHING, "PrimaryPlatform": NOTHING, "DeviceManufacturer": NOTHING, "DeviceModel": NOTHING,
    "ProfileCreator": NOTHING, "ProfileID": NOTHING, "ProfileDescription": ("-",), "ProfileCopyright": ("-",),
    "ProfileDateTime": ("2000:01:01 00:00:00",),
}  # fmt: skip
"""What it may say of a profile where a profile could tell something."""


def exiftool(folder: Path) -> list[dict[str, object]]:
    program = shutil.which("exiftool")
    if not program:
        pytest.skip("exiftool is not installed (Debian: libimage-exiftool-perl)")
    command = [
        program,
        "-json",
        "-G0",
        "-a",
        "-u",
        "-U",
        "-ee",
        "-x",
        "System:all",
        *map(str, sorted(folder.iterdir())),
    ]
    told: list[dict[str, object]] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return told


def assert_nothing_but_the_picture(tags: dict[str, object]) -> None:
    assert {name for name in tags if not name.startswith("ICC_Profile:")} <= PICTURE
    for name, allowed in PROFILE.items():
        assert tags.get(f"ICC_Profile:{name}", allowed[0]) in allowed
    assert SECRET.decode() not in json.dumps(tags)
