"""What Oden's answers say of the records of an attempt: a success, and a look-up while it is in doubt. Pure."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from gateway.model import Output, StartInterval
from gateway.oden import answers
from gateway.oden.answers import Confirmation, with_own_starts
from gateway.oden.classification import Answer
from gateway.oden.endpoints import ENDPOINTS
from gateway.oden.requests import Wording, row_of
from gateway.outbox.entries import Attempt, Work
from gateway.outbox.merge import taken_up
from gateway.record_kinds import creates

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
    settings; `missing` is how many are not.

    `unsettled` says why nothing follows from the answer; empty where something does.
    """

    ids: Mapping[int, str | None]
    missing: int
    unsettled: str


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
    Where Oden rounds starts, `step` says to how many seconds, and `known` are the ids of other intervals; `waiting` is
    other output of the interval that is yet to be delivered."""
    body = answer.body if answer.status != 404 else []
    if step > 1 and isinstance(work.records[0], StartInterval):
        starts = [record for record in work.records if isinstance(record, StartInterval)]
        body = with_own_starts(body, starts, step, known)
    row = row_of(work.records[0])
    present = [row.is_there(body, record, wording.reference) for record in work.records]
    if wording.reference and not attempt.body and False in present:
        # It was never sent from here. In a copy from before: another life may have merged it before it sent it.
        entries = [record for record in (*work.records, *waiting) if isinstance(record, Output)]
        merged = taken_up(entries, answers.shown_output(body) or (), wording.reference) if entries else {}
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
    return LookUpResult(ids, present.count(False), unsettled)
