"""The images' packages: read out of the lock, and all that a service imports when it starts."""

from __future__ import annotations

import ast
import importlib.util
import re
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from packaging.requirements import Requirement

from tests.chart.render import CHART, ROOT

IMAGES = ROOT / "deploy" / "images"
LOCK, PROJECT = ((ROOT / name).read_text() for name in ("requirements.lock", "pyproject.toml"))
SERVICES = ("detector", "attacker", "amplifier", "verifier", "gateway", "operator", "cli")


@pytest.fixture(scope="module")
def requirements() -> ModuleType:
    spec = importlib.util.spec_from_file_location("requirements", IMAGES / "requirements.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def packages(text: str) -> set[str]:
    return set(re.findall(r"^([A-Za-z0-9][\w.-]*)==", text, re.MULTILINE))


@pytest.mark.parametrize("service", SERVICES)
def test_a_part_of_the_lock_has_what_its_packages_need(service: str, requirements: ModuleType) -> None:
    """What pip would say of it, without asking an index: by what the installed packages say that they need."""
    part = requirements.part(LOCK, PROJECT, [service])
    assert part
    assert all(line in LOCK for line in part.splitlines())
    names = packages(part)
    for name in names:
        try:
            needed = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue  # of another platform
        for requirement in map(Requirement, needed):
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                assert requirement.name.lower().replace("_", "-").replace(".", "-") in names, (
                    f"{name} needs {requirement}"
                )


@pytest.mark.parametrize("service", SERVICES)
def test_an_image_has_every_package_that_its_service_imports(service: str, requirements: ModuleType) -> None:
    names = packages(requirements.part(LOCK, PROJECT, [service]))
    owners = metadata.packages_distributions()
    first = "faceoff.cli.__main__" if service == "cli" else f"services.{service}.__main__"
    for module, by in imported(first).items():
        had = {owner.lower().replace("_", "-").replace(".", "-") for owner in owners.get(module, [])}
        assert had & names, f"{by} imports {module}, which pyproject.toml does not give to the extra {service}"


def test_an_image_has_no_package_of_another_service(requirements: ModuleType) -> None:
    amplifier = packages(requirements.part(LOCK, PROJECT, ["amplifier"]))
    assert not {"tensorflow", "mtcnn", "boto3", "nats-py", "kopf"} & amplifier
    assert "scikit-image" not in packages(requirements.part(LOCK, PROJECT, ["cli"]))


def test_an_extra_that_there_is_not_is_refused(requirements: ModuleType) -> None:
    with pytest.raises(KeyError):
        requirements.part(LOCK, PROJECT, ["unknown"])


def test_the_chart_uses_images_that_can_be_built() -> None:
    facts = yaml.safe_load((CHART / "files" / "services.yaml").read_text())
    assert {one["image"] for one in facts.values()} | {"operator", "cli"} == set(SERVICES)
    dockerfile = (IMAGES / "Dockerfile").read_text()
    assert all(service in dockerfile for service in SERVICES)
    assert "scikit-image==" in LOCK  # the photo of helm test comes out of it


def test_the_final_stage_is_nobodys_and_has_no_tools() -> None:
    final = (IMAGES / "Dockerfile").read_text().rpartition("\nFROM ")[2]
    assert "USER 10001:10001" in final
    assert not re.search(r"\b(gcc|g\+\+|make|build-essential|curl|git)\b", final)
    assert "pip install" not in final


def imported(first: str) -> dict[str, str]:
    """Top-level names of others' packages that are imported when ``first`` is, and by which of our modules."""
    found: dict[str, str] = {}
    waiting, seen = [first], {first}
    while waiting:
        name = waiting.pop()
        path = file_of(name)
        for other in imports(path, name):
            top = other.partition(".")[0]
            if top not in ("faceoff", "services"):
                if top not in sys.stdlib_module_names:
                    found.setdefault(top, name)
                continue
            parts = other.split(".")
            for size in range(1, len(parts) + 1):  # a package's __init__ runs before its modules
                one = ".".join(parts[:size])
                if one not in seen and file_of(one).exists():
                    seen.add(one)
                    waiting.append(one)
    return found


def file_of(module: str) -> Path:
    path = ROOT.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def imports(path: Path, module: str) -> Iterator[str]:
    """What a module imports as it is loaded: not inside functions, and not for types alone."""
    waiting: list[ast.stmt] = list(ast.parse(path.read_text()).body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, module
            assert node.module, module
            yield node.module
            yield from (
                f"{node.module}.{alias.name}" for alias in node.names if node.module.startswith(("faceoff", "services"))
            )
        elif isinstance(node, ast.If) and "TYPE_CHECKING" not in ast.unparse(node.test):
            waiting += [*node.body, *node.orelse]
        elif isinstance(node, ast.Try):
            waiting += [*node.body, *node.orelse, *node.finalbody]
        elif isinstance(node, ast.With | ast.ClassDef):
            waiting += node.body
