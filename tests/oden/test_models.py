"""The models of Oden's document: what is sent is what was said, and no answer is too new to be read."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue, ValidationError

from gateway.oden import models
from gateway.oden.models import (
    CustomMetadata,
    Interval,
    IntervalBulkUpdate,
    IntervalType,
    Line,
    Model,
    QualityTest,
    RunMetadata,
    ScrapYieldData,
    StateMetadata,
    Target,
)

JSON: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
MODELS = [model for name in models.__all__ if isinstance(model := getattr(models, name), type) and model is not Model]
MODELS = [model for model in MODELS if issubclass(model, Model)]

moments = st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=-7))])).filter(
    lambda moment: 1000 < moment.year < 9999
)


@given(st.sampled_from(MODELS), st.dictionaries(st.text(min_size=1).map("x-{}".format), JSON, max_size=4))
def test_what_the_document_does_not_name_is_kept(model: type[Model], more: dict[str, JsonValue]) -> None:
    """Every model keeps fields that it does not know, in requests and in answers, and sends them on unchanged."""
    needed: dict[str, JsonValue] = {
        name: {"id": "1"}
        if name == "dashboard"
        else 7
        if name == "state_category"
        else {}
        if name in ("interval", "data")
        else "x"
        for name, field in model.model_fields.items()
        if field.is_required()
    }
    assert model.model_validate(needed | more).fields() == needed | more
    assert model.answered(needed | more).fields() == needed | more


@given(moments)
def test_times_are_sent_in_utc_and_whole_seconds(moment: datetime) -> None:
    """Whatever the zone, a datetime is sent as YYYY-MM-DDTHH:MM:SSZ, and read back it is the same second."""
    sent = Interval(start_time=moment).fields()["start_time"]
    assert sent == moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert Interval.model_validate({"start_time": sent}).start_time == moment.replace(microsecond=0)
    assert Interval.model_validate({"start_time": moment.isoformat()}).fields() == {"start_time": sent}


@pytest.mark.parametrize(
    "value",
    [datetime.now(UTC).replace(tzinfo=None), "2026-11-02T08:00:00", "2026-11-02", "yesterday", "", 1_793_000_000],
)
def test_a_time_without_zone_is_refused(value: object) -> None:
    """Neither a naive datetime nor a text without zone, nor a number, can be sent as a time."""
    with pytest.raises(ValidationError, match=r"zone|time as|valid datetime"):
        Interval.model_validate({"end_time": value})


def test_a_time_hidden_where_anything_may_stand_is_refused() -> None:
    """In metadata and raw data only JSON can stand: a datetime there would not be sent as documented."""
    for make in (
        lambda: CustomMetadata.model_validate({"since": datetime.now(UTC)}),
        lambda: ScrapYieldData.model_validate({"raw_data": {"since": datetime.now(UTC)}}),
    ):
        with pytest.raises(ValidationError, match="JSON"):
            make()


def test_answers_are_read_with_more_patience() -> None:
    """A time without zone is UTC, a number where a text is due becomes one; both are refused in a request."""
    said = {"id": 66, "start_time": "2026-11-02T08:00:00", "type": {"name": "RUN"}}
    interval = Interval.answered(said)
    assert (interval.id, interval.start_time) == ("66", datetime(2026, 11, 2, 8, tzinfo=UTC))
    with pytest.raises(ValidationError):
        Interval.model_validate(said)


def test_only_what_was_said_is_sent() -> None:
    """What is absent stays absent, an explicit null stays null, and numbers keep their kind."""
    for body in ({}, {"name": None}, {"id": None, "line": {"id": "1", "factory": None}}):
        assert Interval.model_validate(body).fields() == body
    assert Interval(line=Line(id="1")).fields() == {"line": {"id": "1"}}
    assert (
        json.dumps(Target(lsl=1, target_value=200, usl=300.5).fields())
        == '{"target_value": 200, "lsl": 1, "usl": 300.5}'
    )


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"type": {"name": "RUN"}, "metadata": {"product": {"name": "P"}}}, RunMetadata),
        ({"type": {"id": "7"}, "metadata": {"metadata_type": "run", "product": {"name": "P"}}}, RunMetadata),
        ({"type": {"name": "STATE"}, "metadata": {"reason": {"id": 3}}}, StateMetadata),
        ({"type": {"name": "operator id"}, "metadata": {"product": "any text", "reason": 7}}, CustomMetadata),
        ({"type": {"id": "7"}, "metadata": {"product": "any text"}}, CustomMetadata),
        ({"metadata": {"metadata_type": "something new", "product": "any text"}}, CustomMetadata),
    ],
)
def test_the_kind_of_metadata_follows_from_what_is_said(body: dict[str, Any], kind: type[Model]) -> None:
    """By `metadata_type`, else by the name of the interval's type; of a type that is not named, anything goes."""
    interval = Interval.model_validate(body)
    assert type(interval.metadata) is kind
    assert interval.fields() == body


def test_in_bulk_the_type_outside_counts() -> None:
    """Intervals in bulk have no type of their own; their metadata are read by the one outside."""
    body = {"type": {"name": "STATE"}, "intervals": [{"id": "1", "metadata": {"category": {"name": "Uptime"}}}]}
    bulk = IntervalBulkUpdate.model_validate(body)
    assert bulk.intervals is not None
    assert type(bulk.intervals[0].metadata) is StateMetadata
    assert bulk.fields() == body


def test_metadata_can_be_given_as_a_model() -> None:
    """A model of metadata is taken as it is, with keys of one's own."""
    metadata = RunMetadata.model_validate({"product": {"name": "P"}, "our_key": [1, {"a": None}]})
    interval = Interval(type=IntervalType(name="RUN"), metadata=metadata)
    assert interval.fields()["metadata"] == {"product": {"name": "P"}, "our_key": [1, {"a": None}]}


def test_a_model_does_not_change() -> None:
    """Models are frozen."""
    with pytest.raises(ValidationError, match="frozen"):
        Line(id="1").id = "2"  # type: ignore[misc] # that is what is tried


def test_raw_data_as_an_object_and_as_a_text() -> None:
    """The document declares a text and shows an object: both are sent as they were given."""
    for raw in ({"scrap": 100, "yield": 50.5}, '{"scrap":"10","scrap":"100"}'):
        assert ScrapYieldData.model_validate({"raw_data": raw}).fields() == {"raw_data": raw}
    test = QualityTest.model_validate({"quality_schema": {"id": "66", "schema": {"type": "object"}}})
    assert test.fields() == {"quality_schema": {"id": "66", "schema": {"type": "object"}}}
