"""Compiling a line: every fault is found, at its exact place."""

from typing import Any

import pytest

from gateway.config.schema import Line
from gateway.errors import InvalidConfig
from gateway.mapping.compile import compile_line
from tests.mapping.recording import LINE, PLC, plan

LOC = ("lines", 3)


def faults(**changes: Any) -> list[tuple[tuple[str | int, ...], str]]:
    with pytest.raises(InvalidConfig) as caught:
        compile_line(Line.model_validate({**LINE, **changes}), LOC)
    return [(fault.loc[len(LOC) :], fault.text) for fault in caught.value.faults if fault.loc[: len(LOC)] == LOC]


def run(**changes: Any) -> dict[str, Any]:
    return {"run": {**LINE["run"], **changes}}


def states(**changes: Any) -> dict[str, Any]:
    return {"states": {**LINE["states"], **changes}}


def entry(count: str = "good", **raw_data: Any) -> dict[str, Any]:
    return {"scrap_yield": {"entries": [{"count": count, "raw_data": raw_data or {"yield": "{n}"}}]}}


@pytest.mark.parametrize(
    ("changes", "loc", "text"),
    [
        (run(key="ordr"), ("run", "key"), '"ordr" is not an input of this line; its inputs are: good, order'),
        (run(product="{sku}"), ("run", "product"), '"sku" is not an input'),
        (run(product="{"), ("run", "product"), "lone"),
        (run(product=None), ("run",), "write either 'product' or 'product_id'"),
        (run(product_id="{product}"), ("run",), "write either 'product' or 'product_id'"),
        (run(product=None, product_id="{sku}"), ("run", "product_id"), '"sku" is not an input'),
        (run(name="{order.number}x{y}"), ("run", "name"), '"y" is not an input'),
        (run(name="{state.code}"), ("run", "name"), "has no fields"),
        (run(end={"when": "state ==", "for": "1s"}), ("run", "end", "when"), "missing at the end"),
        (run(end={"when": "stat == 0"}), ("run", "end", "when"), '"stat" is not an input'),
        (states(input="x"), ("states", "input"), '"x" is not an input'),
        (states(codes={1: {"category": "{x}"}}), ("states", "codes", 1, "category"), '"x" is not an input'),
        (states(codes={"a": {"category": "A", "reason": "{}"}}), ("states", "codes", "a", "reason"), "placeholder"),
        (states(codes={1: {"category": "A"}, "1": {"category": "B"}}), ("states", "codes", "1"), "twice"),
        (states(other={"category": "A", "reason": "{n}"}), ("states", "other", "reason"), '"n" is not an input'),
        (entry("x"), ("scrap_yield", "entries", 0, "count"), '"x" is not an input'),
        (entry("state"), ("scrap_yield", "entries", 0, "count"), "tag without `counter`"),
        (entry("good.qty"), ("scrap_yield", "entries", 0, "count"), "is a counter"),
        (entry(good="{x}", n="{n}"), ("scrap_yield", "entries", 0, "raw_data", "good"), '"x" is not an input'),
        (entry(good="{n} parts", n="{n}"), ("scrap_yield", "entries", 0, "raw_data", "good"), "stands alone"),
        (entry(good="{n.x}", n="{n}"), ("scrap_yield", "entries", 0, "raw_data", "good"), '"n" is not an input'),
        (entry(good=5), ("scrap_yield", "entries", 0, "raw_data"), "amount is missing"),
        (
            {"inputs": {**LINE["inputs"], **{name: {"source": "floor", "topic": "t", "id": name} for name in "xy"}}},
            ("inputs", "y", "id"),
            "another input of this topic has another 'id'",
        ),
        ({"run": None}, ("scrap_yield",), "belongs to a run"),
    ],
)
def test_p10_fault_at_its_place(changes: dict[str, Any], loc: tuple[str | int, ...], text: str) -> None:
    """Each name, pattern and expression that cannot work is refused where it stands, in a sentence."""
    ((place, message),) = faults(**changes)
    assert place == loc
    assert text in message


def test_p10_all_faults_at_once() -> None:
    """A person sees everything that is wrong with a line, not one thing after the other."""
    all_faults = faults(
        **run(key="a", product="{b}", end={"when": "c == 1"}), **states(input="d"), **entry("e", f="{g}")
    )
    assert [loc for loc, _ in all_faults] == [
        ("run", "key"),
        ("run", "product"),
        ("run", "end", "when"),
        ("states", "input"),
        ("scrap_yield", "entries", 0, "count"),
        ("scrap_yield", "entries", 0, "raw_data", "f"),
        ("scrap_yield", "entries", 0, "raw_data"),
    ]


def test_p10_a_section_that_cannot_be_is_read_all_the_same() -> None:
    """Where two keys exclude each other, or one is missing, what the others say is looked at as well."""
    ladder = [{"when": "stat == 1", "category": "{a}"}]
    no_other: dict[str, Any] = {"input": None, "codes": {}, "other": None, "ladder": ladder}
    two_ways = {"codes": {1: {"category": "{b}"}}, "ladder": ladder}
    end = {"idle": "5m", "when": "stat == 0", "count": ["good"]}
    product = {"product": "{c}", "product_id": "{d}"}
    assert [loc for loc, _ in faults(**states(**no_other))] == [
        ("states", "ladder", 0, "when"),
        ("states", "ladder", 0, "category"),
        ("states",),
    ]
    assert {("states", "codes", 1, "category"), ("states", "ladder", 0, "when")} < {
        loc for loc, _ in faults(**states(**two_ways))
    }
    assert [loc for loc, _ in faults(**states(input=None, codes={1: {"category": "{b}"}}))] == [
        ("states",),
        ("states", "codes", 1, "category"),
    ]
    assert [loc for loc, _ in faults(**run(end=end, **product))] == [
        ("run",),
        ("run", "product"),
        ("run", "product_id"),
        ("run", "end"),
        ("run", "end", "when"),
    ]


def test_line_is_identified() -> None:
    """The plan carries what the line is known by here and at Oden."""
    assert (plan().key, plan().factory, plan().line, plan().id) == ("Factory A/Line 01", "Factory A", "Line 01", None)
    assert plan(id="l-1").key == "l-1"


def test_sections_are_optional() -> None:
    """A line can have states only, or no meaning at all yet."""
    assert plan(run=None, scrap_yield=None).states is not None
    bare = plan(run=None, scrap_yield=None, states=None, inputs={"x": PLC["state"]})
    assert (bare.run, bare.states, bare.output) == (None, None, None)
