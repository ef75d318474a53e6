"""Intervals with their types and metadata, single and in bulk; and what is measured of them: scrap, yield, quality
tests."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Discriminator, Field, JsonValue, Tag, ValidationInfo, field_validator, model_validator

from gateway.oden.models.base import JsonText, Match, Model, Number, Time
from gateway.oden.models.plant import Factory, Line, Product, Target


class IntervalType(Model):
    """A type of intervals, known by `id` or by `name`: RUN, BATCH, STATE, or one that the organization has made."""

    id: str | None = None
    name: str | None = None
    match: Match | None = None


class IntervalTypeSet(Model):
    """A custom interval type to create (with `name`) or to change (with `id`); `tags` null leaves the tags, `[]` clears
    them."""

    id: str | None = None
    name: str | None = None
    metadata_schema: str | None = None
    tags: list[str] | None = None


class StateCategory(Model):
    """A category of states, such as uptime; `id` goes before `name`."""

    id: int | None = None
    name: str | None = None


class StateReason(Model):
    """A reason of a state, such as maintenance; `id` goes before `name`."""

    id: int | None = None
    name: str | None = None


class BatchMetadata(Model):
    """What is said of a batch: the run that it is a part of."""

    metadata_type: str | None = None
    run: "Interval | None" = None


class RunMetadata(Model):
    """What is said of a run: its product and, where it sets one, the target of the product on the run's line."""

    metadata_type: str | None = None
    product: Product | None = None
    target: Target | None = None


class StateMetadata(Model):
    """What is said of a state."""

    metadata_type: str | None = None
    reason: StateReason | None = None
    comment: str | None = None
    category: StateCategory | None = None


class CustomMetadata(Model):
    """What is said of an interval of a custom type: whatever the type's own schema asks for."""

    metadata_type: str | None = None


_KINDS = ("batch", "run", "state")


class _KnownMetadata(dict[str, Any]):
    """Metadata, with the kind of interval that it is of."""

    kind = "custom"


def _with_kind(metadata: object, interval_type: object) -> object:
    """`metadata` as what its own `metadata_type` or else the interval's type says; of an unnamed type, anything
    goes."""
    if not isinstance(metadata, Mapping) or isinstance(metadata, _KnownMetadata):
        return metadata
    known = _KnownMetadata(metadata)
    name = interval_type.get("name") if isinstance(interval_type, Mapping) else getattr(interval_type, "name", None)
    for kind in (metadata.get("metadata_type"), name.lower() if name in ("BATCH", "RUN", "STATE") else None):
        if kind in _KINDS:
            known.kind = kind
            break
    return known


def _kind(metadata: object) -> str:
    if isinstance(metadata, _KnownMetadata):
        return metadata.kind
    kinds = {BatchMetadata: "batch", RunMetadata: "run", StateMetadata: "state"}
    return next((kind for model, kind in kinds.items() if isinstance(metadata, model)), "custom")


Metadata = Annotated[
    Annotated[BatchMetadata, Tag("batch")]
    | Annotated[RunMetadata, Tag("run")]
    | Annotated[StateMetadata, Tag("state")]
    | Annotated[CustomMetadata, Tag("custom")],
    Discriminator(_kind),
]
"""Which one it is follows from `metadata_type`, which Oden writes, or else from the name of the interval's type."""


class Interval(Model):
    """A stretch of time on a line. The document requires `type` and `line`; in bulk they stand outside, once."""

    id: str | None = None
    type: IntervalType | None = None
    line: Line | None = None
    start_time: Time | None = None
    end_time: Time | None = None
    metadata: Metadata | None = None
    name: str | None = None
    match: Match | None = None

    @field_validator("metadata", mode="before")
    @classmethod
    def _by_type(cls, value: object, info: ValidationInfo) -> object:
        return _with_kind(value, info.data.get("type"))


class _Bulk(Model):
    type: IntervalType | None = None
    line: Line | None = None
    intervals: list[Interval] | None = None

    @model_validator(mode="before")
    @classmethod
    def _by_type(cls, value: object) -> object:
        if not isinstance(value, Mapping) or not isinstance(value.get("intervals"), list):
            return value
        intervals = [
            {**interval, "metadata": _with_kind(interval["metadata"], interval.get("type") or value.get("type"))}
            if isinstance(interval, Mapping) and "metadata" in interval
            else interval
            for interval in value["intervals"]
        ]
        return {**value, "intervals": intervals}


class IntervalBulkCreate(_Bulk):
    """Custom intervals of one type and line to create."""


class IntervalBulkUpdate(_Bulk):
    """Intervals of one type and line to change, each with its `id` and what is new."""


class IntervalBulkDelete(Model):
    """A stretch of time from which to delete the intervals of one type and line. Oden takes `hard_delete` as true where
    absent."""

    type: IntervalType | None = None
    line: Line | None = None
    start_time: Time | None = None
    end_time: Time | None = None
    hard_delete: bool | None = None


class FailedInterval(Model):
    """An interval that `intervals/update` did not update, and why."""

    id: str | None = None
    error: str | None = None


class IntervalsUpdated(Model):
    """Answer of `intervals/update`."""

    num_updated: int | None = None
    updated_intervals: list[Interval] | None = None
    num_failed: int | None = None
    failed_intervals: list[FailedInterval] | None = None


class IntervalsDeleted(Model):
    """Answer of `intervals/delete`: how many were deleted, and the ids of those that were found and not deleted."""

    num_deleted: int | None = None
    failed_intervals: list[str] | None = None


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
