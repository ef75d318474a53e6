"""What can be found at a source, in the terms of the configuration: nodes, topics, metrics of births. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache

from pydantic import TypeAdapter

from gateway.model import Scalar

LONGEST_VALUE = 200
"""Characters of a text that are kept of a value."""


@dataclass(frozen=True, slots=True)
class TreeNode:
    """A node of an OPC UA server. `node` and `path` are as the configuration writes them, `path` empty where none leads
    there; `depth` is counted from the node where the tree begins.

    Of a variable, `type` is that of its value, with `[]` where it is an array; `value` is None where that is no scalar.
    `problem` says why there is no value, or why what is below cannot be listed.
    """

    node: str
    path: str
    name: str
    depth: int
    variable: bool
    type: str = ""
    value: Scalar = None
    quality: str = ""
    unit: str = ""
    problem: str = ""


@dataclass(slots=True)
class Topic:
    """An MQTT topic, and its last message. `fields` are the scalars in it by their paths, `""` where it is one itself;
    `said` is how it begins. `retained`: nothing but what the broker had kept has come. `problem`: why it cannot be
    used. `known_at`: nothing has come now, and the running gateway had it then."""

    topic: str
    messages: int = 0
    retained: bool = True
    said: str = ""
    fields: Mapping[str, Scalar] = field(default_factory=dict)
    problem: str = ""
    known_at: float | None = None


@dataclass(slots=True)
class Metric:
    """A metric in the last birth of a Sparkplug device; with `known_at`, as the running gateway had it then."""

    device: str
    metric: str
    type: str
    value: Scalar
    problem: str = ""
    known_at: float | None = None


Found = TreeNode | Topic | Metric


@cache
def found_adapter() -> TypeAdapter[list[Found]]:
    """For the way over the control socket; made where a person asks."""
    return TypeAdapter(list[Found])


def shortened(value: Scalar) -> Scalar:
    """`value`, of a long text only the beginning."""
    is_long = isinstance(value, str) and len(value) > LONGEST_VALUE
    return f"{str(value)[:LONGEST_VALUE]}…" if is_long else value


def is_within(topic: str, wanted: str) -> bool:
    """Whether messages on `topic`, as the configuration writes it, come of the topic filter `wanted`; empty: of all."""
    levels, filters = topic.split("/"), wanted.split("/") if wanted else ["#"]
    if filters[-1] == "#":
        levels, filters = levels[: len(filters) - 1], filters[:-1]
    return len(levels) == len(filters) and all(
        each == "+" or each == level for level, each in zip(levels, filters, strict=True)
    )
