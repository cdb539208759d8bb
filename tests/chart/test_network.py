"""Who may speak with whom: nobody, but along the edges of files/services.yaml."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from tests.chart.render import CHART, EVERYTHING, Object, kinds, objects

FACTS: dict[str, dict[str, Any]] = yaml.safe_load((CHART / "files" / "services.yaml").read_text())
WORLD = "0.0.0.0/0"


def policies(sets: tuple[str, ...] = ()) -> dict[str, Object]:
    return {name: one["spec"] for name, one in kinds("NetworkPolicy", "values.yaml", sets).items()}


def leaving(sets: tuple[str, ...] = ()) -> set[str]:
    """Names of the policies that let pods out of the cluster."""
    return {
        name
        for name, spec in policies(sets).items()
        for rule in spec.get("egress", [])
        if not rule.get("to") or any(peer.get("ipBlock", {}).get("cidr") == WORLD for peer in rule["to"])
    }


def test_everything_is_denied_first_but_names() -> None:
    deny = policies()["deny"]
    assert deny["policyTypes"] == ["Ingress", "Egress"]
    assert "ingress" not in deny
    assert {port["port"] for rule in deny["egress"] for port in rule["ports"]} == {53}


@pytest.mark.parametrize("sets", [(), EVERYTHING], ids=["defaults", "everything"])
def test_every_pod_is_denied(sets: tuple[str, ...]) -> None:
    chosen = policies(sets)["deny"]["podSelector"]["matchLabels"].items()
    for one in objects("values.yaml", sets):
        if one["kind"] in ("Deployment", "StatefulSet", "Job"):
            assert chosen <= one["spec"]["template"]["metadata"]["labels"].items()
        elif one["kind"] == "Pod":
            assert chosen <= one["metadata"]["labels"].items()


def test_the_operators_pods_are_denied_too() -> None:
    pods = pytest.importorskip("services.operator.pods", exc_type=ImportError)
    marked = pods.labels({"kind": "Campaign", "metadata": {"name": "x"}}, "campaign", "1")
    assert policies()["deny"]["podSelector"]["matchLabels"].items() <= marked.items()
    server = policies()["model-server"]["podSelector"]["matchLabels"]
    assert server.items() <= pods.labels({"kind": "Campaign", "metadata": {"name": "x"}}, "model-server", "1").items()


def test_nothing_leaves_but_who_fetches_networks() -> None:
    assert leaving() == {"model-fetch"}
    assert leaving(("models.fetch=false",)) == {"model-fetch"}  # SurrogateSets' and Campaigns'
    assert leaving(("models.fetch=false", "operator.enabled=false")) == set()


def test_another_model_server_is_reached_at_its_port() -> None:
    for address in ("models.other.svc:9000", "dns:///models.other.svc:9000"):
        sets = ("modelServer.enabled=false", f"modelServer.address={address}")
        assert leaving(sets) == {"model-fetch", "attacker", "verifier"}
        assert {"ports": [{"port": 9000}]} in policies(sets)["attacker"]["egress"]
        told = kinds("Deployment", "values.yaml", sets)["attacker"]["spec"]["template"]["spec"]["containers"][0]["args"]
        assert f"--model-server={address}" in told


def test_another_broker_is_reached_at_its_port() -> None:
    sets = ("nats.enabled=false", "nats.urlSecret=broker", "nats.urlPort=4443")
    assert leaving(sets) == {"model-fetch", "gateway", "worker"}
    assert {"ports": [{"port": 4443}]} in policies(sets)["worker"]["egress"]


def test_the_verifier_leaves_only_with_commercial_victims() -> None:
    assert leaving(("victims.secret=victims",)) == {"model-fetch", "verifier", "campaign"}
    (rule,) = [rule for rule in policies(("victims.secret=victims",))["verifier"]["egress"] if "ipBlock" in str(rule)]
    assert rule["ports"] == [{"port": 443}]
    assert "169.254.0.0/16" in rule["to"][0]["ipBlock"]["except"]  # the cloud's metadata


def test_gateways_leave_only_for_webhooks() -> None:
    assert leaving(("access.webhooks=true",)) == {"model-fetch", "gateway", "worker"}


def test_who_calls_may_and_nobody_else() -> None:
    every = policies()
    for name, facts in FACTS.items():
        callers = {other for other, its in FACTS.items() if name in its.get("calls", [])}
        allowed = {
            caller
            for rule in every[name]["ingress"]
            if rule["ports"] == [{"port": facts["port"]}]
            for peer in rule["from"]
            for expression in peer["podSelector"].get("matchExpressions", [])
            for caller in expression["values"]
        }
        assert allowed == callers, name
        called = {
            peer["podSelector"]["matchLabels"]["app.kubernetes.io/component"]
            for rule in every[name].get("egress", [])
            for peer in rule["to"]
        }
        assert called == {"model-server" if one == "modelserver" else one for one in facts.get("calls", [])}, name


def test_the_gateway_is_for_its_namespace_or_whom_values_name() -> None:
    def who(sets: tuple[str, ...]) -> object:
        rules = policies(sets)["gateway"]["ingress"]
        return next(rule["from"] for rule in rules if {"port": 8080} in rule["ports"])

    assert who(()) == [{"podSelector": {}}]
    others = ("access.from[0].ipBlock.cidr=203.0.113.0/24",)
    assert who(others) == [{"ipBlock": {"cidr": "203.0.113.0/24"}}]
    (test,) = (one for one in objects("values.yaml", others) if one["kind"] == "Pod")
    (rule,) = (one for one in policies(others)["gateway"]["ingress"] if "podSelector" in str(one))
    assert rule["ports"] == [{"port": 50050}]
    assert rule["from"][0]["podSelector"]["matchLabels"].items() <= test["metadata"]["labels"].items()
