"""Two states of a configuration are compared by marks, which show nothing of them."""

from pathlib import Path
from typing import Any

import pytest

from gateway.config.difference import Names, marks, names_between
from gateway.config.schema import Config


def config(**changes: Any) -> Config:
    floor = {"type": "mqtt", "url": "mqtt://broker", "client_id": "edge-1", "password": "s3cret", "ca": "/etc/ca.pem"}
    order = {"source": "floor", "topic": "a/order", "field": "number"}
    state = {"source": "plc", "node": "ns=2;s=State"}
    line = {"factory": "A", "line": "L", "inputs": {"order": {**order, **changes.get("order", {})}, "state": state}}
    states = {"input": "state", "codes": changes.get("codes", {1: {"category": "Uptime"}})}
    given = {
        "oden": {"token": changes.get("token", "t0k3n")},
        "sources": {
            "floor": {**floor, **changes.get("floor", {})},
            "plc": {"type": "opcua", "url": "opc.tcp://plc"},
        },
        "lines": [{**line, "states": states}],
    }
    return Config.model_validate(given, strict=False)


BASE = marks(config(), "a")


def test_the_same_configuration_has_the_same_marks() -> None:
    """Made anew, in another process."""
    assert marks(config(), "a") == BASE


@pytest.mark.parametrize(
    ("changes", "sources", "lines", "oden"),
    [
        ({"floor": {"url": "mqtt://other"}}, ("floor",), (), False),
        ({"floor": {"password": "an0ther"}}, ("floor",), (), False),
        ({"order": {"field": "nummer"}}, ("floor",), ("A/L",), False),
        ({"codes": {1: {"category": "Running"}}}, (), ("A/L",), False),
        ({"codes": {"1": {"category": "Uptime"}, 2: {"category": "Uptime"}}}, (), ("A/L",), False),
        ({"token": "an0ther"}, (), (), True),
    ],
)
def test_what_differs_has_another_mark(
    changes: dict[str, Any], sources: tuple[str, ...], lines: tuple[str, ...], oden: bool
) -> None:
    """That and nothing else: a source differs where one of its inputs does, and secrets count."""
    other = marks(config(**changes), "a")
    assert names_between(BASE.sources, other.sources) == Names(changed=sources)
    assert names_between(BASE.lines, other.lines) == Names(changed=lines)
    assert (BASE.oden != other.oden) is oden


def test_a_mark_is_of_its_salt_alone() -> None:
    """Nobody who knows one of another question recognises it, and nothing that was marked is in it."""
    other = marks(config(), "b")
    assert not {*BASE.sources.values(), *BASE.lines.values()} & {*other.sources.values(), *other.lines.values()}
    assert "s3cret" not in repr(BASE)
    assert "t0k3n" not in repr(BASE)


def test_a_path_is_where_it_leads_to(tmp_path: Path) -> None:
    """By whichever way the file was named."""
    (tmp_path / "way").symlink_to(tmp_path)
    one, other = (config(floor={"ca": tmp_path / way / "ca.pem"}) for way in ("", "way/way"))
    assert marks(one, "a") == marks(other, "a")
