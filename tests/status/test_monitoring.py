"""Alert rules and dashboard: every metric that they name exists, and each alert is explained."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from gateway.health import KINDS
from tests.status.test_metrics import CATALOGUE

ROOT = Path(__file__).parents[2]
MONITORING = ROOT / "config" / "monitoring"
NAME = re.compile(r"\b(?:oden_gateway|process)_[a-z_]+\b")


def alerts() -> list[dict[str, Any]]:
    """The rules of the file, one after another."""
    [group] = YAML(typ="safe", pure=True).load((MONITORING / "alerts.yaml").read_text(encoding="utf-8"))["groups"]
    rules: list[dict[str, Any]] = group["rules"]
    return rules


def queries() -> list[str]:
    """What the panels of the dashboard ask for."""
    panels = json.loads((MONITORING / "dashboard.json").read_text(encoding="utf-8"))["panels"]
    return [target["expr"] for panel in panels for target in panel["targets"]]


@pytest.mark.parametrize("query", [*(rule["expr"] for rule in alerts()), *queries()])
def test_it_asks_for_metrics_and_labels_that_there_are(query: str) -> None:
    """A name that is misspelt would never fire, and never show anything."""
    names = set(NAME.findall(query))
    assert names <= CATALOGUE.keys()
    for name, matchers in re.findall(r"\b(oden_gateway_[a-z_]+)\{([^}]*)\}", query):
        labels = set(re.findall(r"([a-z_]+)\s*(?:=~|!~|!=|=)", matchers)) - {"instance"}
        assert labels <= CATALOGUE[name]


def test_each_alert_is_explained_in_the_docs() -> None:
    """Whoever is called finds the alert by its name, with what it means and what to do."""
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    rows = {row.split("`")[1]: row.split("|") for row in text.splitlines() if row.startswith("| `OdenGateway")}
    assert rows.keys() == {rule["alert"] for rule in alerts()}
    assert all(len(row[2].strip()) > 20 and len(row[3].strip()) > 10 for row in rows.values())


def test_every_kind_of_problem_is_alerted_by_one_rule() -> None:
    """The rule for problems leaves out those kinds alone that have a rule of their own."""
    [rule] = [rule["expr"] for rule in alerts() if rule["alert"] == "OdenGatewayProblem"]
    [left_out] = re.findall(r'kind!~"([^"]*)"', rule)
    assert set(left_out.split("|")) < KINDS.keys()
