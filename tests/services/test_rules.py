"""The recording rules: promtool's own tests, and a real verifier's metrics. promtool comes with Debian's and Ubuntu's package
prometheus and with Prometheus's releases."""

from __future__ import annotations

import re
import shutil
import subprocess
import urllib.request
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from faceoff import image
from faceoff.rpc.connect import Deadline, connect
from faceoff.rpc.remote import RemoteVerifier
from faceoff.rpc.server import Settings
from faceoff.testing import BoxDetector, FixedVerifier, picture, served
from faceoff.types import Encoding, Outcome, Photo
from faceoff.v1.verifier_pb2_grpc import add_VerifierServiceServicer_to_server
from faceoff.verify.rates import COUNTED
from services.verifier.servicer import VerifierServicer

RULES = Path(__file__).parents[2] / "deploy" / "helm" / "faceoff" / "files" / "prometheus-rules.yaml"
TESTS = Path(__file__).parent / "rules.yaml"

needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool is not here: install the package prometheus"
)


def promtool(rules: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    tests = folder / "tests.yaml"
    tests.write_text(TESTS.read_text().replace("RULES", str(rules)))
    return subprocess.run(["promtool", "test", "rules", tests], capture_output=True, text=True)


@needs_promtool
def test_the_rules_make_of_counters_what_they_should(tmp_path: Path) -> None:
    done = promtool(RULES, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


@needs_promtool
@pytest.mark.parametrize("outcome", [outcome for outcome in Outcome if outcome not in COUNTED])
def test_a_rule_that_counted_any_other_outcome_would_fail(outcome: Outcome, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(RULES.read_text().replace("transferred|not_transferred", f"transferred|not_transferred|{outcome}"))
    assert promtool(wrong, tmp_path).returncode


def test_the_rules_count_what_the_library_counts() -> None:
    (compared,) = set(re.findall(r'outcome=~"([^"]+)"', RULES.read_text()))
    assert tuple(compared.split("|")) == COUNTED


def test_the_rules_are_about_what_a_verifier_exposes() -> None:
    pixels = picture()
    photo = image.decode(image.encode(pixels, Photo(pixels, "PNG", b""), Encoding()))
    add = partial(add_VerifierServiceServicer_to_server, VerifierServicer(FixedVerifier()))
    settings = Settings(metrics="127.0.0.1:0", grace=1.0)
    with served("faceoff.v1.VerifierService", add, settings) as server:
        peer = connect(f"127.0.0.1:{server.port}")
        RemoteVerifier(peer, Deadline.after(20)).verify(photo, b"x", BoxDetector().detect(photo), (), ("dlib",))
        peer.close()
        with urllib.request.urlopen(f"http://127.0.0.1:{server.metrics_port}/metrics") as page:
            families = list(text_string_to_metric_families(page.read().decode()))
    exposed = {sample.name: set(sample.labels) for family in families for sample in family.samples}
    used = set(re.findall(r"\b(faceoff_\w+)(?=\{|\[)", RULES.read_text()))
    assert used == {"faceoff_verifications_total", "faceoff_stage_duration_seconds_bucket"}
    assert used <= exposed.keys()
    assert exposed["faceoff_verifications_total"] == {"victim", "outcome"}
    assert exposed["faceoff_stage_duration_seconds_bucket"] == {"stage", "outcome", "le"}
    stages = {sample.labels["stage"] for family in families for sample in family.samples if "stage" in sample.labels}
    assert "verify" in stages
    assert not np.isnan([sample.value for family in families for sample in family.samples]).any()
