"""The organization file: what is set up at Oden before the first request, in YAML.

    factories:
      - name: Factory A
        id: 2fc8b5e5-fb88-48a7-9c35-4a763206608c    # everything may be given its id; absent, it follows from the name
        secondary_name: Organization 1
        timezone: Europe/Berlin
        lines: [Line 01, {name: Line 02, id: …, secondary_name: Extruder 2}]
    interval_types: [Operator, {name: BATCH, id: …}]   # RUN, BATCH and STATE are always there
    categories: [Uptime, Planned Downtime, Unplanned Downtime, No Data]
    reasons: [Jam]
    products: [Film 20]
    metric_groups: [{name: Speed, description: …, unit_kind_of_quantity: velocity}]
    quality_schemas: [{id: "66", factory: Factory A, description: …, schema: "{}"}]
    scrap_yield_schemas: [{factory: Factory A, scrap_unit: kg, yield_unit: m, scrap_conversion_factor: 0.5}]
    dashboards: [{name: Shift report, modules: [{name: Runs, query: "SELECT * FROM RUN"}]}]

What is left out is as without a file, but for factories, which are needed. Of one kind, each name and each id is there
once.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter

from gateway.config.model_files import config_error, read_model_file
from gateway.errors import ConfigFault
from gateway.simulator.oden.store import (
    BUILT_IN,
    Dashboard,
    Factory,
    Line,
    MetricGroup,
    Module,
    Organization,
    QualitySchema,
    ScrapYieldSchema,
    derived_id,
    factory_id,
    type_id,
)


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


class _Named(_Section):
    name: Annotated[str, Field(min_length=1)]
    id: str | None = None


def _by_name(value: object) -> object:
    return {"name": value} if isinstance(value, str) else value


Named = Annotated[_Named, BeforeValidator(_by_name)]


class _Line(_Named):
    secondary_name: str | None = None


class _Factory(_Named):
    secondary_name: str | None = None
    timezone: str = "UTC"
    lines: list[Annotated[_Line, BeforeValidator(_by_name)]] = Field(min_length=1)


class _MetricGroup(_Named):
    description: str = ""
    unit_kind_of_quantity: str = ""


class _QualitySchema(_Section):
    id: str
    factory: str
    description: str = ""
    schema_: str = Field("{}", alias="schema")


class _ScrapYieldSchema(_Section):
    factory: str
    scrap_unit: str = ""
    yield_unit: str = ""
    scrap_conversion_factor: float = 1.0
    yield_conversion_factor: float = 1.0


class _Module(_Section):
    name: str
    query: str


class _Dashboard(_Named):
    modules: list[_Module] = Field(default_factory=list)


class _File(_Section):
    factories: list[_Factory] = Field(min_length=1)
    interval_types: list[Named] = Field(default_factory=list)
    categories: list[str] = Field(default_factory=lambda: list(Organization().categories))
    reasons: list[str] = Field(default_factory=list)
    products: list[Named] = Field(default_factory=list)
    metric_groups: list[Annotated[_MetricGroup, BeforeValidator(_by_name)]] = Field(default_factory=list)
    quality_schemas: list[_QualitySchema] = Field(default_factory=list)
    scrap_yield_schemas: list[_ScrapYieldSchema] = Field(default_factory=list)
    dashboards: list[_Dashboard] = Field(default_factory=list)


_FILE: TypeAdapter[_File] = TypeAdapter(_File)


def read_organization(path: Path) -> Organization:
    """The organization that the file at `path` describes; ConfigError, with positions, where it cannot be used."""
    read, root = read_model_file(path, _FILE)
    faults = list(_faults(read))
    if faults:
        raise config_error(root, faults)
    return Organization(
        factories=tuple(_factory(factory) for factory in read.factories),
        categories=tuple(read.categories),
        interval_types=tuple(kind.name for kind in read.interval_types if kind.name not in BUILT_IN),
        reasons=tuple(read.reasons),
        products=tuple(product.name for product in read.products),
        metric_groups=tuple(
            MetricGroup(group.name, group.description, group.unit_kind_of_quantity) for group in read.metric_groups
        ),
        quality_schemas=tuple(
            QualitySchema(schema.id, schema.factory, schema.description, schema.schema_)
            for schema in read.quality_schemas
        ),
        scrap_yield_schemas=tuple(ScrapYieldSchema(**schema.model_dump()) for schema in read.scrap_yield_schemas),
        dashboards=tuple(
            Dashboard(dashboard.name, tuple(Module(module.name, module.query) for module in dashboard.modules))
            for dashboard in read.dashboards
        ),
        ids={(kind, external): internal for kind, external, internal in _ids(read) if external is not None},
    )


def _factory(read: _Factory) -> Factory:
    secondary_names = tuple((line.name, line.secondary_name) for line in read.lines if line.secondary_name is not None)
    lines = tuple(line.name for line in read.lines)
    return Factory(read.name, lines, read.timezone, read.secondary_name, secondary_names)


Loc = tuple[str | int, ...]


def _faults(read: _File) -> Iterator[ConfigFault]:
    """What is right by itself and makes no sense together."""
    named = [*_named(read)]
    yield from _duplicates((loc, item.name, loc[:-1]) for loc, item in named)
    yield from _duplicates(((*loc, "id"), item.id, loc[-2]) for loc, item in named if item.id is not None)
    for kind, names in (("categories", read.categories), ("reasons", read.reasons)):
        yield from _duplicates(((kind, number), name, kind) for number, name in enumerate(names))
    factories = {factory.name for factory in read.factories}
    for number, schema in enumerate(read.quality_schemas):
        if schema.factory not in factories:
            yield ConfigFault(("quality_schemas", number, "factory"), f"there is no factory {schema.factory!r} here")
        try:
            json.loads(schema.schema_)
        except ValueError:
            yield ConfigFault(("quality_schemas", number, "schema"), "must be JSON, in quotes")
    for number, scrap_yield in enumerate(read.scrap_yield_schemas):
        if scrap_yield.factory not in factories:
            yield ConfigFault(
                ("scrap_yield_schemas", number, "factory"), f"there is no factory {scrap_yield.factory!r} here"
            )
    ids = [schema.id for schema in read.quality_schemas]
    yield from _duplicates((("quality_schemas", number, "id"), schema_id, "") for number, schema_id in enumerate(ids))
    owners = [schema.factory for schema in read.scrap_yield_schemas]
    yield from _duplicates((("scrap_yield_schemas", number, "factory"), name, "") for number, name in enumerate(owners))


def _named(read: _File) -> Iterator[tuple[Loc, _Named]]:
    """Everything that has a name and may have an id, and where it is."""
    lists: dict[Loc, Sequence[_Named]] = {
        ("factories",): read.factories,
        **{("factories", number, "lines"): factory.lines for number, factory in enumerate(read.factories)},
        ("interval_types",): read.interval_types,
        ("products",): read.products,
        ("metric_groups",): read.metric_groups,
        ("dashboards",): read.dashboards,
    }
    return (((*loc, number), item) for loc, items in lists.items() for number, item in enumerate(items))


def _duplicates(names: Iterable[tuple[Loc, str, object]]) -> Iterator[ConfigFault]:
    """A fault for each (place, name, what it must be unique among) that was there before."""
    seen: set[tuple[str, object]] = set()
    for loc, name, scope in names:
        if (name, scope) in seen:
            yield ConfigFault(loc, f"{name!r} is there already")
        seen.add((name, scope))


def _ids(read: _File) -> Iterator[tuple[str, str | None, str]]:
    """Kind of object, the id that the file gives to it, and the id that the store knows it by."""
    for factory in read.factories:
        yield "factory", factory.id, factory_id(factory.name)
        for line in factory.lines:
            yield "line", line.id, Line(factory.name, line.name).id
    for kind in read.interval_types:
        yield "interval_type", kind.id, type_id(kind.name)
    for number, product in enumerate(read.products, 1):
        yield "product", product.id, derived_id("product", number)
    for group in read.metric_groups:
        yield "metric_group", group.id, MetricGroup(group.name).id
    for dashboard in read.dashboards:
        yield "dashboard", dashboard.id, Dashboard(dashboard.name).id
