"""What an answer means for delivery: a pure table from the class of an answer to what happens with the request's
records.

A request that creates something must never be sent twice unless the first certainly had no effect. So the fate of its
records errs on the side of doubt, and doubt is settled by looking, not by guessing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from gateway.oden.classification import Answer, AnswerClass, classify, explanation, says_retryable
from gateway.oden.endpoints import INTERVALS_SET, INTERVALS_UPDATE, Endpoint

Fate = Literal["delivered", "retry", "in_doubt", "dead"]
"""delivered: it is at Oden. retry: it is not, or saying it once more does no harm; send it later. in_doubt: it may be,
look it up. dead: Oden refuses it for good."""

Hold = Literal["none", "line", "api", "token"]
"""What has to wait beyond this record: nothing, its line, everything, everything until the token is accepted."""

LONGEST_PAUSE = 3600.0
"""Seconds; a server that asks for more is asked again after these."""

BULK = (INTERVALS_SET, INTERVALS_UPDATE)
"""Requests for several records. One that Oden does not take as a whole is taken apart."""
TOO_LARGE = 413
NOT_IMPLEMENTED = 501
UNAVAILABLE = 503


@dataclass(frozen=True, slots=True)
class Outcome:
    """The fate of the request's records, what to hold, and why, in words for a person.

    `retry_after`: the pause that Oden asks for, in seconds. `unsettled`: the request may still take effect. Where it
    only sets values it is sent again, but not before it has had the time for that: it could undo what is sent in
    between.
    """

    fate: Fate
    hold: Hold = "none"
    reason: str = ""
    retry_after: float | None = None
    unsettled: bool = False
    foreign: bool = False
    """Nobody can tell whether Oden itself answered: only what becomes of others shows whether it is about these
    records."""
    silent: bool = False
    """It seems to be a success, and says nothing of what became of the records: to look shows it."""


@dataclass(frozen=True, slots=True)
class _Rule:
    """`lost`: it may have arrived, so that a create is in doubt. `pauses`: the pause that is asked for is kept. The
    rest as in Outcome."""

    hold: Hold = "none"
    lost: bool = False
    unsettled: bool = False
    pauses: bool = False
    silent: bool = False


_RULES: Mapping[AnswerClass, _Rule] = {
    AnswerClass.NOT_SENT: _Rule("api"),
    AnswerClass.PROXY_REFUSED: _Rule("api"),
    AnswerClass.THROTTLED: _Rule("api", pauses=True),
    AnswerClass.UNAUTHORIZED: _Rule("token"),
    AnswerClass.FORBIDDEN: _Rule("line"),
    AnswerClass.NO_ANSWER: _Rule(lost=True, unsettled=True),
    AnswerClass.UNREADABLE: _Rule(lost=True, silent=True),
    AnswerClass.FOREIGN: _Rule(lost=True),
    AnswerClass.INTERCEPTED: _Rule("api", lost=True, unsettled=True),
    AnswerClass.UPSTREAM_FAILED: _Rule(lost=True, unsettled=True, pauses=True),
    AnswerClass.SERVER_FAILED: _Rule(lost=True, unsettled=True, pauses=True),
    AnswerClass.UNIMPLEMENTED: _Rule(lost=True, unsettled=True, pauses=True),
}
"""Of the classes without a row, SUCCESS is delivered, and the others are refusals: dead, unless Oden says that it may
pass."""


def outcome_of(endpoint: Endpoint, answer: Answer, *, creates: bool, none_is_success: bool = False) -> Outcome:
    """What `answer` means for a request to `endpoint`. `creates`: sending it twice could make two things at Oden.

    `none_is_success`: it is a search, for which Oden's own 404 says that there is none.
    """
    answer_class = classify(endpoint, answer)
    if answer_class is AnswerClass.SUCCESS or (none_is_success and answer_class is AnswerClass.NOT_FOUND):
        return Outcome("delivered")
    reason, pause = explanation(answer), answer.retry_after
    pause = None if pause is None else min(pause, LONGEST_PAUSE)
    if endpoint in BULK and (answer.status == TOO_LARGE or answer_class is AnswerClass.UNIMPLEMENTED):
        return Outcome("dead", "none", reason)
    if endpoint == INTERVALS_UPDATE and answer_class is AnswerClass.FOREIGN:
        return Outcome("dead", "none", reason, foreign=True)
    rule = _RULES.get(answer_class)
    if rule is None:
        return Outcome("retry" if says_retryable(answer) else "dead", "none", reason, pause)
    hold: Hold = "api" if answer.status == UNAVAILABLE and pause else rule.hold
    fate: Fate = "in_doubt" if rule.lost and creates else "retry"
    asked = pause if rule.pauses else None
    return Outcome(fate, hold, reason, asked, rule.unsettled, answer.foreign, rule.silent)
