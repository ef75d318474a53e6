"""What Oden keeps, in memory: the plant that is given, and the intervals, output, products and reasons that requests make.

Pure and deterministic: ids depend on names, start times and order only, so the same requests give the same ids.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from uuid import NAMESPACE_URL, uuid5

from gateway.simulator.oden_body import time_text
from gateway.simulator.oden_modes import Modes

_NAMESPACE = uuid5(NAMESPACE_URL, "https://api.oden.app/v2")


def made_id(*parts: str | int) -> str:
    """A UUID that depends on `parts` only."""
    return str(uuid5(_NAMESPACE, "\n".join(map(str, parts))))


@dataclass(frozen=True, slots=True)
class Line:
    """A production line, by the names of its factory and its own."""

    factory: str
    name: str

    @property
    def id(self) -> str:
        return made_id("line", self.factory, self.name)

    def answer(self) -> dict[str, object]:
        """The line as Oden answers it (schema `Line`)."""
        return {"id": self.id, "name": self.name, "factory": {"id": factory_id(self.factory), "name": self.factory}}


def factory_id(name: str) -> str:
    """The id of the factory `name`."""
    return made_id("factory", name)


@dataclass(frozen=True, slots=True)
class Factory:
    """A factory and the names of its lines."""

    name: str
    lines: tuple[str, ...]
    timezone: str = "UTC"

    def answer(self) -> dict[str, object]:
        """The factory as Oden answers it (schema `Factory`)."""
        return {"id": factory_id(self.name), "name": self.name, "timezone": self.timezone}


FORTY_LINES = tuple(f"Line {number:02}" for number in range(1, 41))


@dataclass(frozen=True, slots=True)
class Plant:
    """What is set up at Oden before the first request: factories with lines, state categories (ids from 1), custom types."""

    factories: tuple[Factory, ...] = (Factory("Factory A", FORTY_LINES), Factory("Factory B", FORTY_LINES))
    categories: tuple[str, ...] = ("Uptime", "Planned Downtime", "Unplanned Downtime", "No Data")
    interval_types: tuple[str, ...] = ()
    """Names of the custom interval types."""

    def lines(self) -> Iterator[Line]:
        return (Line(factory.name, name) for factory in self.factories for name in factory.lines)


BUILT_IN = ("RUN", "BATCH", "STATE")
"""Names of the interval types that every organization has."""


def type_id(name: str) -> str:
    """The id of the interval type `name`."""
    return made_id("interval_type", name)


@dataclass(frozen=True, slots=True)
class Interval:
    """One interval. `start` and `end` are whole seconds since 1970; `end` is None while it is open.

    `metadata` is what Oden answers: RUN `product` {id, name}; STATE `category` and `reason` {id, name}; and
    whatever else was given.
    """

    id: str
    type: str
    line: Line
    name: str | None
    start: int
    end: int | None
    metadata: Mapping[str, object]

    @property
    def product(self) -> str | None:
        """Name of the product, of a RUN."""
        return self._named("product")

    @property
    def category(self) -> str | None:
        """Name of the state category, of a STATE."""
        return self._named("category")

    @property
    def reason(self) -> str | None:
        """Name of the state reason, of a STATE that has one."""
        return self._named("reason")

    def _named(self, key: str) -> str | None:
        value = self.metadata.get(key)
        name = value.get("name") if isinstance(value, dict) else None
        return name if isinstance(name, str) else None

    def answer(self) -> dict[str, object]:
        """The interval as Oden answers it (schema `Interval`)."""
        return {
            "id": self.id,
            "type": {"id": type_id(self.type), "name": self.type},
            "line": self.line.answer(),
            **({} if self.name is None else {"name": self.name}),
            "start_time": time_text(self.start),
            **({} if self.end is None else {"end_time": time_text(self.end)}),
            "metadata": dict(self.metadata),
        }


@dataclass(frozen=True, slots=True)
class Entry:
    """One scrap/yield record of an interval; `timestamp` in whole seconds since 1970, None where none was given."""

    id: str
    raw_data: Mapping[str, object]
    timestamp: int | None

    def answer(self) -> dict[str, object]:
        """The record as this stand-in answers it; Oden's own answer is not documented."""
        stamp = None if self.timestamp is None else time_text(self.timestamp)
        return {"id": self.id, "raw_data": dict(self.raw_data), "timestamp": stamp}


@dataclass(slots=True)
class Store:
    """Everything a model knows. Handlers change it only after all checks of a request have passed."""

    plant: Plant
    lines: dict[str, Line] = field(init=False)
    """Line id -> line."""
    intervals: dict[tuple[str, Line], dict[str, Interval]] = field(default_factory=dict)
    """(type, line) -> interval id -> interval, in the order they were made."""
    output: dict[tuple[str, Line, str], dict[str, Entry]] = field(default_factory=dict)
    """(type, line, interval id) -> record id -> record, in the order they were made."""
    entries: int = 0
    """How many scrap/yield records were ever made."""
    products: dict[str, str] = field(default_factory=dict)
    """Product id -> name."""
    reasons: list[str] = field(default_factory=list)
    """Names of state reasons; their ids are their places, from 1."""
    types: list[str] = field(init=False)
    """Names of all interval types, built-in ones first."""
    modes: Modes = field(default=Modes(), compare=False)
    """How requests are answered now; no part of what is kept."""

    def __post_init__(self) -> None:
        self.types = [*BUILT_IN, *self.plant.interval_types]
        self.lines = {line.id: line for line in self.plant.lines()}

    def of(self, interval_type: str, line: Line) -> list[Interval]:
        """The intervals of one type and line, by start; equal starts in the order they were made."""
        return sorted(self.intervals.get((interval_type, line), {}).values(), key=lambda interval: interval.start)

    def output_of(self, interval: Interval) -> dict[str, Entry]:
        """The scrap/yield records of one interval, by id."""
        return self.output.get((interval.type, interval.line, interval.id), {})
