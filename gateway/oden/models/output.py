"""What is measured of runs and batches: scrap and yield, and quality tests."""

from pydantic import Field, JsonValue

from gateway.oden.models.base import JsonText, Match, Model, Number, Time
from gateway.oden.models.intervals import Interval
from gateway.oden.models.plant import Factory, Line


class Unit(Model):
    """A unit of measurement."""

    id: int | None = None
    symbol: str | None = None
    name: str | None = None
    kind_of_quantity: str | None = None


class ScrapYieldSchema(Model):
    """How a factory's raw data become scrap and yield."""

    id: str | None = None
    factory: Factory | None = None
    scrap_conversion_factor: Number | None = None
    scrap_unit: Unit | None = None
    yield_conversion_factor: Number | None = None
    yield_unit: Unit | None = None


class ScrapYieldData(Model):
    """One record of output. `raw_data` is declared as a text that holds JSON, and shown as an object: it can be
    either."""

    id: str | None = None
    raw_data: dict[str, JsonValue] | JsonText | None = None
    schema_: ScrapYieldSchema | None = Field(None, alias="schema")
    timestamp: Time | None = None
    match: Match | None = None


class ScrapYieldSet(Model):
    """Request of `scrap_yield/set`: a record, and the run or batch that it belongs to."""

    data: ScrapYieldData
    interval: Interval


class ScrapYieldSearch(Model):
    """Request of `scrap_yield/search` and `scrap_yield/delete`."""

    interval: Interval
    data: ScrapYieldData | None = None


class QualitySchema(Model):
    """What a factory's quality tests hold. `id` is a number, written as a text."""

    id: str | None = None
    factory: Factory | None = None
    schema_: dict[str, JsonValue] | JsonText | None = Field(None, alias="schema")
    description: str | None = None
    match: Match | None = None


class QualityTest(Model):
    """The results of one test, of a run or a batch."""

    id: str | None = None
    raw_data: dict[str, JsonValue] | None = None
    timestamp: Time | None = None
    quality_schema: QualitySchema | None = None
    interval: Interval | None = None
    match: Match | None = None


class QualityTestsDelete(Model):
    """Request of `quality_tests/delete`: `ids`, or else a line and a stretch of time."""

    ids: list[str] | None = None
    line: Line | None = None
    start_time: Time | None = None
    end_time: Time | None = None
