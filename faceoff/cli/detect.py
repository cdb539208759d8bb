"""``faceoff detect``: which faces a photo has, with the numbers that --face takes."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from faceoff import image
from faceoff.cli import exits, inputs, output
from faceoff.cli.parts import Parts
from faceoff.errors import FaceOffError
from faceoff.pipeline import pick
from faceoff.rooms import Detector
from faceoff.types import Crop

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]


def add(commands: Commands) -> None:
    parser = commands.add_parser(
        "detect",
        help="list the faces of photos",
        description="Lists the faces of each photo, the largest first, with the numbers that `protect --face` takes.",
        epilog=f"examples:\n  faceoff detect holiday.jpg\n  faceoff detect album/ --json\n\n{exits.HELP}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run, parser=parser)
    parser.add_argument(
        "photos", nargs="+", metavar="PHOTO", help="a photo, a folder, a pattern, or - for standard input"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object per photo on standard output")


def run(options: argparse.Namespace, parts: Parts) -> int:
    sources = inputs.expand(options.photos)
    detector = parts.detector()
    return exits.of_batch([_one(source, detector, options.json) for source in sources])


def _one(source: inputs.Source, detector: Detector, as_json: bool) -> int:
    try:
        crops = pick(detector.detect(image.decode(source.read())), ())
    except FaceOffError as error:
        output.complain(f"faceoff: {source.name}", error)
        if as_json:
            output.say_json(output.error_json(source.name, error))
        return exits.of_error(error)
    if as_json:
        output.say_json({"photo": source.name, "faces": [_json(number, crop) for number, crop in enumerate(crops)]})
    else:
        lines = [f"  face {number}: {_words(crop)}" for number, crop in enumerate(crops)]
        output.say("\n".join([output.printable(source.name), *lines]))
    return exits.DONE


def _json(number: int, crop: Crop) -> dict[str, object]:
    face = crop.face
    return {
        "face": number,
        "box": output.box_json(face.box),
        "landmarks": [[round(float(x), 1), round(float(y), 1)] for x, y in face.landmarks],
        "score": round(face.score, 4),
    }


def _words(crop: Crop) -> str:
    box = crop.face.box
    return f"{box.width:.0f} x {box.height:.0f} at ({box.x:.0f}, {box.y:.0f}), score {crop.face.score:.3f}"
