import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from faceoff.campaign import config, grid
from faceoff.campaign.config import MAX_CELLS, load, parse
from faceoff.errors import FaceOffError, Reason
from tests.unit.campaign.fakes import content

VICTIMS = {"local": ["v1"]}


def refusal(changes: dict[str, Any]) -> str:
    with pytest.raises(FaceOffError) as caught:
        parse(content(Path("people"), **changes), Path("file.yaml"))
    assert caught.value.reason is Reason.INVALID_ARGUMENT
    return caught.value.message


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"colour": "red"}, "colour: Extra inputs"),
        ({"name": "../x"}, "name: String should match"),
        ({"plans": [{"plan": "nonsense"}]}, "plans.0.plan: there is no plan nonsense; known: subtle"),
        ({"plans": [{"plan": "subtle", "set": {"alpha": 2}}]}, "plans.0.set.alpha: Extra inputs"),
        ({"plans": [{"plan": "subtle", "grid": {"kappa": [0, 101]}}]}, "plans.0.grid.kappa.1: Input should be less"),
        ({"plans": [{"plan": "subtle", "grid": {"surrogates": [["../a"]]}}]}, "plans.0.grid.surrogates.0.0: String"),
        ({"plans": [{"plan": "subtle"}, {"plan": "subtle"}]}, "two plans have one name"),
        ({"alphas": []}, "alphas: Tuple should have at least 1"),
        ({"alphas": [1, 1.0]}, "given twice"),
        ({"alphas": [float("nan")]}, "alphas.0: Input should be"),
        ({"encodings": [{"format": "jpeg", "quality": 0}]}, "encodings.0.quality"),
        ({"victims": {}}, "victims: name at least one"),
        ({"victims": {"local": ["a", "a"]}}, "victims: a victim is named twice"),
        ({"victims": {"remote": ["azure"], "consent": ["azure"]}}, "victims: remote victims need the victims' file"),
        ({"victims": {"remote": ["azure"], "file": "v.yaml"}}, "victims: azure would be sent photos: if the people"),
        ({"people": {"folder": "p", "photos": 0}}, "people.photos: Input should be greater"),
    ],
)
def test_what_is_wrong_is_said_with_its_path(changes: dict[str, Any], words: str) -> None:
    assert words in refusal(changes)


def test_paths_start_at_the_file(tmp_path: Path) -> None:
    file = tmp_path / "sub" / "campaign.yaml"
    file.parent.mkdir()
    file.write_text(
        "name: x\npeople: {folder: ../people}\nplans: [{plan: subtle}]\n"
        "victims: {remote: [azure], consent: [azure], file: victims.yaml}\n"
    )
    campaign = load(file)
    assert campaign.people.folder == tmp_path / "sub" / "../people"
    assert campaign.victims.file == tmp_path / "sub" / "victims.yaml"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"a: &x [1]\nb: *x\n", "not YAML in line 2: aliases are not used here"),
        (b"name: x\nname: y\n", "not YAML in line 1: a key comes twice"),
        (b"name: [", "not YAML in line"),
        (b"\xff\xfe\xfd", "not YAML"),
        (b"!!python/object/apply:os.system ['true']", "not YAML in line 1"),
        (b"- 1", "Input should be a valid dictionary"),
        (b"#" * (config.MAX_BYTES + 1), "more than"),
    ],
)
def test_hostile_files_are_refused(tmp_path: Path, text: bytes, words: str) -> None:
    file = tmp_path / "x.yaml"
    file.write_bytes(text)
    with pytest.raises(FaceOffError) as caught:
        load(file)
    assert words in caught.value.message


def test_a_file_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(FaceOffError, match="No such file"):
        load(tmp_path / "none.yaml")


def test_a_huge_grid_is_refused_with_its_count_before_any_work() -> None:
    many = [number / 100 for number in range(1000)]
    campaign = parse(
        content(
            Path("nowhere"), plans=[{"plan": "subtle", "grid": {"kappa": many, "epsilon": [0.01, 0.02]}}], alphas=many
        ),
        Path("file.yaml"),
    )
    with pytest.raises(FaceOffError) as caught:
        grid.check_size(campaign)
    cells = (1000 * 2 * 1000 + 1) * 2 * 2
    assert f"{cells:,} cells; at most {MAX_CELLS:,}" in caught.value.message


def test_what_decides_leaves_out_names_and_places() -> None:
    one = parse(content(Path("a"), name="one", claim="x"), Path("file.yaml"))
    two = parse(content(Path("b"), name="two"), Path("elsewhere/file.yaml"))
    assert one.decisive() == two.decisive()
    assert parse(content(Path("a"), seed=1), Path("file.yaml")).decisive() != one.decisive()


def test_a_whole_picture_is_told_as_before_there_were_cropped_ones() -> None:
    assert config.Encoding().model_dump() == {"format": "png", "quality": 75, "chroma": "4:2:0", "scale": 1.0}
    cropped = config.Encoding(scale=0.5, cropped=True)
    assert cropped.model_dump()["cropped"] is True
    assert cropped.name == "png-x0.5-cropped"
    assert config.Encoding.model_validate(cropped.model_dump()) == cropped


def test_there_is_a_schema() -> None:
    schema = config.Campaign.model_json_schema()
    assert schema["additionalProperties"] is False
    assert "paper/cw_l2_small" in schema["$defs"]["Series"]["properties"]["plan"]["enum"]


def test_a_campaign_is_judged_without_tensorflow() -> None:
    code = "import sys, faceoff.campaign.grid; print('tensorflow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
