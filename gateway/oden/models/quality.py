"""Quality tests and their schemas."""

from pydantic import Field, JsonValue

from gateway.oden.models.base import JsonText, Match, Model, Time
from gateway.oden.models.intervals import Interval
from gateway.oden.models.machine_groups import Factory, Line


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
    interval: Interval | None = None
    quality_schema: QualitySchema | None = None
    match: Match | None = None


class QualityTestsDelete(Model):
    """Request of `quality_tests/delete`: `ids`, or else a line and a stretch of time."""

    ids: list[str] | None = None
    line: Line | None = None
    start_time: Time | None = None
    end_time: Time | None = None
