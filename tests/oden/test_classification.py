"""Which class an answer is of, asserted as a table; what follows from it is in the tests of `exchange` and of
delivery."""

import pytest

from gateway.oden.classification import Answer, AnswerClass, classify, explanation
from gateway.oden.endpoints import INTERVAL_SET, PRODUCT_SET
from gateway.oden.errors import BY_CLASS, InDoubt


def oden(status: int, *, readable: bool = True) -> Answer:
    return Answer(sent=True, seconds=0.1, status=status, readable=readable, own=True, error=f"{status}: said")


def other(status: int) -> Answer:
    return Answer(sent=True, seconds=0.1, status=status, error=f"{status} with text/html")


def foreign(status: int, *, readable: bool = True) -> Answer:
    """In a shape that Oden's document does not have, and no web page."""
    error = "" if status < 300 and not readable else f"{status} with application/json: as told"
    return Answer(sent=True, seconds=0.1, status=status, readable=readable, foreign=True, error=error)


TABLE = [
    (Answer(sent=False, seconds=0.0), AnswerClass.NOT_SENT),
    (Answer(sent=False, seconds=0.0, status=407), AnswerClass.NOT_SENT),
    (Answer(sent=True, seconds=30.0), AnswerClass.NO_ANSWER),
    (oden(200), AnswerClass.SUCCESS),
    (oden(204), AnswerClass.SUCCESS),
    (oden(200, readable=False), AnswerClass.UNREADABLE),
    (other(200), AnswerClass.INTERCEPTED),
    (foreign(200), AnswerClass.FOREIGN),
    (foreign(200, readable=False), AnswerClass.UNREADABLE),
    (foreign(400), AnswerClass.FOREIGN),
    (foreign(401), AnswerClass.UNAUTHORIZED),
    (foreign(403), AnswerClass.FOREIGN),
    (foreign(404), AnswerClass.FOREIGN),
    (foreign(404, readable=False), AnswerClass.FOREIGN),
    (foreign(408), AnswerClass.UPSTREAM_FAILED),
    (foreign(429), AnswerClass.THROTTLED),
    (other(302), AnswerClass.INTERCEPTED),
    (other(401), AnswerClass.INTERCEPTED),
    (other(404), AnswerClass.INTERCEPTED),
    (other(407), AnswerClass.PROXY_REFUSED),
    (oden(425), AnswerClass.THROTTLED),
    (other(429), AnswerClass.THROTTLED),
    (oden(408), AnswerClass.UPSTREAM_FAILED),
    (other(408), AnswerClass.UPSTREAM_FAILED),
    (other(501), AnswerClass.UPSTREAM_FAILED),
    (other(502), AnswerClass.UPSTREAM_FAILED),
    (oden(500), AnswerClass.SERVER_FAILED),
    (oden(503), AnswerClass.SERVER_FAILED),
    (oden(501), AnswerClass.UNIMPLEMENTED),
    (oden(400), AnswerClass.BAD_REQUEST),
    (oden(401), AnswerClass.UNAUTHORIZED),
    (oden(403), AnswerClass.FORBIDDEN),
    (oden(404), AnswerClass.NOT_FOUND),
    (oden(409), AnswerClass.NOT_UNIQUE),
    (oden(422), AnswerClass.REFUSED),
]


@pytest.mark.parametrize(("answer", "expected"), TABLE)
def test_every_answer_has_a_class(answer: Answer, expected: AnswerClass) -> None:
    """It follows from whether it was sent, the status, who answered and whether the body could be read; and every
    failure is explained in words."""
    assert classify(INTERVAL_SET, answer) is expected
    if expected is not AnswerClass.SUCCESS:
        assert explanation(answer)


def test_an_empty_success_counts_where_none_is_documented() -> None:
    """What the endpoint must answer decides whether a success without JSON is one."""
    assert classify(PRODUCT_SET, oden(200, readable=False)) is AnswerClass.SUCCESS


def test_the_table_is_whole() -> None:
    """Every class is in the table above, and has its error for the callers of the typed client."""
    assert {expected for _, expected in TABLE} == set(AnswerClass) == set(BY_CLASS)
    assert [found for found, error in BY_CLASS.items() if error is None] == [AnswerClass.SUCCESS]
    assert all(
        error is None or issubclass(error, InDoubt) or error.certainty != "in doubt" for error in BY_CLASS.values()
    )
