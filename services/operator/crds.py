"""python -m services.operator.crds: writes the CRDs and the schema of campaigns from the models that they are the form of.

Needs what `faceoff campaign` needs. The operator itself does not: it reads the schema that was written, so that it starts at
once and stays small."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from services.operator.structural import structural

ROOT = Path(__file__).parents[2]
CRDS = ROOT / "deploy" / "helm" / "faceoff" / "crds"
FOLDER = r"^[A-Za-z0-9_][A-Za-z0-9._ -]{0,62}(/[A-Za-z0-9_][A-Za-z0-9._ -]{0,62}){0,7}$"
PERSON = r"^[^/.\x00-\x1f][^/\x00-\x1f]*$"
"""A folder and a person are names in the volume of photos, and stay there."""

_CONDITION = {
    "type": "object",
    "required": ["type", "status", "reason", "message", "lastTransitionTime"],
    "properties": {
        "type": {"type": "string"},
        "status": {"type": "string", "enum": ["True", "False", "Unknown"]},
        "reason": {"type": "string"},
        "message": {"type": "string"},
        "lastTransitionTime": {"type": "string", "format": "date-time"},
        "observedGeneration": {"type": "integer"},
    },
}
_TEXT, _COUNT = {"type": "string"}, {"type": "integer"}
_CHECK = {"type": "object", "properties": dict.fromkeys(("network", "check", "outcome", "detail"), _TEXT)}
_SET_STATUS = {
    "version": _TEXT,
    "servedVersion": _TEXT,
    "activeRevision": _TEXT,
    "address": _TEXT,
    "accuracy": {"type": "array", "items": _CHECK},
}
_CAMPAIGN_STATUS = {
    "progress": _TEXT,
    "parts": {
        "type": "array",
        "items": {"type": "object", "properties": {"done": _COUNT, "total": _COUNT}},
    },
    "results": {"type": "object", "properties": {"claim": _TEXT, "path": _TEXT}},
    "job": _TEXT,
}


def campaign_schema() -> dict[str, Any]:
    """Of a campaign in a custom resource: a file's, less what only makes sense beside a file."""
    from faceoff.campaign.config import Campaign

    schema = structural(Campaign.model_json_schema())
    people, victims = (schema["properties"][name]["properties"] for name in ("people", "victims"))
    people["folder"] |= {"pattern": FOLDER, "maxLength": 255}
    for names in (people["among"], people["sources"], people["pairs"]["items"]):
        names["items"]["pattern"] = PERSON
    del victims["file"]  # the operator's settings have it
    return schema


def crds() -> dict[str, dict[str, Any]]:
    """The CRDs by plural."""
    from services.operator.specs import CampaignSpec, SurrogateSetSpec

    sets = structural(SurrogateSetSpec.model_json_schema())
    raw = CampaignSpec.model_json_schema()
    raw["properties"]["campaign"] = {"type": "object"}
    campaigns = structural(raw)
    campaigns["properties"]["campaign"] = campaign_schema()
    columns = {
        "Version": ".status.version", "Served": ".status.servedVersion",
        "Ready": '.status.conditions[?(@.type=="Ready")].status',
        "Reason": '.status.conditions[?(@.type=="Ready")].reason',
    }  # fmt: skip
    progress = {
        "Progress": ".status.progress", "Complete": '.status.conditions[?(@.type=="Ready")].status',
        "Reason": '.status.conditions[?(@.type=="Ready")].reason', "Schedule": ".spec.schedule",
    }  # fmt: skip
    return {
        "surrogatesets": _crd("SurrogateSet", "surrogatesets", "fos", sets, _SET_STATUS, columns),
        "campaigns": _crd("Campaign", "campaigns", "foc", campaigns, _CAMPAIGN_STATUS, progress),
    }


def _crd(
    kind: str, plural: str, short: str, spec: dict[str, Any], status: dict[str, Any], columns: dict[str, str]
) -> dict[str, Any]:
    from services.operator.specs import NAME

    common = {"observedGeneration": _COUNT, "conditions": {
        "type": "array", "items": _CONDITION, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"],
    }}  # fmt: skip
    schema = {
        "type": "object",
        "required": ["spec"],
        "properties": {"spec": spec, "status": {"type": "object", "properties": common | status}},
        "x-kubernetes-validations": [
            {"rule": f"self.metadata.name.matches('{NAME}')", "message": "at most 32 of a-z, 0-9 and -, a letter first"}
        ],
    }
    shown = [{"name": name, "type": "string", "jsonPath": path} for name, path in columns.items()]
    shown.append({"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"})
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.faceoff.dev"},
        "spec": {
            "group": "faceoff.dev",
            "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural, "singular": kind.lower(), "shortNames": [short]},
            "versions": [
                {
                    "name": "v1alpha1",
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": shown,
                    "schema": {"openAPIV3Schema": schema},
                }
            ],
        },
    }


def module() -> str:
    """The Python module that the operator has the campaigns' schema from."""
    text = json.dumps(_terse(campaign_schema()), indent=1, sort_keys=True)
    words = '"""Written by services.operator.crds; do not edit."""'
    return f'{words}\n\nimport json\nfrom typing import Any\n\nSCHEMA: dict[str, Any] = json.loads(\n    r"""\n{text}\n"""\n)\n'


def _terse(schema: dict[str, Any]) -> dict[str, Any]:
    """Without words for people."""
    kept = {key: value for key, value in schema.items() if key != "description"}
    if "properties" in kept:
        kept["properties"] = {name: _terse(one) for name, one in kept["properties"].items()}
    if "items" in kept:
        kept["items"] = _terse(kept["items"])
    return kept


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def files() -> dict[Path, str]:
    """What is written, by path."""
    note = "# Written by `python -m services.operator.crds`; do not edit.\n"
    written = {
        CRDS / f"{plural}.yaml": note + yaml.dump(crd, Dumper=_Dumper, sort_keys=False, width=120)
        for plural, crd in crds().items()
    }
    return {Path(__file__).with_name("campaign_schema.py"): module(), **written}


if __name__ == "__main__":
    for path, text in files().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
