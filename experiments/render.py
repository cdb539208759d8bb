"""python -m experiments.render: docs/experiments.md and docs/paper.md from the results files. Nothing in them is typed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments.paper import render as paper
from faceoff import files
from faceoff.types import Plan

ROOT = Path(__file__).parent.parent
PAGES = ROOT / "docs"

INTRODUCTION = """# Experiments

Rendered from `experiments/results/` by `python -m experiments.render`; nothing here is typed.

## What is measured

- Every ordered pair (source, target) of a folder's people; each of a source's pairs attacks another of its photos as far as
  there are enough. The photo under attack is in no gallery. Without targets a photo that would come again is left out.
- The attack knows nobody else (`none`), the source's other photos alone (`self`), the target and everybody's other photos
  (`pair`, the paper's setting), all people but the source (`auto`), or those and the source's other photos (`own`). As in the
  paper, these are the photos that are in the victims' galleries too.
- Victims took no part in the mask. They are given the encoded result: as PNG, as JPEG of quality 75 with 4:2:0 colour
  (`jpeg75`), and at half resolution (`half`). The face is found anew in each. A face that is not found is counted under *no
  face*, is in every n, and is never a success.
- **U**: the nearest person is no longer the source, by the distance to each person's centroid and by the mean distance to
  each person's photos. **T**: the nearest person is the target.
- **PSR**: of the pairs (masked photo, another photo of the same person), how many are farther apart than the victim's
  threshold at a false accept rate of 1 %. **self**: the same against the very original. **distance**: the mean distance to
  the person's other photos, in thresholds.
- `clean` is the photo without a mask, sent the same way. `white` and `spectrum` are noise of the mask's RMS on the face in
  the mask's window: white, and with the mask's own spectrum and random phases. `chance` is a guess among the labels, and for
  PSR a stranger.
- *around it* is the mask's window (a square around the face that fades out) without the box that the detector found.
- Shares are in percent with their Wilson 95 % interval over the faces. The pairs of one face are not independent, so PSR's
  interval takes each face once; the faces of one person are not quite independent either.
- `tune`: the sources are the first half of the people in alphabetical order, on whom choices were made; `report`: the other
  half; `all`: everybody. All people are in every gallery.
"""


def transfer(results: Mapping[str, Any]) -> str:
    """One experiment as a heading, its facts and its table."""
    targeted = results["targets"] == "pair"
    mask = results["size"]["mask"]
    shares = ["U centroid", "U mean", *(["T centroid", "T mean"] if targeted else []), "PSR", "self"]
    keys = ["u_centroid", "u_mean", *(["t_centroid", "t_mean"] if targeted else []), "psr", "self"]
    lines = [
        f"`{results['command']}`",
        "",
        f"- {results['faces']} faces of {results['sources']} sources (split `{results['split']}`), {results['labels']} "
        f"labels, targets `{results['targets']}`; a face was found in {results['photos'] - results['photos_without_face']} "
        f"of {results['photos']} photos",
        f"- plan: {_plan(results['plan'])}",
        f"- {_size(mask)}{_controls(results['size'])}",
        f"- goal reached on the surrogates: {_share(results['reached'])} %; {results['iterations']:g} iterations",
        f"- {results['date']}, code {', '.join(results['commits'])}, "
        + ", ".join(f"{name} {version}" for name, version in results["versions"].items()),
        "",
    ]
    rows = []
    for victim, conditions in results["victims"].items():
        for name, forms in conditions.items():
            for form, counted in forms.items():
                ratio = "" if counted["ratio"] is None else f"{counted['ratio']:.2f}"
                rows.append(
                    [
                        victim,
                        name,
                        form,
                        *(_share(counted[key]) for key in keys),
                        ratio,
                        _faceless(counted),
                        _n(counted),
                    ]
                )
    chance = results["chance"]
    guesses = {"u": chance["u"], "t": chance["t"], "p": chance["psr"], "s": chance["psr"]}
    rows.append(["", "chance", "", *(f"{guesses[key[0]]:g}" for key in keys), "", "", ""])
    return "\n".join(lines) + "\n" + _table(["victim", "what", "as", *shares, "distance", "no face", "n"], rows)


def ablation(results: Mapping[str, Any]) -> str:
    """One row a variant: on each victim that took no part the share U by centroid as PNG, JPEG and half size, and PSR."""
    victims = list(next(iter(results["variants"].values())))
    header = ["variant", "RMS", "SSIM"]
    header += [f"{victim}: {what}" for victim in victims for what in ("U", "jpeg75", "half", "PSR", "distance")]
    rows = []
    for name, folds in results["variants"].items():
        masks = [fold["size"]["mask"] for fold in folds.values()]
        row = [
            name,
            f"{_mean(mask['rms_mean'] for mask in masks):.2f}",
            f"{_mean(mask['ssim_mean'] for mask in masks):.3f}",
        ]
        for victim in victims:
            forms = folds[victim]["victims"][victim]["mask"]
            row += [_share(forms[form]["u_centroid"]) for form in ("png", "jpeg75", "half")]
            row += [_share(forms["png"]["psr"]), f"{forms['png']['ratio'] or 0:.2f}"]
        worst = min(folds[victim]["victims"][victim]["mask"]["png"]["u_centroid"][0] for victim in victims)
        mean = _mean(folds[victim]["victims"][victim]["mask"]["png"]["u_centroid"][0] for victim in victims)
        rows.append([*row, f"{mean:.1f}", f"{worst:.1f}"])
    faces = {fold["faces"] for folds in results["variants"].values() for fold in folds.values()}
    commits = sorted({c for folds in results["variants"].values() for fold in folds.values() for c in fold["commits"]})
    plans = [f"- {name}: {_plan(next(iter(folds.values()))['plan'])}" for name, folds in results["variants"].items()]
    lines = [
        f"`{results['command']}`",
        "",
        f"- split `{results['split']}`; each victim judges masks computed on the other two networks; "
        f"n = {', '.join(map(str, sorted(faces)))} faces a victim",
        f"- {results['date']}, code {', '.join(commits)}",
        *plans,
        "",
    ]
    return "\n".join(lines) + "\n" + _table([*header, "mean U", "worst U"], rows)


def universal(results: Mapping[str, Any]) -> str:
    """Masks for a person: their facts and one table, the photos that they were learnt from apart."""
    learnt, others = results["learnt"], results["others"]
    mask = others["size"]["mask"]
    lines = [
        f"`{results['command']}`",
        "",
        f"- one mask a person from {results['known']} photos, towards all {others['labels'] - 1} others (split "
        f"`{others['split']}`); {others['faces']} faces of {others['sources']} people in photos that it was not learnt from",
        f"- plan: {_plan(others['plan'])}",
        f"- {_size(mask)}",
        f"- goal reached on the surrogates on {learnt['reached']} of the {learnt['photos']} photos learnt from; "
        f"{learnt['seconds_a_person']:g} s of learning a person",
        f"- {results['date']}, code {', '.join(others['commits'])}, "
        + ", ".join(f"{name} {version}" for name, version in results["versions"].items()),
        "",
    ]
    rows = [
        [
            victim,
            what,
            form,
            *(_share(counted[key]) for key in ("u_centroid", "u_mean", "psr", "self")),
            "" if counted["ratio"] is None else f"{counted['ratio']:.2f}",
            _faceless(counted),
            _n(counted),
        ]
        for victim in others["victims"]
        for what, part, name in (
            ("clean", others, "clean"),
            ("mask, other photos", others, "mask"),
            ("mask, photos learnt from", results["known_photos"], "mask"),
        )
        for form, counted in part["victims"][victim][name].items()
    ]
    header = ["victim", "what", "as", "U centroid", "U mean", "PSR", "self", "distance", "no face", "n"]
    return "\n".join(lines) + "\n" + _table(header, rows)


def _mean(values: Any) -> float:
    listed = list(values)
    return float(sum(listed) / len(listed))


def _share(share: Sequence[float]) -> str:
    value, low, high = share
    return f"{value:.1f} ({low:.0f}-{high:.0f})"


def _faceless(counted: Mapping[str, Any]) -> str:
    return str(counted["no_face"])


def _n(counted: Mapping[str, Any]) -> str:
    return f"{counted['n']} ({counted['psr_pairs']} pairs)"


def _size(mask: Mapping[str, float]) -> str:
    return (
        f"on the face: RMS {mask['rms_mean']:.2f} (at most {mask['rms_max']:.2f}) of 255, SSIM {mask['ssim_mean']:.3f} "
        f"(at least {mask['ssim_min']:.3f}); around it: RMS {mask['rms_around_mean']:.2f} "
        f"(at most {mask['rms_around_max']:.2f})"
    )


def _controls(sizes: Mapping[str, Any]) -> str:
    others = [f"{name} {size['rms_mean']:.2f}" for name, size in sizes.items() if name != "mask"]
    return f"; noise: RMS {', '.join(others)}" if others else ""


def _plan(plan: Mapping[str, Any]) -> str:
    """What the plan is and where it differs from the default one."""
    usual = Plan()
    always = ("method", "loss", "surrogates", "iterations", "seed")
    shown = {key: value for key, value in plan.items() if key in always or str(value) != str(getattr(usual, key, None))}

    def words(value: object) -> str:
        return (
            "+".join(value)
            if isinstance(value, list | tuple)
            else f"{value:g}"
            if isinstance(value, float)
            else str(value)
        )

    return ", ".join(f"{key} {words(value)}" for key, value in shown.items())


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


RENDERERS = {"transfer": transfer, "ablation": ablation, "universal": universal}


def page(folder: Path) -> str:
    """The whole page, a section for each results file of ``folder``."""
    sections = []
    for path in sorted(folder.glob("*.json")):
        results = json.loads(path.read_text())
        sections.append(f"\n## {path.stem}\n\n{RENDERERS[results['kind']](results)}")
    return INTRODUCTION + "".join(sections)


def main() -> None:
    results = Path(__file__).parent / "results"
    files.write_atomically(PAGES / "experiments.md", page(results).encode())
    files.write_atomically(PAGES / "paper.md", paper.page(results / "paper").encode())


if __name__ == "__main__":
    main()
