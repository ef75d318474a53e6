"""What Oden holds, in memory: the organization that is set up beforehand, and the objects that requests make.

Pure and deterministic: ids depend on names, start times and order only, so the same requests give the same ids.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import NAMESPACE_URL, uuid5

from gateway.simulator.oden.bodies import format_time

if TYPE_CHECKING:  # manners know the store
    from gateway.simulator.oden.manners import Manners

_NAMESPACE = uuid5(NAMESPACE_URL, "https://api.oden.app/v2")


def derived_id(*parts: str | int) -> str:
    """A UUID that depends on `parts` only."""
    return str(uuid5(_NAMESPACE, "\n".join(map(str, parts))))


@dataclass(frozen=True, slots=True)
class Line:
    """A production line, by the names of its factory and its own."""

    factory: str
    name: str

    @property
    def id(self) -> str:
        return derived_id("line", self.factory, self.name)

    def answer(self) -> dict[str, object]:
        """The line as Oden answers it (schema `Line`)."""
        return {"id": self.id, "name": self.name, "factory": {"id": factory_id(self.factory), "name": self.factory}}


def factory_id(name: str) -> str:
    """The id of the factory `name`."""
    return derived_id("factory", name)


@dataclass(frozen=True, slots=True)
class Factory:
    """A factory and the names of its lines."""

    name: str
    lines: tuple[str, ...]
    timezone: str = "UTC"
    secondary_name: str | None = None
    secondary_names: tuple[tuple[str, str], ...] = ()
    """Names of lines and their secondary names, where they have one."""

    def answer(self) -> dict[str, object]:
        """The factory as Oden answers it (schema `Factory`)."""
        secondary = {} if self.secondary_name is None else {"secondary_name": self.secondary_name}
        return {"id": factory_id(self.name), "name": self.name, **secondary, "timezone": self.timezone}


FORTY_LINES = tuple(f"Line {number:02}" for number in range(1, 41))


@dataclass(frozen=True, slots=True)
class MetricGroup:
    """A group of metrics, which targets are for."""

    name: str
    description: str = ""
    unit_kind_of_quantity: str = ""

    @property
    def id(self) -> str:
        return derived_id("metric_group", self.name)

    def answer(self) -> dict[str, object]:
        """The group as Oden answers it (schema `MetricGroup`)."""
        return {
            "id": self.id,
            "name": self.name,
            "description": self.description,
            "unit_kind_of_quantity": self.unit_kind_of_quantity,
        }


@dataclass(frozen=True, slots=True)
class QualitySchema:
    """What the quality tests of a factory hold; `id` is a whole number as text, `schema` JSON as text."""

    id: str
    factory: str
    description: str = ""
    schema: str = "{}"

    def answer(self) -> dict[str, object]:
        """The schema as Oden answers it (schema `QualitySchema`)."""
        factory = {"id": factory_id(self.factory), "name": self.factory}
        return {"id": self.id, "factory": factory, "schema": self.schema, "description": self.description}


@dataclass(frozen=True, slots=True)
class ScrapYieldSchema:
    """How a factory's scrap and yield are counted: symbols of units, and factors that numbers are multiplied by."""

    factory: str
    scrap_unit: str = ""
    yield_unit: str = ""
    scrap_conversion_factor: float = 1.0
    yield_conversion_factor: float = 1.0

    def answer(self) -> dict[str, object]:
        """The schema as Oden answers it (schema `ScrapYieldSchema`)."""
        units = {
            name: {"symbol": symbol}
            for name, symbol in (("scrap_unit", self.scrap_unit), ("yield_unit", self.yield_unit))
            if symbol
        }
        return {
            "id": derived_id("scrap_yield_schema", self.factory),
            "factory": {"id": factory_id(self.factory), "name": self.factory},
            "scrap_conversion_factor": self.scrap_conversion_factor,
            "yield_conversion_factor": self.yield_conversion_factor,
            **units,
        }


@dataclass(frozen=True, slots=True)
class Module:
    """One module of a dashboard and the query that it runs."""

    name: str
    query: str

    @property
    def id(self) -> str:
        return derived_id("module", self.name, self.query)


@dataclass(frozen=True, slots=True)
class Dashboard:
    """A dashboard with its modules."""

    name: str
    modules: tuple[Module, ...] = ()

    @property
    def id(self) -> str:
        return derived_id("dashboard", self.name)


@dataclass(frozen=True, slots=True)
class Organization:
    """What is set up at Oden before the first request.

    State categories and reasons have their places as ids, from 1.
    """

    factories: tuple[Factory, ...] = (Factory("Factory A", FORTY_LINES), Factory("Factory B", FORTY_LINES))
    categories: tuple[str, ...] = ("Uptime", "Planned Downtime", "Unplanned Downtime", "No Data")
    interval_types: tuple[str, ...] = ()
    """Names of the custom interval types."""
    reasons: tuple[str, ...] = ()
    products: tuple[str, ...] = ()
    metric_groups: tuple[MetricGroup, ...] = ()
    quality_schemas: tuple[QualitySchema, ...] = ()
    scrap_yield_schemas: tuple[ScrapYieldSchema, ...] = ()
    dashboards: tuple[Dashboard, ...] = ()
    ids: Mapping[tuple[str, str], str] = field(default_factory=dict)
    """(kind of object, id that clients know it by) -> the id that follows from its name; see `bodies`."""

    def lines(self) -> Iterator[Line]:
        return (Line(factory.name, name) for factory in self.factories for name in factory.lines)


BUILT_IN = ("RUN", "BATCH", "STATE")
"""Names of the interval types that every organization has."""


def type_id(name: str) -> str:
    """The id of the interval type `name`."""
    return derived_id("interval_type", name)


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
            "start_time": format_time(self.start),
            **({} if self.end is None else {"end_time": format_time(self.end)}),
            "metadata": dict(self.metadata),
        }


@dataclass(frozen=True, slots=True)
class ScrapYieldRecord:
    """One scrap/yield record of an interval; `timestamp` in whole seconds since 1970, None where none was given."""

    id: str
    raw_data: Mapping[str, object]
    timestamp: int | None

    def answer(self) -> dict[str, object]:
        """The record as this stand-in answers it; Oden's own answer is not documented."""
        timestamp = None if self.timestamp is None else format_time(self.timestamp)
        return {"id": self.id, "raw_data": dict(self.raw_data), "timestamp": timestamp}


@dataclass(frozen=True, slots=True)
class Attribute:
    """What products can be told apart by, such as a colour."""

    id: str
    name: str
    display_name: str


@dataclass(frozen=True, slots=True)
class TargetLimits:
    """The limits of a target, which is for one metric group, product and line; None where none is set."""

    lsl: float | None = None
    target_value: float | None = None
    usl: float | None = None


@dataclass(frozen=True, slots=True)
class QualityTest:
    """One test of an interval, which is known by its type, line and id; `timestamp` in seconds since 1970."""

    id: str
    interval: tuple[str, Line, str]
    schema: str | None
    raw_data: Mapping[str, object]
    timestamp: int | None


@dataclass(frozen=True, slots=True)
class WorkOrder:
    """One maintenance work order; times in seconds since 1970."""

    id: str
    name: str
    external_id: str
    line: Line
    started_at: int
    completed_at: int | None
    description: str | None
    metadata: Mapping[str, object] | None

    def answer(self) -> dict[str, object]:
        """The order as Oden answers it (schema `MaintenanceWorkOrder`)."""
        return {
            "id": self.id,
            "name": self.name,
            "external_id": self.external_id,
            "line": self.line.answer(),
            "started_at": format_time(self.started_at),
            **({} if self.completed_at is None else {"completed_at": format_time(self.completed_at)}),
            **({} if self.description is None else {"description": self.description}),
            **({} if self.metadata is None else {"metadata": dict(self.metadata)}),
        }


@dataclass(slots=True)
class Store:
    """Everything that one Oden holds. Endpoints change it only after all checks of a request have passed."""

    organization: Organization
    manners: "Manners" = field(compare=False)
    """How requests are answered now; no part of what is held."""
    lines: dict[str, Line] = field(init=False)
    """Line id -> line."""
    intervals: dict[tuple[str, Line], dict[str, Interval]] = field(default_factory=dict)
    """(type, line) -> interval id -> interval, in the order they were made."""
    output: dict[tuple[str, Line, str], dict[str, ScrapYieldRecord]] = field(default_factory=dict)
    """(type, line, interval id) -> record id -> record, in the order they were made."""
    output_made: int = 0
    """How many scrap/yield records were ever made; so for the others, since ids follow from the count."""
    products: dict[str, str] = field(default_factory=dict)
    """Product id -> name."""
    products_made: int = 0
    mappings: dict[tuple[str, Line], None] = field(default_factory=dict)
    """(product id, line), in the order they were made."""
    attributes: dict[str, Attribute] = field(default_factory=dict)
    """Id -> product attribute."""
    values: dict[tuple[str, str], str] = field(default_factory=dict)
    """(attribute id, product id) -> value."""
    targets: dict[tuple[str, str, Line], TargetLimits] = field(default_factory=dict)
    """(metric group id, product id, line) -> target."""
    tests: dict[str, QualityTest] = field(default_factory=dict)
    """Id -> quality test, in the order they were made."""
    tests_made: int = 0
    orders: dict[str, WorkOrder] = field(default_factory=dict)
    """Id -> maintenance work order, in the order they were made."""
    orders_made: int = 0
    reasons: list[str] = field(init=False)
    """Names of state reasons; their ids are their places, from 1."""
    types: list[str] = field(init=False)
    """Names of all interval types, built-in ones first."""

    def __post_init__(self) -> None:
        self.types = [*BUILT_IN, *self.organization.interval_types]
        self.reasons = [*self.organization.reasons]
        for name in self.organization.products:
            self.products_made += 1
            self.products[derived_id("product", self.products_made)] = name
        self.lines = {line.id: line for line in self.organization.lines()}

    def intervals_of(self, interval_type: str, line: Line) -> list[Interval]:
        """The intervals of one type and line, by start; equal starts in the order they were made."""
        return sorted(self.intervals.get((interval_type, line), {}).values(), key=lambda interval: interval.start)

    def output_of(self, interval: Interval) -> dict[str, ScrapYieldRecord]:
        """The scrap/yield records of one interval, by id."""
        return self.output.get((interval.type, interval.line, interval.id), {})
