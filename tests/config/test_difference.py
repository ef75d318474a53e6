"""Two states of a configuration are compared by marks, which show nothing of them."""

from pathlib import Path
from typing import Any

import pytest

from gateway.config.difference import (
    AFTER_A_RESTART,
    Marks,
    Names,
    after_a_restart,
    in_effect,
    marks,
    names_between,
    settings,
)
from gateway.config.loader import load
from gateway.config.schema import Config
from tests.config.command import GOOD, written


def config(**changes: Any) -> Config:
    floor = {"type": "mqtt", "url": "mqtt://broker", "client_id": "edge-1", "password": "s3cret", "ca": "/etc/ca.pem"}
    order = {"source": "floor", "topic": "a/order", "field": "number"}
    state = {"source": "plc", "node": "ns=2;s=State"}
    line = {"factory": "A", "line": "L", "inputs": {"order": {**order, **changes.get("order", {})}, "state": state}}
    states = {"input": "state", "codes": changes.get("codes", {1: {"category": "Uptime"}})}
    given: dict[str, Any] = {
        "oden": {"token": changes.get("token", "t0k3n")},
        "sources": {
            "floor": {**floor, **changes.get("floor", {})},
            "plc": {"type": "opcua", "url": "opc.tcp://plc"},
        },
        "lines": [{**line, "states": states}],
        **{name: changes[name] for name in ("outbox", "status", "log") if name in changes},
    }
    return Config.model_validate(given, strict=False)


def marked(config: Config, salt: str = "a") -> Marks:
    return marks(config, {}, {}, salt)


BASE = marked(config())


def test_the_same_configuration_has_the_same_marks() -> None:
    """Made anew, in another process."""
    assert marked(config()) == BASE


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
    other = marked(config(**changes))
    assert names_between(BASE.sources, other.sources) == Names(changed=sources)
    assert names_between(BASE.lines, other.lines) == Names(changed=lines)
    assert (BASE.oden != other.oden) is oden


def test_a_mark_is_of_its_salt_alone() -> None:
    """Nobody who knows one of another question recognises it, and nothing that was marked is in it."""
    other = marked(config(), salt="b")
    assert not {*BASE.sources.values(), *BASE.lines.values()} & {*other.sources.values(), *other.lines.values()}
    assert "s3cret" not in repr(BASE)
    assert "t0k3n" not in repr(BASE)


def test_a_path_is_where_it_leads_to(tmp_path: Path) -> None:
    """By whichever way the file was named."""
    (tmp_path / "way").symlink_to(tmp_path)
    one, other = (config(floor={"ca": tmp_path / way / "ca.pem"}) for way in ("", "way/way"))
    assert marked(one) == marked(other)


@pytest.mark.parametrize(
    ("section", "changed"),
    [
        ({"outbox": {"size_limit": "3 GB"}}, "outbox.size_limit"),
        ({"outbox": {"backlog": "in_order"}}, "outbox.backlog"),
        ({"status": {"categories": {"Uptime": "running"}}}, "status.categories"),
        ({"status": {"token": "p4ge"}}, "status.token"),
        ({"log": {"level": "debug"}}, "log.level"),
    ],
)
def test_each_setting_of_the_process_is_told_by_its_name(section: dict[str, Any], changed: str) -> None:
    """That one and no other, and nothing beside the settings."""
    other = marked(config(**section))
    assert names_between(BASE.settings, other.settings) == Names(changed=(changed,))
    assert (other.sources, other.lines, other.tables) == (BASE.sources, BASE.lines, BASE.tables)
    assert BASE.settings.keys() == settings(config()).keys() > set(AFTER_A_RESTART)


def test_what_counts_after_a_restart_does_not_count_before() -> None:
    """By whatever was read in between: what was put back as it was needs no restart."""
    start, later = config(), config(outbox={"size_limit": "3 GB", "ends": "bulk"}, log={"level": "debug"})
    assert after_a_restart(start, later) == ("outbox.size_limit", "log.level")
    runs = in_effect(start, later)
    assert (runs.log, runs.outbox.size_limit, runs.outbox.ends) == (start.log, start.outbox.size_limit, "bulk")
    assert after_a_restart(start, start) == after_a_restart(later, later) == ()


TABLES = """tables: {products: {file: products.csv, key: sku}, orders: {from: order, key: number}}
"""


def test_what_tables_and_schemas_hold_counts(tmp_path: Path) -> None:
    """A table by its cells, in whichever order its rows and columns stand; a schema by its text, of the line that names
    it."""
    path = written(tmp_path, TABLES + GOOD.replace("field: number", "json_schema: order.json, field: number"))
    (tmp_path / "order.json").write_text('{"type": "object"}')

    def read(table: str) -> Marks:
        (tmp_path / "products.csv").write_text(table)
        loaded = load(path, {})
        return marks(loaded.config, loaded.lookups, loaded.schemas, "a")

    base = read("sku,name,weight\nA,Film,1\nB,Foil,2\n")
    assert read("sku,weight,name\nB,2,Foil\nA,1,Film\n") == base
    other = read("sku,name,weight\nA,Film,1\nB,Foil,3\n")
    assert names_between(base.tables, other.tables) == Names(changed=("products",))
    assert (other.lines, other.sources) == (base.lines, base.sources)
    (tmp_path / "order.json").write_text('{"type": ["object"]}')
    other = read("sku,name,weight\nA,Film,1\nB,Foil,2\n")
    assert names_between(base.lines, other.lines).changed == (*base.lines,)
    assert (other.tables, other.sources) == (base.tables, base.sources)
