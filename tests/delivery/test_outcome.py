"""The outcome table, asserted as a table."""

from dataclasses import replace

import pytest

from gateway.delivery.outcome import BULK, LONGEST_PAUSE, Outcome, outcome_of
from gateway.oden.classification import Answer
from gateway.oden.endpoints import INTERVAL_SEARCH, INTERVAL_SET, SCRAP_YIELD_SET, Endpoint

REFUSED = {"error": "no", "retryable": False}
RETRYABLE = {"error": "busy", "retryable": True}


def oden(status: int, body: object = None) -> Answer:
    return Answer(sent=True, seconds=0.1, status=status, body=body, readable=body is not None, own=True, error="said")


def other(status: int) -> Answer:
    return Answer(sent=True, seconds=0.1, status=status, own=False, error=f"{status} with text/html")


def foreign(status: int, *, readable: bool = True) -> Answer:
    return replace(other(status), readable=readable, foreign=True)


LOST = Answer(sent=True, seconds=30.0, error="ServerDisconnectedError")
NOT_SENT = Answer(sent=False, seconds=0.0, error="ClientConnectorError")

TABLE = [
    # answer, (fate, hold) of a create, (fate, hold) of anything else
    pytest.param(NOT_SENT, ("retry", "api"), ("retry", "api"), id="never connected"),
    pytest.param(replace(NOT_SENT, status=407), ("retry", "api"), ("retry", "api"), id="proxy refused the tunnel"),
    pytest.param(LOST, ("in_doubt", "none"), ("retry", "none"), id="cut or timed out"),
    pytest.param(oden(200, [{}]), ("delivered", "none"), ("delivered", "none"), id="200"),
    pytest.param(oden(200), ("in_doubt", "none"), ("retry", "none"), id="200 unreadable"),
    pytest.param(other(200), ("in_doubt", "api"), ("retry", "api"), id="200 HTML"),
    pytest.param(other(302), ("in_doubt", "api"), ("retry", "api"), id="redirect"),
    pytest.param(other(404), ("in_doubt", "api"), ("retry", "api"), id="404 HTML"),
    pytest.param(other(407), ("retry", "api"), ("retry", "api"), id="407"),
    pytest.param(other(403), ("in_doubt", "api"), ("retry", "api"), id="403 HTML"),
    pytest.param(foreign(200), ("in_doubt", "none"), ("retry", "none"), id="200 with an error"),
    pytest.param(foreign(200, readable=False), ("in_doubt", "none"), ("retry", "none"), id="200 OK as text"),
    pytest.param(foreign(400), ("in_doubt", "none"), ("retry", "none"), id="400 of another shape"),
    pytest.param(foreign(401), ("retry", "token"), ("retry", "token"), id="401 of another shape"),
    pytest.param(foreign(403), ("in_doubt", "none"), ("retry", "none"), id="403 of another shape"),
    pytest.param(foreign(404), ("in_doubt", "none"), ("retry", "none"), id="404 of another shape"),
    pytest.param(oden(425, RETRYABLE), ("retry", "api"), ("retry", "api"), id="425"),
    pytest.param(oden(429, RETRYABLE), ("retry", "api"), ("retry", "api"), id="429"),
    pytest.param(other(429), ("retry", "api"), ("retry", "api"), id="429 HTML"),
    pytest.param(oden(408, RETRYABLE), ("in_doubt", "none"), ("retry", "none"), id="408"),
    pytest.param(oden(500, REFUSED), ("in_doubt", "none"), ("retry", "none"), id="500 not retryable"),
    pytest.param(other(502), ("in_doubt", "none"), ("retry", "none"), id="502 HTML"),
    pytest.param(oden(503, RETRYABLE), ("in_doubt", "none"), ("retry", "none"), id="503"),
    pytest.param(
        replace(oden(503, RETRYABLE), retry_after=9.0),
        ("in_doubt", "api"),
        ("retry", "api"),
        id="503 that asks for a pause",
    ),
    pytest.param(oden(401, REFUSED), ("retry", "token"), ("retry", "token"), id="401"),
    pytest.param(oden(403, REFUSED), ("retry", "line"), ("retry", "line"), id="403"),
    pytest.param(oden(400, REFUSED), ("dead", "none"), ("dead", "none"), id="400"),
    pytest.param(oden(400, RETRYABLE), ("retry", "none"), ("retry", "none"), id="400 retryable"),
    pytest.param(oden(404, REFUSED), ("dead", "none"), ("dead", "none"), id="404"),
    pytest.param(oden(409, REFUSED), ("dead", "none"), ("dead", "none"), id="409"),
]


@pytest.mark.parametrize(("answer", "create", "update"), TABLE)
def test_outcomes(answer: Answer, create: tuple[str, str], update: tuple[str, str]) -> None:
    """What each answer means for a request that creates, and for one that may simply be repeated."""
    first, second = (outcome_of(INTERVAL_SET, answer, creates=creates) for creates in (True, False))
    assert (first.fate, first.hold) == create
    assert (second.fate, second.hold) == update


def test_nothing_found_is_an_answer() -> None:
    """On a search Oden's own 404 means none; a web page, or any 4xx of another shape, does not."""
    assert outcome_of(INTERVAL_SEARCH, oden(404, REFUSED), creates=False, none_is_success=True) == Outcome("delivered")
    for answer in (other(404), *(foreign(status) for status in range(200, 500))):
        assert outcome_of(INTERVAL_SEARCH, answer, creates=False, none_is_success=True).fate == "retry"


def test_an_empty_success_counts_where_no_answer_is_documented() -> None:
    """`scrap_yield/set` promises no body: 200 alone is a success there, and is not where a body is promised."""
    empty = replace(oden(200), empty=True)
    assert outcome_of(SCRAP_YIELD_SET, empty, creates=True).fate == "delivered"
    assert outcome_of(INTERVAL_SET, empty, creates=True).fate == "in_doubt"


def test_p4_no_answer_sends_a_create_again_unless_it_surely_had_no_effect() -> None:
    """Over all statuses: a create that left and is to be sent again was refused by Oden, a proxy or a rate limit."""
    for status in range(200, 600):
        for body in (None, REFUSED, RETRYABLE):
            for answer in (oden(status, body), other(status), foreign(status)):
                if outcome_of(INTERVAL_SET, answer, creates=True).fate == "retry":
                    assert status in (401, 403, 407, 425, 429) or (body == RETRYABLE and 400 <= status < 500)


def test_retry_after_is_passed_on() -> None:
    """What the server asks for is in the outcome, for 429 and 503; never more than an hour."""
    assert outcome_of(INTERVAL_SET, replace(oden(429, RETRYABLE), retry_after=7.0), creates=True).retry_after == 7.0
    assert outcome_of(INTERVAL_SET, replace(oden(503, RETRYABLE), retry_after=7.0), creates=True).retry_after == 7.0
    assert (
        outcome_of(INTERVAL_SET, replace(oden(429, RETRYABLE), retry_after=1e9), creates=True).retry_after
        == LONGEST_PAUSE
    )
    assert outcome_of(INTERVAL_SET, replace(oden(503), retry_after=1e9), creates=True).retry_after == LONGEST_PAUSE


@pytest.mark.parametrize("word", ["true", "no", 1, None, [True]])
def test_only_a_true_says_that_a_refusal_may_pass(word: object) -> None:
    """A `retryable` that is not JSON's true is none: the record is a dead letter at once, and is not sent for ever."""
    answer = oden(400, {"error": "no", "retryable": word})
    assert outcome_of(INTERVAL_SET, answer, creates=True).fate == "dead"


@pytest.mark.parametrize("endpoint", BULK)
@pytest.mark.parametrize("answer", [oden(501, REFUSED), oden(413, REFUSED), other(413)])
def test_a_bulk_request_that_cannot_be_taken_as_a_whole_is_refused(endpoint: Endpoint, answer: Answer) -> None:
    """Too large, or not known to Oden: nothing is in doubt, and it is taken apart. Of 501 by something in between,
    nobody knows."""
    assert outcome_of(endpoint, answer, creates=True).fate == "dead"
    assert outcome_of(endpoint, other(501), creates=True).fate == "in_doubt"
    assert outcome_of(INTERVAL_SET, answer, creates=True).fate != "delivered"
