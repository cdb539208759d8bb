"""What a real Prometheus makes of real services under load: every panel, record and alert of the chart has something to say."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from typing import Any

import httpx2
import pytest
import yaml

from faceoff.client import Client, Request, State
from faceoff.presets import STRENGTHS
from scripts import up
from tests.load.rooms import UNLUCKY
from tests.load.town import Town, local, needs_prometheus
from tests.load.visitors import Visitor, by_call, by_http

DASHBOARD = up.RULES[0].with_name("dashboard.json")
UNLUCKY_REQUEST = Request(replace(STRENGTHS["balanced"], seed=UNLUCKY))


def rules() -> list[dict[str, Any]]:
    return [
        rule for file in up.RULES for group in yaml.safe_load(file.read_text())["groups"] for rule in group["rules"]
    ]


def panels() -> dict[str, str]:
    """What each panel asks, by its title."""
    found = json.loads(DASHBOARD.read_text())["panels"]
    return {
        panel["title"]: target["expr"].replace("$__rate_interval", "1m").replace("$namespace", ".*")
        for panel in found
        for target in panel["targets"]
    }


def measured() -> dict[str, list[str]]:
    """What each alert compares, with its bound or with another measure."""
    return {rule["alert"]: [side for side in sides(rule["expr"]) if "faceoff_" in side or "up{" in side]
            for rule in rules() if "alert" in rule}  # fmt: skip


def sides(expression: str) -> list[str]:
    """The operands of the comparisons that stand in no brackets."""
    found, depth = [""], 0
    for word in re.split(r"([(){}\[\]]|\s+and\s+|\s+[><]=?\s+|\s+==\s+)", expression.strip()):
        depth += (word in ("(", "{", "[")) - (word in (")", "}", "]"))
        if depth == 0 and word.strip() in ("and", ">", "<", ">=", "<=", "=="):
            found.append("")
        else:
            found[-1] += word
    return found


def test_sides_of_comparisons() -> None:
    assert sides("a{b='c'} > 3 * 4 and (sum(d) > 0) / e == 1") == ["a{b='c'}", "3 * 4", "(sum(d) > 0) / e", "1"]
    assert all(measured().values())


class Prometheus:
    def __init__(self, url: str) -> None:
        self._url = url

    def get(self, path: str, **query: str) -> Any:
        answer = httpx2.get(f"{self._url}/api/v1/{path}", params=query, timeout=30).json()
        assert answer["status"] == "success", answer
        return answer["data"]

    def samples(self, expression: str) -> list[Any]:
        return list(self.get("query", query=expression)["result"])


@pytest.fixture(scope="module")
def prometheus(place: Town, photo: bytes, protected: bytes, tmp_path_factory: pytest.TempPathFactory) -> Prometheus:
    """After some minutes' worth of everything: photos by both doors, one that waits because no model server answers, and a
    model server that does not."""
    needs_prometheus()
    url = place.watch(tmp_path_factory.mktemp("prometheus"), {"serving": local()})
    visitors = [
        Visitor("by-call", by_call(place.grpc, photo), protected),
        Visitor("by-HTTP", by_http(place.http, photo), protected),
    ]
    for visitor in visitors:
        visitor.start()
    with closing(Client(place.grpc)) as client:
        unlucky = client.submit(photo, UNLUCKY_REQUEST).id
        began = time.monotonic()
        # A rate needs two looks after a counter's first step, and an hour's rate begins with them. Meanwhile the unlucky one is
        # tried again and again.
        while time.monotonic() - began < 8 or min(visitor.seen for visitor in visitors) < 5:
            place.check()
            assert time.monotonic() - began < 120, "photos are stuck"
            time.sleep(0.2)
        assert client.cancel(unlucky).state is State.CANCELLED
    for visitor in visitors:
        visitor.leave()
        assert not visitor.wrong
    return Prometheus(url)


def eventually(found: Callable[[], bool]) -> bool:
    """The autoscalers' rules are looked at every 15 seconds."""
    end = time.monotonic() + 60
    while not found() and time.monotonic() < end:
        time.sleep(0.5)
    return found()


def test_every_record_is_made(prometheus: Prometheus) -> None:
    records = [rule["record"] for rule in rules() if "record" in rule]
    assert records
    complete = eventually(lambda: not [name for name in records if not prometheus.samples(name)])
    assert complete, [name for name in records if not prometheus.samples(name)]


def test_every_panel_shows_something(prometheus: Prometheus) -> None:
    asked = panels()
    assert len(asked) > 10
    assert not [title for title, expression in asked.items() if not prometheus.samples(expression)]


def test_the_dashboard_finds_its_namespaces(prometheus: Prometheus) -> None:
    (asked,) = (
        one["query"] for one in json.loads(DASHBOARD.read_text())["templating"]["list"] if one["type"] == "query"
    )
    found = re.fullmatch(r"label_values\((\w+), (\w+)\)", asked)
    assert found
    assert prometheus.get(f"label/{found[2]}/values", **{"match[]": found[1]}) == [up.NAMESPACE]


def test_every_alert_measures_something(prometheus: Prometheus) -> None:
    asked = measured()
    assert len(asked) > 5
    assert not [(name, side) for name, known in asked.items() for side in known if not prometheus.samples(side)]


def test_no_rule_is_in_error(prometheus: Prometheus) -> None:
    found = [rule for group in prometheus.get("rules")["groups"] for rule in group["rules"]]
    assert len(found) == len(rules())
    assert not [rule["name"] for rule in found if rule["health"] == "err"]


def test_what_was_answered_does_not_count_as_cancelled(prometheus: Prometheus) -> None:
    assert prometheus.samples('faceoff_requests_total{code="OK"} > 0')
    assert not prometheus.samples('faceoff_requests_total{code=~"CANCELLED|0"} > 0')


def test_the_alert_of_a_model_server_that_is_away_waits(prometheus: Prometheus) -> None:
    alerts = {alert["labels"]["alertname"]: alert["state"] for alert in prometheus.get("alerts")["alerts"]}
    assert alerts["FaceoffModelNotLoaded"] == "pending"
    assert "FaceoffBlobsOutliveTheirTime" not in alerts


def test_every_metric_that_is_asked_for_is_there(prometheus: Prometheus) -> None:
    there = set(prometheus.get("label/__name__/values"))
    asked = [*panels().values(), *(rule["expr"] for rule in rules())]
    names = {name for one in asked for name in re.findall(r"[\w:]*faceoff_\w[\w:]*", re.sub(r'"[^"]*"', "", one))}
    assert len(names) > 10
    assert names <= there
