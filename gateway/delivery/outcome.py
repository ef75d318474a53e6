"""What an answer means for delivery: a pure table from the class of an answer to what happens with the request's
records; and what a success, or a look-up while an attempt is in doubt, says of each of them.

A request that creates something must never be sent twice unless the first certainly had no effect. So the fate of its
records errs on the side of doubt, and doubt is settled by looking, not by guessing.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

from gateway.model import Output, StartInterval
from gateway.oden import answers
from gateway.oden.answers import Confirmation
from gateway.oden.classification import Answer, AnswerClass, classify, explanation, says_retryable
from gateway.oden.endpoints import ENDPOINTS, INTERVALS_SET, INTERVALS_UPDATE, Endpoint
from gateway.oden.requests import Wording, row_of
from gateway.oden.shown_starts import with_own_starts
from gateway.outbox.entries import Attempt, Work
from gateway.outbox.merge import taken_up
from gateway.record_kinds import creates

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
    intercepted: bool = False
    """Something between here and Oden answered."""


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
    intercepted = answer_class is AnswerClass.INTERCEPTED
    return Outcome(fate, hold, reason, asked, rule.unsettled, answer.foreign, rule.silent, intercepted)


EMPTY = "the answer was empty"


def confirmation_of(work: Work, attempt: Attempt, answer: Answer, *, trusts_empty: bool) -> Confirmation:
    """What a success says of the records of `work`, which are named by their positions in the lane.

    `trusts_empty`: an answer without a body was seen to be true before.
    """
    request = json.loads(attempt.body)
    row = row_of(work.records[0])
    makes = creates(work.records[0]) and not ENDPOINTS[attempt.endpoint].may_repeat(request)
    if makes and answer.empty and not trusts_empty:
        # Not documented, and what stands in between can answer so too: believed once a look-up has shown it.
        return Confirmation(unclear=EMPTY)
    by_place = row.confirmation(answer.body, work.records, request)
    delivered = {work.positions[place]: oden_id for place, oden_id in by_place.delivered.items()}
    refused = {work.positions[place]: reason for place, reason in by_place.refused.items()}
    return Confirmation(delivered, refused, by_place.unclear, by_place.confirmed)


@dataclass(frozen=True, slots=True)
class LookUpResult:
    """What a look-up shows: `ids` are the positions of the records that are at Oden, with the ids of intervals and
    settings; `missing` is how many are not. `others` are the keys of other output that waits, and that is within one
    of the records as Oden shows it.

    `unsettled` says why nothing follows from the answer; empty where something does.
    """

    ids: Mapping[int, str | None]
    missing: int
    unsettled: str
    others: frozenset[str] = frozenset()


def look_up_result(
    work: Work,
    attempt: Attempt,
    answer: Answer,
    wording: Wording,
    step: int = 0,
    known: Collection[str] = (),
    waiting: Collection[Output] = (),
) -> LookUpResult:
    """Compare the records of `work` with the answer to their look-up, which Oden has given: "none" is an answer too.
    `known` are the ids of other intervals; where Oden rounds starts, `step` says to how many seconds; `waiting` is
    other output of the interval that is yet to be delivered."""
    body = answer.body if answer.status != 404 else []
    if isinstance(work.records[0], StartInterval):
        starts = [record for record in work.records if isinstance(record, StartInterval)]
        body = with_own_starts(body, starts, step, known, wording.reference)
    row = row_of(work.records[0])
    present = [row.is_there(body, record, wording.reference) for record in work.records]
    others = frozenset[str]()
    if wording.reference and not attempt.body and (waiting or False in present):
        # It was never sent from here. In a copy from before: another life may have merged it before it sent it.
        entries = [record for record in (*work.records, *waiting) if isinstance(record, Output)]
        merged = taken_up(entries, answers.shown_output(body) or (), wording.reference) if entries else {}
        keys = {record.key for record in work.records}
        others = frozenset(key for key, into in merged.items() if key not in keys and into in keys)
        pairs = zip(work.records, present, strict=True)
        present = [True if record.key in merged else there for record, there in pairs]
    ids = {
        position: row.found_id(body, record, wording.reference)
        for position, record, is_present in zip(work.positions, work.records, present, strict=True)
        if is_present
    }
    unsettled = ""
    if None in present or (row.needs_id and None in ids.values()):
        unsettled = "Oden's answer to the search was not understood"
    elif attempt.confirmed and not all(present):
        unsettled = "Oden has taken it, and a search does not show it yet"
    return LookUpResult(ids, present.count(False), unsettled, others)
