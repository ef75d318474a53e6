"""Whether the answer to a search can lack what is there: an Oden may ignore `match`, show one page only, or other times
than it was told.

That something is not at Oden follows only from an answer that shows what is known to be there beside it. So nothing is
sent once more because a search has left it out.
"""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, takewhile
from typing import TypeVar

from gateway.delivery.limited import LimitedClient
from gateway.delivery.outcome import Outcome
from gateway.delivery.searches import searched
from gateway.delivery.settlement import Settlement
from gateway.model import Output, Record, StartInterval
from gateway.oden import answers, requests
from gateway.oden.answer_parts import entries_of, epoch_of
from gateway.oden.classification import Answer
from gateway.oden.http_answer import Keeps
from gateway.oden.requests import Request
from gateway.oden.shown_starts import MINUTE
from gateway.outbox import left_open, told
from gateway.outbox.entries import Attempt, Work

T = TypeVar("T")

CUT_SHORT = "Oden's search does not show all that is there"
OTHERWISE = "Oden shows other times than it was told"


def known_beside(work: Work) -> Collection[int]:
    """The time stamps of other output of the interval that Oden has from here, as far as that is remembered."""
    ours = {record.key for record in work.records}
    sent = work.interval.sent if work.interval is not None else None
    return {stamp for key, stamp in (sent or {}).items() if key not in ours}


class Completeness:
    """Judges answers, and asks once more where one leaves that open. What a search has shown once, it is not asked
    again."""

    def __init__(self, settlement: Settlement, client: LimitedClient) -> None:
        self._settlement = settlement
        self._client = client
        self._shows_several: set[type[Record]] = set()
        """What a search has shown more than one of, so that it does not show one whatever is there."""
        self._shows_open = False
        """A search by a range has shown an interval that is open."""

    async def judge(
        self, work: Work, attempt: Attempt, answer: Answer, known: Mapping[str, int], written: asyncio.Event
    ) -> tuple[Outcome | None, str]:
        """Why it cannot be said that something of `work` is missing, because it is not in the `answer`; empty where it
        can. `known` are the ids of other intervals with their starts. With the outcome of a search that was made for
        that and has failed."""
        body = answer.body if answer.status != 404 else []
        look = _Look(self._settlement, self._client, work, attempt, written)
        starts = [record.start for record in work.records if isinstance(record, StartInterval)]
        output = [one for one in work.records if isinstance(one, Output) and one.quality_schema is None]
        try:
            if starts:
                return None, await self._judge_starts(look, starts, body, known)
            if output and attempt.body:
                return None, await self._judge_output(look, output, body)
        except SearchFailed as failed:
            return failed.outcome, CUT_SHORT
        return None, ""

    async def _judge_starts(
        self, look: "_Look", starts: Collection[int], body: object, known: Mapping[str, int]
    ) -> str:
        shown = dict(answers.shown_starts(body) or ())
        asked = range(min(starts) - MINUTE + 1, max(starts) + MINUTE)
        self._note_number(StartInterval, shown)
        self._shows_open = self._shows_open or answers.shows_open(body)
        moved = [abs(start - known[oden_id]) >= MINUTE for oden_id, start in shown.items() if oden_id in known]
        if moved and all(moved):
            return OTHERWISE
        around = {key: at for key, at in known.items() if at in asked}
        for side in _sides(around, min(starts), max(starts)):
            for oden_id in takewhile(lambda one: one not in shown, side):
                # Somebody may have deleted it, and Oden may round starts.
                start = await look.start_of(look.work.records[0].type, oden_id)
                if start in asked:
                    return CUT_SHORT
                if start is not None and abs(start - known[oden_id]) >= MINUTE:
                    return OTHERWISE
        if look.attempt.body and not self._shows_open and await self._hides_open(look):
            return CUT_SHORT
        pairs = sorted(pairwise(sorted(known.values())), key=lambda pair: pair[1] - pair[0])
        if len(shown) != 1 or StartInterval in self._shows_several or not pairs:
            return ""
        found = await look.around(look.work.records[0].type, look.one_of(pairs))
        self._note_number(StartInterval, entries_of(found) or ())
        return "" if StartInterval in self._shows_several else CUT_SHORT

    async def _hides_open(self, look: "_Look") -> bool:
        """Whether a search by a range leaves out what is open: asked about one that is, where one is known."""
        there = await self._settlement.outbox(left_open.open_at_oden, look.work.line)
        if not there:
            return False
        interval_type, oden_id, start = look.one_of(there)
        body = await look.around(interval_type, [start])
        self._shows_open = answers.shows_open(body)
        is_shown = oden_id in dict(answers.shown_starts(body) or ())
        return not is_shown and await look.start_of(interval_type, oden_id) is not None

    async def _judge_output(self, look: "_Look", output: Collection[Output], body: object) -> str:
        reference, known = self._settlement.options.wording.reference, known_beside(look.work)
        if any(answers.shows_moved(body, record, known, reference, MINUTE) for record in output):
            return OTHERWISE
        stamps, shown = [record.timestamp for record in output], _times(body)
        self._note_number(Output, shown)
        sides = _sides({stamp: stamp for stamp in known}, min(stamps), max(stamps))
        if any(side[0] not in shown for side in sides):
            return CUT_SHORT
        interval = look.work.interval
        if len(shown) != 1 or Output in self._shows_several or interval is None:
            return ""
        other = await self._settlement.outbox(told.with_entries, look.work.line, interval.type)
        if other is None:
            return ""
        self._note_number(Output, _times(await look.output_of(interval.type, other)))
        return "" if Output in self._shows_several else CUT_SHORT

    def _note_number(self, kind: type[Record], shown: Collection[object]) -> None:
        if len(shown) > 1:
            self._shows_several.add(kind)


class SearchFailed(Exception):
    """A search that was made to judge another has failed, with the `outcome`."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.reason)
        self.outcome = outcome


@dataclass(frozen=True, slots=True)
class _Look:
    """What is asked beside the look-up of `work`. Each search raises SearchFailed, and else gives the body of the
    answer."""

    settlement: Settlement
    client: LimitedClient
    work: Work
    attempt: Attempt
    written: asyncio.Event

    def one_of(self, things: Sequence[T]) -> T:
        """Another at each look: somebody may have deleted one of them."""
        return things[self.attempt.looks % len(things)]

    async def start_of(self, interval_type: str, oden_id: str) -> int | None:
        """When Oden shows that the interval with that id began; None where it does not show it."""
        request = requests.find_interval(interval_type, self._line_id, id=oden_id)
        shown = answers.shown_interval(await self._search(request), oden_id)
        return epoch_of(shown.get("start_time")) if isinstance(shown, Mapping) else None

    async def around(self, interval_type: str, starts: Iterable[int]) -> object:
        """The intervals of a type that began at `starts`, and what is around them."""
        asked = [StartInterval("", self.work.line, 0.0, interval_type, start) for start in starts]
        request = requests.look_up(asked, self._line_id, None, MINUTE)
        return await self._search(request, answers.concerns_starts(asked, MINUTE))

    async def output_of(self, interval_type: str, oden_id: str) -> object:
        """The output of an interval."""
        output = Output("", self.work.line, 0.0, interval_type, "", 0, {})
        return await self._search(requests.look_up([output], self._line_id, oden_id))

    async def _search(self, request: Request, keeps: Keeps | None = None) -> object:
        answer, outcome = await searched(self.settlement, self.client, self.work, request, self.written, keeps)
        if outcome.fate != "delivered":
            raise SearchFailed(outcome)
        return answer.body if answer.status != 404 else []

    @property
    def _line_id(self) -> str:
        return self.settlement.line_id(self.work.line)


def _times(body: object) -> set[int]:
    """The time stamps of the output in an answer."""
    return {time for entry in entries_of(body) or () for time in answers.output_times(entry)}


def _sides(known: Mapping[T, int], first: int, last: int) -> Sequence[Sequence[T]]:
    """What is known before `first` and after `last`, the nearest first; without a side on which nothing is."""
    before = sorted((key for key, at in known.items() if at < first), key=lambda key: -known[key])
    after = sorted((key for key, at in known.items() if at > last), key=lambda key: known[key])
    return [side for side in (before, after) if side]
