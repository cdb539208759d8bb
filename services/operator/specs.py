"""What a custom resource may say. The CRDs' schemas are made of these models (crds.py), and every object is checked with them
again when it is read: an older CRD, or an API server that was told not to validate, must not open a way."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from services.operator.campaign_schema import SCHEMA
from services.operator.schema import problems

LABEL = r"^[a-z0-9]([a-z0-9-]{0,18}[a-z0-9])?$"
CLAIM = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"
NAME = r"^[a-z]([a-z0-9-]{0,30}[a-z0-9])?$"
"""Of an object of ours: with version and digest behind it, it is still a name that a Service may have."""

CRON = r"^[0-9*/,-]{1,20}( [0-9*/,-]{1,20}){4}$"
MAX_BYTES = 900_000
"""Of a campaign as JSON: it must fit into a ConfigMap."""

Network = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]
Networks = Annotated[tuple[Network, ...], Field(max_length=16, json_schema_extra={"x-kubernetes-list-type": "set"})]


Model = TypeVar("Model", bound=BaseModel)


class Refused(Exception):
    """A spec that is not acted on; the message says what is wrong with it."""


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Accelerator(Strict):
    kind: Literal["none", "gpu"] = "none"
    count: Annotated[int, Field(ge=1, le=16, description="GPUs of one pod")] = 1


class Replicas(Strict):
    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                {
                    "rule": "(has(self.min) ? self.min : 1) <= (has(self.max) ? self.max : 1)",
                    "message": "max is below min",
                }
            ]
        }
    )

    min: Annotated[int, Field(ge=0, le=1000, description="0 needs KEDA")] = 1
    max: Annotated[int, Field(ge=1, le=1000, description="above min: an autoscaler decides")] = 1

    @model_validator(mode="after")
    def _ordered(self) -> Replicas:
        if self.max < self.min:
            raise ValueError("max is below min")
        return self


class SurrogateSetSpec(Strict):
    """Networks that are served together, and at which version."""

    version: Annotated[
        str, Field(pattern=LABEL, description="A new one is fetched and served beside the old one, then promoted")
    ]
    members: Annotated[Networks, Field(min_length=1, description="The surrogates, served as one set")]
    victims: Annotated[Networks, Field(description="Networks served each alone, which verifiers ask")] = ()
    replicas: Replicas = Replicas()
    accelerator: Accelerator = Accelerator()

    @model_validator(mode="after")
    def _distinct(self) -> SurrogateSetSpec:
        if any(len(set(names)) < len(names) for names in (self.members, self.victims)):
            raise ValueError("a network is named twice")
        return self


class Claim(Strict):
    claim: Annotated[
        str, Field(pattern=CLAIM, description="A PersistentVolumeClaim labelled faceoff.dev/campaigns=true")
    ]


def _campaign(value: dict[str, Any]) -> dict[str, Any]:
    if found := problems(value, SCHEMA):
        raise ValueError("; ".join(found[:5]))
    if missing := set(value["victims"].get("remote", ())) - set(value["victims"].get("consent", ())):
        raise ValueError(f"{', '.join(sorted(missing))} would be sent photos: name it under consent")
    if not (value["victims"].get("local") or value["victims"].get("remote")):
        raise ValueError("name at least one victim under local or remote")
    if len(json.dumps(value)) > MAX_BYTES:
        raise ValueError(f"it has more than {MAX_BYTES} bytes")
    return value


class CampaignSpec(Strict):
    """A campaign (docs/campaigns.md), where its photos are, and where its results go."""

    campaign: Annotated[dict[str, Any], AfterValidator(_campaign)]
    photos: Claim
    results: Claim
    parallelism: Annotated[
        int, Field(ge=1, le=100, description="Pods. The plans are dealt to them; each has a folder and a report")
    ] = 1
    schedule: Annotated[
        str | None, Field(pattern=CRON, description="When to show the stored pictures to the victims again (cron)")
    ] = None
    suspend: bool = False
    accelerator: Accelerator = Accelerator()


def surrogate_set(body: Mapping[str, Any]) -> SurrogateSetSpec:
    """Raises Refused."""
    return _read(SurrogateSetSpec, body)


def campaign(body: Mapping[str, Any]) -> CampaignSpec:
    """Raises Refused."""
    return _read(CampaignSpec, body)


def _read(model: type[Model], body: Mapping[str, Any]) -> Model:
    if not re.fullmatch(NAME[1:-1], body["metadata"]["name"]):
        raise Refused("metadata.name: at most 32 lower-case letters, digits and -, a letter first")
    try:
        # JSON's strict mode takes lists as tuples, and neither "3" as a number nor 1 as true.
        return model.model_validate_json(json.dumps(body.get("spec") or {}))
    except ValidationError as error:
        raise Refused("; ".join(_words(item) for item in error.errors(include_url=False)[:5])) from None


def _words(item: Any) -> str:
    where = ".".join(str(part) for part in ("spec", *item["loc"]))
    return f"{where}: {str(item['msg']).removeprefix('Value error, ')}"[:300]
