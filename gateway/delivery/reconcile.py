"""What Oden's answers say of the records of an attempt: of a success, and of a look-up while in doubt. Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.model import Output, StartInterval
from gateway.oden import payloads
from gateway.oden.client import Answer
from gateway.oden.endpoints import ENDPOINTS, INTERVALS_SET, INTERVALS_UPDATE
from gateway.outbox.entries import Attempt, Work
from gateway.record_kinds import creates

EMPTY = "the answer was empty"


@dataclass(frozen=True, slots=True)
class Taken:
    """`delivered` are the positions of the records that Oden has taken, with the ids of intervals; `refused` those that it has not,
    with its reasons.

    `unclear` says why it cannot be told; then the others are empty. `confirmed`: unclear is only the id.
    """

    delivered: Mapping[int, str | None] = field(default_factory=dict)
    refused: Mapping[int, str] = field(default_factory=dict)
    unclear: str = ""
    confirmed: bool = False


def taken(work: Work, attempt: Attempt, answer: Answer, *, trusts_empty: bool) -> Taken:
    """What a success says of the records of `work`. `trusts_empty`: an answer without a body was seen to be true before."""
    first, number = work.records[0], len(work.records)
    if isinstance(first, StartInterval):
        single = attempt.endpoint != INTERVALS_SET.path
        ids = [payloads.interval_id(answer.body, first)] if single else payloads.created_ids(answer.body, number)
        if None in ids:
            # It is there, but the answer does not say under which id: search for it. Of several, some may be missing.
            return Taken(unclear="the answer had no id", confirmed=single)
        return Taken(dict(zip(work.positions, ids, strict=True)))
    makes = creates(first) and not ENDPOINTS[attempt.endpoint].may_repeat(json.loads(attempt.body))
    if makes and answer.empty and not trusts_empty:
        # Not documented, and what stands in between can answer so too: believed once a look-up has shown it.
        return Taken(unclear=EMPTY)
    refused: dict[int, str] = {}
    if attempt.endpoint == INTERVALS_UPDATE.path:
        asked = [str(one.get("id")) for one in json.loads(attempt.body)["intervals"]]
        by_id = payloads.refused_ids(answer.body, asked)
        if by_id is None:
            return Taken(unclear="the answer does not tell which were updated")
        refused = {at: by_id[one] for at, one in zip(work.positions, asked, strict=True) if one in by_id}
    return Taken({at: None for at in work.positions if at not in refused}, refused)


@dataclass(frozen=True, slots=True)
class Found:
    """`ids` are the positions of the records that are at Oden, with the ids of intervals; `missing` is how many are not.

    `unsettled` says why nothing follows from the answer; empty where something does.
    """

    ids: Mapping[int, str | None]
    missing: int
    unsettled: str


def compare(work: Work, attempt: Attempt, answer: Answer, wording: payloads.Wording) -> Found:
    """Compare the records of `work` with the answer to `payloads.look_up`, which Oden has given: nothing found is an answer too."""
    body = answer.body if answer.status != 404 else []
    there = [payloads.is_there(body, record, wording) for record in work.records]
    ids = {
        at: payloads.found_id(body, record, wording)
        for at, record, found in zip(work.positions, work.records, there, strict=True)
        if found
    }
    nameless = not isinstance(work.records[0], Output) and None in ids.values()
    unsettled = ""
    if None in there or nameless:
        unsettled = "Oden's answer to the search was not understood"
    elif attempt.confirmed and not all(there):
        unsettled = "Oden has taken it, and a search does not show it yet"
    return Found(ids, there.count(False), unsettled)
