"""The outcome table, asserted as a table."""

from dataclasses import replace

import pytest

from gateway.delivery.outcome import LONGEST_ASKED, Outcome, judge
from gateway.oden.client import Answer

REFUSED = {"error": "no", "retryable": False}
RETRYABLE = {"error": "busy", "retryable": True}


def oden(status: int, body: object = None) -> Answer:
    return Answer(sent=True, seconds=0.1, status=status, body=body, readable=body is not None, own=True, error="said")


def other(status: int) -> Answer:
    return Answer(sent=True, seconds=0.1, status=status, own=False, error=f"{status} with text/html")


LOST = Answer(sent=True, seconds=30.0, error="ServerDisconnectedError")
NOT_SENT = Answer(sent=False, seconds=0.0, error="ClientConnectorError")

TABLE = [
    # answer, (fate, hold) of a create, (fate, hold) of anything else
    pytest.param(NOT_SENT, ("again", "api"), ("again", "api"), id="never connected"),
    pytest.param(replace(NOT_SENT, status=407), ("again", "api"), ("again", "api"), id="proxy refused the tunnel"),
    pytest.param(LOST, ("doubt", "none"), ("again", "none"), id="cut or timed out"),
    pytest.param(oden(200, [{}]), ("delivered", "none"), ("delivered", "none"), id="200"),
    pytest.param(oden(200), ("doubt", "none"), ("again", "none"), id="200 unreadable"),
    pytest.param(other(200), ("doubt", "api"), ("again", "api"), id="200 HTML"),
    pytest.param(other(302), ("doubt", "api"), ("again", "api"), id="redirect"),
    pytest.param(other(404), ("doubt", "api"), ("again", "api"), id="404 HTML"),
    pytest.param(other(407), ("again", "api"), ("again", "api"), id="407"),
    pytest.param(other(403), ("doubt", "api"), ("again", "api"), id="403 HTML"),
    pytest.param(oden(425, RETRYABLE), ("again", "api"), ("again", "api"), id="425"),
    pytest.param(oden(429, RETRYABLE), ("again", "api"), ("again", "api"), id="429"),
    pytest.param(other(429), ("again", "api"), ("again", "api"), id="429 HTML"),
    pytest.param(oden(408, RETRYABLE), ("doubt", "none"), ("again", "none"), id="408"),
    pytest.param(oden(500, REFUSED), ("doubt", "none"), ("again", "none"), id="500 not retryable"),
    pytest.param(other(502), ("doubt", "none"), ("again", "none"), id="502 HTML"),
    pytest.param(oden(503, RETRYABLE), ("doubt", "none"), ("again", "none"), id="503"),
    pytest.param(
        replace(oden(503, RETRYABLE), retry_after=9.0),
        ("doubt", "api"),
        ("again", "api"),
        id="503 that asks for a pause",
    ),
    pytest.param(oden(401, REFUSED), ("again", "token"), ("again", "token"), id="401"),
    pytest.param(oden(403, REFUSED), ("again", "line"), ("again", "line"), id="403"),
    pytest.param(oden(400, REFUSED), ("dead", "none"), ("dead", "none"), id="400"),
    pytest.param(oden(400, RETRYABLE), ("again", "none"), ("again", "none"), id="400 retryable"),
    pytest.param(oden(404, REFUSED), ("dead", "none"), ("dead", "none"), id="404"),
    pytest.param(oden(409, REFUSED), ("dead", "none"), ("dead", "none"), id="409"),
]


@pytest.mark.parametrize(("answer", "create", "update"), TABLE)
def test_outcomes(answer: Answer, create: tuple[str, str], update: tuple[str, str]) -> None:
    """What each answer means for a request that creates, and for one that may simply be repeated."""
    first, second = judge(answer, creates=True), judge(answer, creates=False)
    assert (first.fate, first.hold) == create
    assert (second.fate, second.hold) == update


def test_nothing_found_is_an_answer() -> None:
    """On a search Oden's own 404 means none; an HTML 404 does not."""
    assert judge(oden(404, REFUSED), creates=False, search=True) == Outcome("delivered")
    assert judge(other(404), creates=False, search=True).fate == "again"


def test_an_empty_success_counts_where_no_answer_is_documented() -> None:
    """`scrap_yield/set` promises no body: 200 alone is a success there, and is not where a body is promised."""
    empty = replace(oden(200), empty=True)
    assert judge(empty, creates=True, needs_body=False).fate == "delivered"
    assert judge(empty, creates=True).fate == "doubt"


def test_p4_no_answer_sends_a_create_again_unless_it_surely_had_no_effect() -> None:
    """Over all statuses: a create that left and is to be sent again was refused by Oden, a proxy or a rate limit."""
    for status in range(200, 600):
        for body in (None, REFUSED, RETRYABLE):
            for answer in (oden(status, body), other(status)):
                if judge(answer, creates=True).fate == "again":
                    assert status in (401, 403, 407, 425, 429) or (body == RETRYABLE and 400 <= status < 500)


def test_retry_after_is_passed_on() -> None:
    """What the server asks for is in the outcome, for 429 and 503; never more than an hour."""
    assert judge(replace(oden(429, RETRYABLE), retry_after=7.0), creates=True).retry_after == 7.0
    assert judge(replace(oden(503, RETRYABLE), retry_after=7.0), creates=True).retry_after == 7.0
    assert judge(replace(oden(429, RETRYABLE), retry_after=1e9), creates=True).retry_after == LONGEST_ASKED
