"""Sees to what another life of the gateway has left open at Oden, before the first start of each line and type is sent:
after a lost outbox, on a new box, over an older copy of the outbox, or after a reboot, after which it mostly turns out
that nothing unknown is open.

Each step is a search for the latest interval, and what follows from it (`adoption`); all of it can be done again, so
nothing of it is an attempt on disk.
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Concatenate, ParamSpec

import structlog

from gateway.delivery.adoption import MINUTE, STATE, Shown, ended_at, is_of, shown_in, told_start, verdict
from gateway.delivery.apart import SHOWN_AFTER
from gateway.delivery.breaker import backoff
from gateway.delivery.limited import LimitedClient
from gateway.delivery.outcome import Outcome, outcome_of
from gateway.delivery.settlement import Settlement
from gateway.model import Notice, Output, StartInterval, UpdateInterval
from gateway.oden import answers, requests
from gateway.oden.classification import Answer
from gateway.oden.exchange import iso
from gateway.oden.http_answer import Keeps
from gateway.oden.requests import Request
from gateway.outbox import left_open
from gateway.outbox.entries import Work
from gateway.outbox.left_open import LeftOpen
from gateway.outbox.store import Outbox

log = structlog.get_logger()

P = ParamSpec("P")

MOST_LOOKS = 20
"""Answers that settle nothing, after which a start is sent although nobody knows what is open."""
MOST_REFUSED = 3
"""The same, where Oden itself refuses the search for good: asking again does not help, and nothing must wait for it."""
WAITS = "what is open at Oden cannot be looked up"
MOST_PAST = 1_000
"""Starts of the past of which it is remembered that they are not there."""
WITNESSES = ("RUN", STATE)
"""The types whose latest interval shows until when a line was known."""


class Unsettled(Exception):
    """Oden's answer tells nothing; `answered`: it was one, `refused`: by Oden itself, for good. The text says why."""

    def __init__(self, outcome: Outcome, *, answered: bool, refused: bool = False) -> None:
        super().__init__(outcome.reason or "Oden's answer to the search was not understood")
        self.answered = answered
        self.refused = refused
        self.retry_after = outcome.retry_after or 0.0


class LeftOpenAtOden:
    """Knows what has yet to be seen to, and sees to it."""

    def __init__(self, settlement: Settlement, client: LimitedClient) -> None:
        self._settlement = settlement
        self._client = client
        self._left: LeftOpen | None = None
        self._looks: dict[tuple[str, str], int] = {}
        """How often a line and type were looked at in vain, and answered."""
        self._again_at: dict[tuple[str, str], float] = {}
        """When they are looked at again (epoch)."""
        self._later: dict[tuple[str, str], int] = {}
        """The start of the latest at Oden, where it is later than the start that was to be told: what is older than
        that is of the past, and decides nothing. But it may be there itself."""
        self._past: set[str] = set()
        """Starts of the past that are not there."""

    async def recall(self) -> None:
        """Read from disk what has yet to be seen to; the times in it are by the clock of the process before."""
        left = await self._settlement.outbox(left_open.left_open)
        longest = self._settlement.clock.now() + self._settlement.options.settle
        self._left = left and replace(left, not_before=min(left.not_before, longest))
        self._looks, self._again_at, self._later, self._past = {}, {}, {}, set()

    def due(self, work: Work) -> float | None:
        """When (epoch) what is open at Oden can be seen to, which has to be done before the start in `work` is sent;
        None where nothing has to."""
        record = work.records[0]
        if self._left is None or not isinstance(record, StartInterval) or work.attempt is not None:
            return None
        key = record.line, record.type
        if record.key in self._past or (self._left.is_seen(*key) and record.start > self._left.latest_of(*key)):
            return None
        return max(self._left.not_before, self._again_at.get((record.line, record.type), 0.0))

    async def see_to(self, work: Work, written: asyncio.Event) -> None:
        """See to it. `written` is set once the first request has left."""
        record, settlement = work.records[0], self._settlement
        if not isinstance(record, StartInterval):
            raise TypeError("only a start has something to go before it")
        key = record.line, record.type
        try:
            await self._see_to(work, record, written)
        except Unsettled as error:
            looks = self._looks[key] = self._looks.get(key, 0) + error.answered
            pause = backoff(max(looks, 1)) if error.answered else 1.0
            self._again_at[key] = settlement.clock.now() + max(pause, error.retry_after)
            if looks < (MOST_REFUSED if error.refused else MOST_LOOKS):
                if looks >= SHOWN_AFTER:
                    settlement.breaker.hold_line(record.line, f"{WAITS}: {error}")
                return
            if self._is_past(record):
                del self._looks[key]
                await settlement.unsettle(work, str(error))
            else:
                text = f"{record.line}: what was open at Oden before this start could not be looked up: {error}"
                await self._seen(record, text)

    async def _see_to(self, work: Work, record: StartInterval, written: asyncio.Event) -> None:
        if self._is_past(record):
            await self._see_to_past(work, record, written)
            return
        latest = await self._latest(work, record.type, written)
        until = await self._known_until(work, record, latest)
        if latest is None:
            await self._seen(record)
            return
        settlement, wording = self._settlement, self._settlement.options.wording
        if await self._known(record, record.type, latest) not in (None, record.key):
            await self._seen(record, latest=latest.start)
            return
        if latest.start > record.start:
            self._later[record.line, record.type] = latest.start
            await self._see_to_past(work, record, written)
            return
        known_start = await settlement.outbox(left_open.latest_start, record)
        if latest.end is None:
            await self._see_to_older(work, record, latest)
        match verdict(latest, record, known_start, referenced=wording.reference is not None, step=self._step):
            case "adopt":
                await self._adopt(work, record, latest)
            case "end":
                await self._end(work, record, latest, ended_at(latest, until, max(record.start, known_start)))
                await self._seen(record, latest=latest.start)
            case "leave":
                text = ""
                if latest.end is None:
                    log.warning("interval_of_others", line=work.line, type=record.type, oden_id=latest.id)
                    text = f"{_named(record, latest)} is open at Oden, and not known here: it stays as it is"
                await self._seen(record, text, latest=latest.start)

    def _is_past(self, record: StartInterval) -> bool:
        """Whether others have begun at Oden since, so that the interval of this start can be there itself."""
        key = record.line, record.type
        return record.start < self._later.get(key, 0) or (self._left is not None and self._left.is_seen(*key))

    async def _see_to_past(self, work: Work, record: StartInterval, written: asyncio.Event) -> None:
        """The interval of a start can be at Oden although others have begun since: another life of the gateway has told
        it, and its messages have come again."""
        is_absent = await self._settlement.outbox(left_open.is_said_absent, record)
        if there := [] if is_absent else await self._there(work, record, written):
            await self._adopt(work, record, there[0], is_latest=False)
        elif len(self._past) < MOST_PAST:
            self._past.add(record.key)
        else:
            self._past = {record.key}

    async def _there(self, work: Work, record: StartInterval, written: asyncio.Event) -> list[Shown]:
        """What Oden shows that is the interval of the start."""
        settlement = self._settlement
        request = requests.look_up([record], settlement.line_id(work.line), None, MINUTE)
        shown = shown_in(await self._searched(work, request, written), settlement.options.wording.reference)
        if shown is None:
            raise Unsettled(Outcome("dead"), answered=True)
        return [one for one in shown if is_of(one, record, self._step)]

    async def _known_until(self, work: Work, record: StartInterval, latest: Shown | None) -> int | None:
        """Until when Oden shows what was made on the line before this life. Asked before anything of this life is
        there, and kept."""
        left = self._left or LeftOpen(0.0)
        if record.line in left.known_until:
            return left.known_until[record.line]
        times: list[int] = []
        for witness in WITNESSES:
            shown = latest if witness == record.type else await self._latest(work, witness, asyncio.Event())
            is_known = shown is not None and await self._known(record, witness, shown) is not None
            if shown is not None:
                times += [shown.start, shown.end or 0]
            if shown is not None and not is_known and witness == "RUN":
                times += await self._output_times(work, record, shown)
            if witness != record.type and (shown is None or is_known):
                latest_start = shown.start if shown is not None else 0
                await self._keep(left_open.seen_to, record.line, witness, latest=latest_start)
        until = max(times, default=None)
        await self._keep(left_open.note_known_until, record.line, until)
        return until

    async def _see_to_older(self, work: Work, record: StartInterval, latest: Shown) -> None:
        """Before the latest one, others may have been left open: their ends were lost, too. An Oden that shows the
        latest can refuse to show the others: then these stay as they are."""
        wording = self._settlement.options.wording
        around = StartInterval("", record.line, record.at, record.type, latest.start)
        request = requests.look_up([around], self._settlement.line_id(work.line), None)
        try:
            answer = await self._searched(work, request, asyncio.Event())
        except Unsettled as error:
            if not self._is_refused_for_good(record, error):
                raise
            log.warning("older_not_looked_up", line=work.line, type=record.type, reason=str(error))
            before = f"{record.line}: what is open at Oden before the {record.type.lower()} of {iso(latest.start)}"
            await self._settlement.notice(f"{before} could not be looked up, and stays as it is: {error}")
            return
        for older in shown_in(answer, wording.reference) or ():
            is_older = older.end is None and older.start < latest.start
            is_left = is_older and await self._known(record, record.type, older) is None
            if is_left and verdict(older, record, latest.start, referenced=wording.reference is not None) == "end":
                await self._end(work, record, older, latest.start)

    async def _adopt(self, work: Work, record: StartInterval, shown: Shown, *, is_latest: bool = True) -> None:
        text = f"{_named(record, shown)} was at Oden already, and goes on"
        log.warning("interval_adopted", interval=record.key, line=work.line, type=record.type, oden_id=shown.id)
        self._settlement.note_told(record.key)
        notice = Notice("oden", self._settlement.clock.now(), "", "", text)
        await self._keep(left_open.adopted, work, shown.id, (shown.start, shown.end), notice, is_latest=is_latest)

    async def _end(self, work: Work, record: StartInterval, shown: Shown, end: int) -> None:
        """End at Oden what nobody knows to be on any more."""
        settlement = self._settlement
        update = UpdateInterval("", record.line, record.at, record.type, "", end)
        line_id, wording = settlement.line_id(work.line), settlement.options.wording
        request = requests.request_for([update], line_id, [shown.id], wording)
        answer, outcome = await self._ask(work, request, asyncio.Event())
        if outcome.fate not in ("delivered", "dead"):
            raise Unsettled(outcome, answered=answer.own or outcome.foreign)
        is_ended = outcome.fate == "delivered"
        log.warning("left_open_ended", line=work.line, type=record.type, oden_id=shown.id, end=end, done=is_ended)
        became = f"was ended at {iso(end)}, when it was last known to be on"
        refused = f"could not be ended: {outcome.reason}"
        await settlement.notice(f"{_named(record, shown)} was left open there, and {became if is_ended else refused}")

    async def _latest(self, work: Work, interval_type: str, written: asyncio.Event) -> Shown | None:
        """The latest interval of a type on the line; None where there is none."""
        settlement = self._settlement
        request = requests.find_interval(interval_type, settlement.line_id(work.line), match="last")
        answer = await self._searched(work, request, written)
        shown = shown_in(answer, settlement.options.wording.reference)
        if shown is None:
            raise Unsettled(Outcome("dead"), answered=True)
        return shown[-1] if shown else None

    async def _known(self, record: StartInterval, interval_type: str, shown: Shown) -> str | None:
        """The key of the interval, where it is known here."""
        place, told = (record.line, interval_type), told_start(shown)
        start, step = (shown.start, self._step) if told is None else (told, 1)
        return await self._settlement.outbox(left_open.known_as, *place, (shown.id, start), step)

    @property
    def _step(self) -> int:
        """To how many seconds Oden rounds starts."""
        return max(1, self._settlement.learned.start_step)

    async def _output_times(self, work: Work, record: StartInterval, run: Shown) -> list[int]:
        """The time stamps of the output of a run; none where Oden refuses to show it."""
        settlement = self._settlement
        output = Output("", work.line, 0.0, "RUN", "", 0, {})
        request = requests.look_up([output], settlement.line_id(work.line), run.id)
        times: set[int] = set()

        def note(entry: object) -> bool:
            times.update(answers.output_times(entry))
            return False

        try:
            await self._searched(work, request, asyncio.Event(), note)
        except Unsettled as error:
            if not self._is_refused_for_good(record, error):
                raise
            log.warning("output_not_looked_up", line=work.line, oden_id=run.id, reason=str(error))
        return [*times]

    def _is_refused_for_good(self, record: StartInterval, error: Unsettled) -> bool:
        """Whether Oden refuses this search, as it has before, so that what the others show is all that can be known."""
        looks = self._looks.get((record.line, record.type), 0)
        return error.refused and looks + 1 >= MOST_REFUSED

    async def _searched(
        self, work: Work, request: Request, written: asyncio.Event, keeps: Keeps | None = None
    ) -> object:
        """What a search answers, of which only what `keeps` says is read; an empty list where it finds nothing."""
        answer, outcome = await self._ask(work, request, written, keeps)
        if outcome.fate != "delivered":
            answered = answer.status is not None and outcome.hold == "none"
            raise Unsettled(outcome, answered=answered, refused=answer.own and outcome.fate == "dead")
        return [] if answer.status == 404 else answer.body

    async def _ask(
        self, work: Work, request: Request, written: asyncio.Event, keeps: Keeps | None = None
    ) -> tuple[Answer, Outcome]:
        settlement, chosen = self._settlement, self._settlement.clock.now()
        answer = await self._client.post(request.endpoint, request.text(), written, keeps=keeps)
        is_search = request.endpoint.path.endswith("/search")
        outcome = outcome_of(request.endpoint, answer, creates=False, none_is_success=is_search)
        await settlement.note_answer(request.endpoint, work, answer, outcome, chosen)
        return answer, outcome

    async def _seen(self, record: StartInterval, text: str = "", latest: int = 0) -> None:
        """Nothing is left to see to of the line and type; the latest interval of it at Oden began at `latest`, and
        `text` says for a person what was done."""
        notice = Notice("oden", self._settlement.clock.now(), "", "", text) if text else None
        await self._keep(left_open.seen_to, record.line, record.type, notice, latest)

    async def _keep(self, call: Callable[Concatenate[Outbox, P], LeftOpen], *args: P.args, **kwargs: P.kwargs) -> None:
        """Put on disk what is known now, and go by it."""
        before = self._left
        left = await self._settlement.persist(call, *args, **kwargs)
        self._left = left if before is None else replace(left, not_before=before.not_before)


def _named(record: StartInterval, shown: Shown) -> str:
    """The interval that Oden shows, for a person."""
    return f"{record.line}: the {record.type.lower()} {shown.title} of {iso(shown.start)}"
