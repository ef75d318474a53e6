"""What an answer means for the caller: the table of outcomes, and the results."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.delivery.outcome import outcome_of
from gateway.oden import errors, exchange
from gateway.oden.classification import Answer
from gateway.oden.endpoints import (
    ENDPOINTS,
    INTERVAL_SET,
    INTERVALS_UPDATE,
    LINE_SEARCH,
    PRODUCT_SET,
    TARGET_SET,
    Endpoint,
)
from gateway.oden.errors import InvalidRequest, OdenError, UnexpectedAnswer
from gateway.oden.models import Line, Target

BODY = {"error": "no", "retryable": False}


def answer(status: int | None, body: object = None, *, own: bool = True, sent: bool = True) -> Answer:
    words = "no answer" if status is None else f"{status}: no"
    success = status is not None and 200 <= status < 300
    return Answer(
        sent=sent,
        seconds=0.1,
        status=status,
        body=body,
        readable=body is not None,
        own=own,
        error="" if success else words,
    )


TABLE = [
    # answer, error, certainty, retryable
    (answer(None, sent=False), errors.NotSent, "not sent", True),
    (answer(407, sent=False), errors.NotSent, "not sent", True),
    (answer(407, own=False), errors.NotSent, "not sent", True),
    (answer(None), errors.InDoubt, "in doubt", True),
    (answer(200, own=False), errors.InDoubt, "in doubt", True),
    (answer(200), errors.InDoubt, "in doubt", True),
    (answer(302, own=False), errors.InDoubt, "in doubt", True),
    (answer(404, own=False), errors.InDoubt, "in doubt", True),
    (answer(502, own=False), errors.InDoubt, "in doubt", True),
    (answer(408, BODY), errors.InDoubt, "in doubt", False),
    (answer(500, BODY), errors.ServerFailed, "in doubt", False),
    (answer(503, {"error": "no", "retryable": True}), errors.ServerFailed, "in doubt", True),
    (answer(429, BODY), errors.TooManyRequests, "answered", False),
    (answer(429, own=False), errors.TooManyRequests, "answered", True),
    (answer(425, own=False), errors.TooManyRequests, "answered", True),
    (answer(400, BODY), errors.BadRequest, "answered", False),
    (answer(401, BODY), errors.Unauthorized, "answered", False),
    (answer(403, BODY), errors.Forbidden, "answered", False),
    (answer(404, BODY), errors.NotFound, "answered", False),
    (answer(409, {"error": "no", "retryable": True}), errors.NotUnique, "answered", True),
    (answer(422, BODY), errors.Refused, "answered", False),
    (answer(501, BODY), errors.Unimplemented, "answered", False),
]


@pytest.mark.parametrize(("given_answer", "kind", "certainty", "retryable"), TABLE)
def test_every_outcome_is_told(given_answer: Answer, kind: type[OdenError], certainty: str, retryable: bool) -> None:
    """Error, certainty and whether trying again can help follow from the answer; Oden's own word on that goes first."""
    error = exchange.failure(INTERVAL_SET, {}, given_answer)
    assert type(error) is kind
    assert (error.certainty, error.retryable, error.status) == (certainty, retryable, given_answer.status)
    assert error.endpoint == "interval/set"
    assert error.may_repeat == (certainty != "in doubt")


@given(
    st.builds(
        answer,
        st.none() | st.integers(200, 599),
        st.none() | st.fixed_dictionaries({"error": st.text(), "retryable": st.booleans()}),
        own=st.booleans(),
        sent=st.booleans(),
    )
)
def test_p4_delivery_and_library_agree_on_what_is_in_doubt(given_answer: Answer) -> None:
    """What delivery must look up is in doubt for a caller too, and what is delivered is a success; only Oden's own 501,
    which says that nothing was done, is an answer here."""
    error = exchange.failure(INTERVAL_SET, {}, given_answer)
    fate = outcome_of(INTERVAL_SET, given_answer, creates=True).fate
    assert (error is None) == (fate == "delivered")
    if error is not None and not isinstance(error, errors.Unimplemented):
        assert (error.certainty == "in doubt") == (fate == "in_doubt")


def test_a_doubt_that_does_no_harm() -> None:
    """What only reads, or names what it sets by its id, may be repeated although it may have arrived."""
    lost = answer(None)
    cases: list[tuple[Endpoint, dict[str, str], bool]] = [
        (LINE_SEARCH, {}, True),
        (INTERVAL_SET, {}, False),
        (INTERVAL_SET, {"id": "1"}, True),
        (TARGET_SET, {}, True),
    ]
    for endpoint, body, may in cases:
        error = exchange.failure(endpoint, body, lost)
        assert error is not None
        assert error.may_repeat is may


def test_what_the_server_says_is_kept() -> None:
    """Text, id of the failure, name of the parameter, entity and number of matches, and the time to wait."""
    said = answer(500, {"error": "broken", "retryable": True, "id": "f-1"})
    error = exchange.failure(LINE_SEARCH, {}, said)
    assert error is not None
    assert (error.id, error.retryable, str(error)) == ("f-1", True, "line/search: 500: no")
    error = exchange.failure(LINE_SEARCH, {}, answer(409, {**BODY, "entity_name": "line", "num_matches": 3}))
    assert error is not None
    assert error.said is not None
    assert error.said.fields() == {**BODY, "entity_name": "line", "num_matches": 3}
    error = exchange.failure(LINE_SEARCH, {}, answer(400, {**BODY, "name": "factory"}))
    assert error is not None
    assert error.said is not None
    assert error.said.fields()["name"] == "factory"
    error = exchange.failure(LINE_SEARCH, {}, Answer(sent=True, seconds=0.1, status=429, retry_after=7.0, error="slow"))
    assert error is not None
    assert error.retry_after == 7.0


@pytest.mark.parametrize("word", ["true", "no", 1, 0, None, [True]])
def test_only_true_and_false_say_whether_it_is_retryable(word: object) -> None:
    """Any other `retryable` says nothing: the class of the answer decides, for a caller as for delivery."""
    refused = exchange.failure(INTERVAL_SET, {}, answer(400, {"error": "no", "retryable": word}))
    failed = exchange.failure(INTERVAL_SET, {}, answer(500, {"error": "no", "retryable": word}))
    assert refused is not None
    assert failed is not None
    assert (refused.retryable, failed.retryable) == (False, True)


def test_an_answer_without_a_body_is_enough_where_none_is_documented() -> None:
    """`product/set` documents no answer: an empty success is one. `interval/set` does: there it leaves doubt."""
    empty = Answer(sent=True, seconds=0.1, status=200, empty=True, own=True)
    assert exchange.failure(PRODUCT_SET, {}, empty) is None
    assert exchange.result(PRODUCT_SET, {}, empty) is None
    assert isinstance(exchange.failure(INTERVAL_SET, {}, empty), errors.InDoubt)


def test_one_and_a_list_of_one_are_the_same() -> None:
    """The document is not of one mind on which endpoints answer a list: both are read."""
    assert exchange.result(LINE_SEARCH, {}, answer(200, {"id": "1"})) == [Line(id="1")]
    assert exchange.result(LINE_SEARCH, {}, answer(200, [{"id": "1"}])) == [Line(id="1")]
    assert exchange.result(TARGET_SET, {}, answer(200, [{"lsl": 1}])) == Target(lsl=1)
    assert exchange.result(TARGET_SET, {}, answer(200, {"lsl": 1})) == Target(lsl=1)


def test_partial_success_is_a_result() -> None:
    """`intervals/update` tells which intervals it did not update, and why."""
    body = {
        "num_updated": 1,
        "updated_intervals": [{"id": 7}],
        "num_failed": 1,
        "failed_intervals": [{"id": "8", "error": "gone"}],
    }
    updated = exchange.result(INTERVALS_UPDATE, {}, answer(200, body))
    assert updated.failed_intervals is not None
    assert (updated.num_updated, updated.failed_intervals[0].error) == (1, "gone")


@pytest.mark.parametrize("body", [[{"line": "no line"}], [3], "text", {"type": []}])
def test_an_answer_that_is_not_as_documented(body: object) -> None:
    """It did take effect: the error says so, where it does not fit, and nothing of what it held."""
    with pytest.raises(UnexpectedAnswer) as caught:
        exchange.result(INTERVAL_SET, {}, answer(200, body))
    assert (caught.value.certainty, caught.value.may_repeat) == ("answered", False)
    assert "no line" not in str(caught.value)


@given(st.sampled_from(list(ENDPOINTS)), st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists))
def test_no_request_that_is_not_an_object(path: str, body: object) -> None:
    """Whatever else JSON can be is refused in words."""
    with pytest.raises(InvalidRequest, match="the body: it must be an object"):
        exchange.request(ENDPOINTS[path], body)


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_what_json_cannot_hold(number: float) -> None:
    """NaN and infinity are refused, wherever they stand."""
    body: dict[str, Any] = {"name": "x", "more": [number]}
    with pytest.raises(InvalidRequest, match="NaN"):
        exchange.text(PRODUCT_SET, exchange.fields(PRODUCT_SET, exchange.request(PRODUCT_SET, body)))


def test_the_text_is_compact_and_in_its_own_letters() -> None:
    """As delivery writes it: no blanks, no escapes for letters."""
    assert exchange.text(PRODUCT_SET, {"name": "Öl 20"}) == '{"name":"Öl 20"}'
    assert json.loads(exchange.text(PRODUCT_SET, {"name": '"'})) == {"name": '"'}
