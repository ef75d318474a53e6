"""What `oden-gateway rejects` asks, answered by whoever holds the outbox: the running gateway, or the command itself.

As with `oden-gateway outbox`, a question is the name of a command and its arguments, an answer a stream of JSON
objects. A message is replayed by the running gateway, one after another; where none runs, when it starts.
"""

import base64
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass

import structlog
from pydantic import TypeAdapter, ValidationError

from gateway.errors import GatewayError, OutboxError
from gateway.model import KeptReject, KeptRejects, Reject
from gateway.outbox import rejects
from gateway.outbox.rejects import KEPT_REJECT
from gateway.outbox.store import Outbox
from gateway.outbox.thread import OutboxThread

log = structlog.get_logger()

REJECTS = "rejects-"
"""Of the names of these commands on the control socket."""
PAGE = 50
"""Rows that are read in one go."""

Answer = dict[str, object]
Replay = Callable[[int, Reject], Awaitable[None]]
"""Takes a message once more, with its number; returns once that is stored. Raises GatewayError where it cannot be."""


@dataclass(frozen=True, slots=True)
class Question:
    """The arguments of any command: which messages are meant. Without `numbers`, all of which topic and reason contain
    these texts."""

    numbers: tuple[int, ...] = ()
    topic: str = ""
    reason: str = ""
    limit: int | None = None
    by: str = ""
    """Who asks, for the log."""


QUESTION = TypeAdapter(Question)


class RejectHandlers:
    """Answers questions about the messages that could not be used. `replay`: None where no gateway runs."""

    def __init__(self, outbox: OutboxThread, replay: Replay | None = None) -> None:
        self._outbox, self._replay_one = outbox, replay
        self._under_way: set[int] = set()
        """Messages that are being replayed, which must not be replayed twice."""
        self._commands: Mapping[str, Callable[[Question], AsyncIterator[Answer]]] = {
            f"{REJECTS}list": self._list,
            f"{REJECTS}show": self._show,
            f"{REJECTS}replay": self._replay,
            f"{REJECTS}drop": self._drop,
        }

    async def answer(self, command: str, question: object) -> AsyncGenerator[Answer, None]:
        """Raises OutboxError, with a sentence for the person, where there is no answer."""
        try:
            handle, arguments = self._commands[command], QUESTION.validate_python(question)
        except (KeyError, ValidationError) as error:
            raise OutboxError("this gateway does not understand the question: it may be of another version") from error
        async for item in handle(arguments):
            yield item

    async def replay_wanted(self) -> None:
        """Replay what a person wanted replayed while no gateway ran."""
        wanted = [known.number async for known in self._all(Question()) if known.wanted]
        for number in sorted(wanted):
            await self._replayed(number, waits=True)

    # Commands

    async def _list(self, question: Question) -> AsyncIterator[Answer]:
        """Messages, newest first, `limit` at the most; then how many there are, and were."""
        listed = 0
        async for known in self._all(question):
            if listed == question.limit:
                yield {"more": True}
                break
            listed += 1
            yield {"reject": KEPT_REJECT.dump_python(known, mode="json")}
        totals = await self._totals()
        counts = {"number": totals.number, "bytes": totals.bytes}
        yield {"store": {**counts, "dropped": totals.dropped, "left_out": totals.left_out}}

    async def _show(self, question: Question) -> AsyncIterator[Answer]:
        for number in question.numbers:
            known, payload = await self._whole(number)
            try:
                said: Answer = {"payload": payload.decode()}
            except UnicodeDecodeError:
                said = {"payload_base64": base64.b64encode(payload).decode()}
            yield {"reject": KEPT_REJECT.dump_python(known, mode="json"), **said}

    async def _replay(self, question: Question) -> AsyncIterator[Answer]:
        """For each message, the oldest first, what has become of it: taken, or why it is still there."""
        for number in await self._chosen(question):
            answer: Answer = {"number": number, **await self._replayed(number)}
            self._log(question, f"{REJECTS}replay", answer)
            yield answer

    async def _drop(self, question: Question) -> AsyncIterator[Answer]:
        numbers = await self._chosen(question)
        dropped = 0
        for first in range(0, len(numbers), PAGE):
            dropped += await self._outbox(_remove, numbers[first : first + PAGE])
        self._log(question, f"{REJECTS}drop", {"dropped": dropped})
        yield {"dropped": dropped}

    # What they have in common

    def _log(self, question: Question, command: str, answer: Answer) -> None:
        if self._replay_one is not None:
            log.info("operator_acted", command=command, by=question.by, **answer)

    async def _replayed(self, number: int, *, waits: bool = False) -> Answer:
        """What has become of it. Where nothing is taken in, that is the answer, unless it `waits` until something is:
        that can be for days."""
        if number in self._under_way:
            return {"taken": False, "reason": "it is being replayed already"}
        self._under_way.add(number)
        try:
            known, payload = await self._whole(number)
            if self._replay_one is None:
                await self._outbox(_want, number)
                return {"taken": False, "reason": "no gateway runs: it is replayed when it starts"}
            full = (await self._outbox(Outbox.summary, 0)).full
            if full is not None and not waits:
                raise OutboxError(f"nothing is taken in at present: {full}")
            of = known.source, known.address, payload, known.at, known.reason
            reject = Reject(*of, known.lines, known.retained, known.part, known.read_as)
            await self._replay_one(number, reject)
            left = await self._outbox(lambda outbox: rejects.whole(outbox.row, number))
        except GatewayError as error:
            return {"taken": False, "reason": str(error)}
        finally:
            self._under_way.discard(number)
        return {"taken": True} if left is None else {"taken": False, "reason": left[0].reason}

    async def _whole(self, number: int) -> tuple[KeptReject, bytes]:
        found = await self._outbox(lambda outbox: rejects.whole(outbox.row, number))
        if found is None:
            raise OutboxError(f"there is no rejected message {number} (any more)")
        return found

    async def _totals(self) -> KeptRejects:
        return await self._outbox(lambda outbox: outbox.totals.kept_rejects)

    async def _all(self, question: Question) -> AsyncIterator[KeptReject]:
        """What fits, newest first; a page of rows at a time, so that a commit never waits for long."""
        totals = await self._totals()
        for last in range(totals.next - 1, max(totals.first, totals.next - rejects.SLOTS) - 1, -PAGE):
            first = max(last - PAGE + 1, totals.first)
            page = await self._outbox(_between, first, last)
            for known in reversed(page):
                if question.topic in known.address and question.reason in known.reason:
                    yield known

    async def _chosen(self, question: Question) -> list[int]:
        """The numbers that are meant, the oldest first."""
        if question.numbers:
            return sorted(set(question.numbers))
        return [known.number async for known in self._all(question)][::-1]


def _between(outbox: Outbox, first: int, last: int) -> list[KeptReject]:
    return rejects.between(outbox.row, first, last)


def _remove(outbox: Outbox, numbers: list[int]) -> int:
    with outbox.transaction() as transaction:
        return sum(rejects.remove(transaction, number) for number in numbers)


def _want(outbox: Outbox, number: int) -> bool:
    with outbox.transaction() as transaction:
        return rejects.want(transaction, number)
