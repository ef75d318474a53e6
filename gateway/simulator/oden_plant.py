"""A plant from a YAML file: what is set up at Oden before the first request.

    factories:
      - name: Factory A
        id: 2fc8b5e5-fb88-48a7-9c35-4a763206608c    # everything may be given its id; absent, it follows from the name
        secondary_name: Plant 1
        timezone: Europe/Berlin
        lines: [Line 01, {name: Line 02, id: …, secondary_name: Extruder 2}]
    interval_types: [Operator, {name: BATCH, id: …}]   # RUN, BATCH and STATE are always there
    categories: [Uptime, Planned Downtime, Unplanned Downtime, No Data]
    reasons: [Jam]
    products: [Film 20]
    metric_groups: [{name: Speed, description: …, unit_kind_of_quantity: velocity}]
    quality_schemas: [{id: "66", factory: Factory A, description: …, schema: "{}"}]
    dashboards: [{name: Shift report, modules: [{name: Runs, query: "SELECT * FROM RUN"}]}]

What is left out is as without a file, but for factories, which are needed.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter

from gateway.config.beside import read_beside
from gateway.simulator.oden_store import (
    BUILT_IN,
    Dashboard,
    Factory,
    Line,
    MetricGroup,
    Module,
    Plant,
    QualitySchema,
    factory_id,
    made_id,
    type_id,
)


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


class _Named(_Part):
    name: Annotated[str, Field(min_length=1)]
    id: str | None = None
    secondary_name: str | None = None


def _by_name(value: object) -> object:
    return {"name": value} if isinstance(value, str) else value


Named = Annotated[_Named, BeforeValidator(_by_name)]


class _Factory(_Named):
    timezone: str = "UTC"
    lines: list[Named] = Field(min_length=1)


class _MetricGroup(_Named):
    description: str = ""
    unit_kind_of_quantity: str = ""


class _QualitySchema(_Part):
    id: str
    factory: str
    description: str = ""
    schema_: str = Field("{}", alias="schema")


class _Module(_Part):
    name: str
    query: str


class _Dashboard(_Named):
    modules: list[_Module] = Field(default_factory=list)


class _File(_Part):
    factories: list[_Factory] = Field(min_length=1)
    interval_types: list[Named] = Field(default_factory=list)
    categories: list[str] = Field(default_factory=lambda: list(Plant().categories))
    reasons: list[str] = Field(default_factory=list)
    products: list[Named] = Field(default_factory=list)
    metric_groups: list[Annotated[_MetricGroup, BeforeValidator(_by_name)]] = Field(default_factory=list)
    quality_schemas: list[_QualitySchema] = Field(default_factory=list)
    dashboards: list[_Dashboard] = Field(default_factory=list)


_FILE: TypeAdapter[_File] = TypeAdapter(_File)


def read_plant(path: Path) -> Plant:
    """The plant that the file at `path` describes. Raises ConfigError, with positions, where it cannot be used."""
    read, _ = read_beside(path, _FILE)
    return Plant(
        factories=tuple(_factory(one) for one in read.factories),
        categories=tuple(read.categories),
        interval_types=tuple(one.name for one in read.interval_types if one.name not in BUILT_IN),
        reasons=tuple(read.reasons),
        products=tuple(one.name for one in read.products),
        metric_groups=tuple(
            MetricGroup(one.name, one.description, one.unit_kind_of_quantity) for one in read.metric_groups
        ),
        quality_schemas=tuple(
            QualitySchema(one.id, one.factory, one.description, one.schema_) for one in read.quality_schemas
        ),
        dashboards=tuple(
            Dashboard(one.name, tuple(Module(module.name, module.query) for module in one.modules))
            for one in read.dashboards
        ),
        ids={(kind, given): made for kind, given, made in _ids(read) if given is not None},
    )


def _factory(read: _Factory) -> Factory:
    seconds = tuple((line.name, line.secondary_name) for line in read.lines if line.secondary_name is not None)
    lines = tuple(line.name for line in read.lines)
    return Factory(read.name, lines, read.timezone, read.secondary_name, seconds)


def _ids(read: _File) -> Iterator[tuple[str, str | None, str]]:
    for factory in read.factories:
        yield "factory", factory.id, factory_id(factory.name)
        for line in factory.lines:
            yield "line", line.id, Line(factory.name, line.name).id
    for kind in read.interval_types:
        yield "interval_type", kind.id, type_id(kind.name)
    for number, product in enumerate(read.products, 1):
        yield "product", product.id, made_id("product", number)
    for group in read.metric_groups:
        yield "metric_group", group.id, MetricGroup(group.name).id
    for dashboard in read.dashboards:
        yield "dashboard", dashboard.id, Dashboard(dashboard.name).id
