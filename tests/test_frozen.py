"""Frozen dataclasses that are quick to make are as those of the standard library, but for what mypy sees to."""

import dataclasses
from typing import Any

import pytest

from gateway.frozen import dataclass, replace
from gateway.mapping.line import LineState
from gateway.mapping.trail import Feed
from gateway.model import Sample

SAMPLE = Sample("plc", "Good", 7, 1.0, source_time=0.5)


@dataclass(frozen=True, slots=True)
class Alone:
    one: int


@pytest.mark.parametrize(
    ("known", "changes"),
    [
        (SAMPLE, {}),
        (SAMPLE, {"value": [1], "part": 3}),
        (LineState(), {"now": 5.0, "missed": ()}),
        (Feed(LineState(seq=3)), {"numbered": 4, "behind": {"plc": 1.0}}),
        (Alone(1), {"one": 2}),
    ],
)
def test_replaced_as_the_standard_library_does(known: Any, changes: dict[str, Any]) -> None:
    before = {field.name: getattr(known, field.name) for field in dataclasses.fields(known)}
    assert replace(known, **changes) == dataclasses.replace(known, **changes)
    assert {name: getattr(known, name) for name in before} == before


def test_no_field_of_another_name_is_replaced() -> None:
    with pytest.raises((KeyError, TypeError)):
        replace(SAMPLE, colour="red")  # type: ignore[call-arg]


def test_equal_ones_have_one_hash() -> None:
    assert {SAMPLE, Sample("plc", "Good", 7, 1.0, source_time=0.5)} == {SAMPLE}


def test_nothing_can_be_added() -> None:
    with pytest.raises(AttributeError):
        SAMPLE.colour = "red"  # type: ignore[attr-defined]
