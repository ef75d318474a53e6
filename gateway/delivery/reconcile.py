"""What a look-up says of the records of an attempt in doubt. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.model import StartInterval
from gateway.oden import payloads
from gateway.oden.client import Answer
from gateway.outbox.entries import Attempt, Work


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
        at: payloads.interval_id(body, record, wording) if isinstance(record, StartInterval) else None
        for at, record, found in zip(work.positions, work.records, there, strict=True)
        if found
    }
    nameless = isinstance(work.records[0], StartInterval) and None in ids.values()
    unsettled = ""
    if None in there or nameless:
        unsettled = "Oden's answer to the search was not understood"
    elif attempt.confirmed and not all(there):
        unsettled = "Oden has taken it, and a search does not show it yet"
    return Found(ids, there.count(False), unsettled)
