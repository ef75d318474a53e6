"""What `oden-gateway outbox` asks, answered by whoever holds the outbox: the running gateway, or the command itself.

A question is the name of a command and its arguments, an answer a stream of JSON objects: both go through the control
socket as they are. Everything that reads much does so a page at a time, so that a commit never waits for long.
"""

import json
import time
from collections import Counter, deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import structlog
from pydantic import TypeAdapter, ValidationError
from ulid import ULID

from gateway.errors import OutboxError
from gateway.outbox import gone, verify
from gateway.outbox.backup import write_backup
from gateway.outbox.entries import PAUSE, Pause, Totals
from gateway.outbox.lanes import DEAD, Lane
from gateway.outbox.listing import (
    KEY_LENGTH,
    LETTERS,
    Cursor,
    Filter,
    Listed,
    details,
    details_adapter,
    figures,
    listed_adapter,
    page,
)
from gateway.outbox.operator_actions import (
    Retried,
    compare,
    drop,
    exported,
    imported,
    pause,
    resume,
    retry,
    settle,
)
from gateway.outbox.statistics import NOTICES_KEPT
from gateway.outbox.store import Outbox
from gateway.outbox.thread import OutboxThread
from gateway.record_kinds import kind_of

log = structlog.get_logger()

MOST = 10_000
"""Records that are named one by one in one command at the most."""
DEPENDENTS_SHOWN = 100
NOTICES_SHOWN = 10
"""Of what was found at Oden that was not told from here."""
SAMPLE_EVERY = 60.0
SAMPLES = 61
"""So that the rate of new records is that of the last hour."""

Answer = dict[str, object]


@dataclass(frozen=True, slots=True)
class Question:
    """The arguments of any command; each reads its own."""

    wanted: Filter = field(default_factory=Filter)
    line: str | None = None
    """As a person names it: the key of a line, its name, or factory/name."""
    limit: int | None = None
    acknowledge: bool = False
    lines: tuple[str, ...] = ()
    dry: bool = False
    """Only say what would be dropped."""
    oden_id: str | None = None
    """Under which id a person has found the record at Oden; None: it is not there."""
    by: str = ""
    """Who asks, for the log and for whoever finds delivery paused."""
    reason: str = ""


QUESTION = TypeAdapter(Question)
NONE = Filter(interval=frozenset({""}))
"""What no record fits."""


class ControlHandlers:
    """Answers questions about the outbox in `directory`. `wake` is called when there is something new to deliver;
    `live` says that others use the outbox meanwhile."""

    def __init__(
        self, outbox: OutboxThread, *, live: bool, wake: Callable[[], None] = lambda: None, directory: Path = Path()
    ) -> None:
        self._outbox, self._directory, self._wake, self._live = outbox, directory, wake, live
        self._samples: deque[tuple[float, int]] = deque(maxlen=SAMPLES)
        self._commands: Mapping[str, Callable[[Question], AsyncIterator[Answer]]] = {
            "list": self._list,
            "show": self._show,
            "retry": self._retry,
            "drop": self._drop,
            "settle": self._settle,
            "recreate": self._recreate,
            "export": self._export,
            "import": self._import,
            "stats": self._stats,
            "verify": self._verify,
            "backup": self._backup,
            "pause": self._pause,
            "resume": self._resume,
        }

    def observe(self, now: float, totals: Totals) -> None:
        """Note how many records there have been at `now` (seconds, monotonic): the rate of new ones comes from that."""
        if not self._samples or now - self._samples[-1][0] >= SAMPLE_EVERY:
            self._samples.append((now, sum(totals.records.values()) - totals.merged))

    async def answer(self, command: str, question: object) -> AsyncGenerator[Answer, None]:
        """Raises OutboxError, with a sentence for the person, where there is no answer. What changes something is
        logged, with who asked for it."""
        if command not in self._commands:
            raise OutboxError(f"this gateway knows no command '{command}': it may be of another version")
        try:
            arguments = QUESTION.validate_python(question)
        except ValidationError as error:
            raise OutboxError("this gateway does not understand the question: it may be of another version") from error
        arguments = await self._of_lines(arguments)
        changes = command in CHANGING or (command == "verify" and arguments.acknowledge)
        async for item in self._commands[command](arguments):
            if self._live and changes and not arguments.dry:
                log.info("operator_acted", command=command, by=arguments.by, **item)
            yield item

    # Commands

    async def _list(self, arguments: Question) -> AsyncIterator[Answer]:
        """Records, at the most `limit`; whether there are more; and how many rows could not be read."""
        number, unread = 0, list[str]()
        async for listed in self._all(arguments.wanted, unread):
            if number == arguments.limit:
                yield {"more": True}
                break
            number += 1
            yield {"record": listed_adapter().dump_python(listed, mode="json")}
        if unread:
            yield {"unread": len(unread)}

    async def _show(self, arguments: Question) -> AsyncIterator[Answer]:
        (listed,) = await self._named(arguments.wanted)
        beside = await self._outbox(details, listed)
        waiting: list[object] = []
        number = 0
        if kind_of(listed.record).interval == "opens":
            key, line = listed.record.interval, listed.record.line
            async for dependent in self._all(Filter(interval=frozenset({key}), lines=(line,))):
                number += 1
                if len(waiting) < DEPENDENTS_SHOWN:
                    waiting.append(listed_adapter().dump_python(dependent, mode="json"))
        yield {
            "record": listed_adapter().dump_python(listed, mode="json"),
            **details_adapter().dump_python(beside, mode="json"),
            "dependents": waiting,
            "number_of_dependents": number,
        }

    async def _retry(self, arguments: Question) -> AsyncIterator[Answer]:
        """How many are sent once more, how many cannot be because their interval is not known any more, and how many
        were out of date, wholly or in part."""
        done = Retried()
        if arguments.wanted.keys:
            named = [listed for listed in await self._named(arguments.wanted) if listed.must_be(*LETTERS, "again")]
            done = await self._outbox(retry, named)
        else:
            _only(arguments.wanted, *LETTERS, "again")
            for where in (arguments.wanted.where,) if arguments.wanted.where else (*LETTERS, "again"):
                async for matches in self._pages(replace(arguments.wanted, where=where), still=True):
                    done += await self._outbox(retry, matches)
        self._wake()
        yield _as_answer(done)

    async def _drop(self, arguments: Question) -> AsyncIterator[Answer]:
        """How many dead letters and how many that depend on them were dropped, or would be, with their keys; and how
        many records of intervals that were deleted at Oden."""
        wanted, letters, dependents = arguments.wanted, 0, 0
        _only(wanted, *LETTERS, "deleted")
        deleted: list[Listed] = []
        if wanted.keys:
            named = [listed for listed in await self._named(wanted) if listed.must_be(*LETTERS, "deleted")]
            deleted = [listed for listed in named if listed.where == "deleted"]
            wanted = Filter(keys=frozenset(one.record.key for one in named if one.where != "deleted"))
        elif wanted.where == "deleted":
            deleted = [listed async for listed in self._all(wanted)]
        keys = [listed.record.key for listed in deleted]
        held = len(await self._held_with(deleted)) if deleted else 0
        if not arguments.dry:
            await self._outbox(drop, deleted)
        # Without keys, all are meant.
        has_letters = bool(wanted.keys) if arguments.wanted.keys else wanted.where != "deleted"
        async for matches in self._letters(wanted if has_letters else NONE):
            others = await self._dependents(matches)
            letters, dependents = letters + len(matches), dependents + len(others)
            if not arguments.dry:
                await self._outbox(drop, matches, others)
            elif letters <= MOST:
                keys += [listed.record.key for listed in matches]
            else:
                raise OutboxError(f"more than {MOST} dead letters fit: narrow it down, or answer for all with --yes")
        self._wake()
        counted = {"letters": letters, "dependents": dependents, "held": held}
        yield {**counted, **({"keys": keys} if arguments.dry else {})}

    async def _letters(self, wanted: Filter) -> AsyncIterator[list[Listed]]:
        """Dead letters that fit, a page at a time."""
        for where in (wanted.where,) if wanted.where else LETTERS:
            async for matches in self._pages(replace(wanted, where=where), still=True):
                yield matches

    async def _recreate(self, arguments: Question) -> AsyncIterator[Answer]:
        """How many intervals that were deleted at Oden are made anew there."""
        named = [listed for listed in await self._named(arguments.wanted) if listed.must_be("deleted")]
        keys = sorted({listed.record.interval for listed in named})
        done = [await self._outbox(gone.recreate, key) for key in keys]
        self._wake()
        yield {"recreated": done.count(True)}

    async def _held_with(self, deleted: list[Listed]) -> list[Listed]:
        """All that is held for the intervals of `deleted`."""
        intervals, lines = frozenset(one.record.interval for one in deleted), {one.record.line for one in deleted}
        wanted = Filter(where="deleted", interval=intervals, lines=tuple(lines))
        return [listed async for listed in self._all(wanted)]

    async def _backup(self, arguments: Question) -> AsyncIterator[Answer]:
        """A file beside the outbox with all that is in it now, and how many rows that are. Who asks takes it away."""
        file = self._directory / f"backup-{ULID()}"
        number = await self._outbox(write_backup, file)
        yield {"file": str(file), "rows": number}

    async def _settle(self, arguments: Question) -> AsyncIterator[Answer]:
        (listed,) = [listed for listed in await self._named(arguments.wanted) if listed.must_be("unsettled")]
        await self._outbox(settle, listed, arguments.oden_id)
        self._wake()
        yield {"settled": listed.record.key}

    async def _pause(self, arguments: Question) -> AsyncIterator[Answer]:
        """The pause that is on then: one that was on before stays as it is."""
        on = await self._outbox(pause, Pause(time.time(), arguments.by, arguments.reason))
        self._wake()
        yield {"paused": PAUSE.dump_python(on, mode="json")}

    async def _resume(self, _: Question) -> AsyncIterator[Answer]:
        """The pause that has ended, null where there was none."""
        was = await self._outbox(resume)
        self._wake()
        yield {"resumed": PAUSE.dump_python(was, mode="json")}

    async def _dependents(self, letters: list[Listed]) -> list[Listed]:
        """What waits, and is dropped with those of `letters` that take their interval along."""
        opening = [listed.record for listed in letters if kind_of(listed.record).withdrawal == "with_interval"]
        if not opening:
            return []
        intervals, lines = frozenset(record.interval for record in opening), {record.line for record in opening}
        wanted = Filter(interval=intervals, lines=tuple(lines))
        return [listed async for listed in self._all(wanted) if listed.where in ("parked", "waiting")]

    async def _export(self, arguments: Question) -> AsyncIterator[Answer]:
        async for listed in self._all(arguments.wanted):
            yield {"line": exported(listed)}

    async def _import(self, arguments: Question) -> AsyncIterator[Answer]:
        """All lines or none."""
        number = sum(bool(line.strip()) for line in arguments.lines)
        if number > MOST:
            raise OutboxError(f"{number} records are more than the {MOST} that go at once: split the file")
        changed = imported(arguments.lines)
        wanted = Filter(keys=frozenset(changed), where="dead")
        letters = [listed async for listed in self._all(wanted)] if changed else []
        compare(letters, changed)
        done = await self._outbox(retry, letters, {key: record for key, (_, record) in changed.items()})
        self._wake()
        yield _as_answer(done)

    async def _stats(self, _: Question) -> AsyncIterator[Answer]:
        bytes_used, full, scarce, lanes = await self._outbox(figures)
        letters: dict[str, Counter[str]] = {where: Counter() for where in LETTERS}
        for where in LETTERS:
            async for listed in self._all(Filter(where=where)):
                letters[where][listed.record.line] += 1
        notices = await self._outbox(Outbox.notices, NOTICES_KEPT)
        at_oden = [notice.text for notice in notices if notice.kind == "oden"][:NOTICES_SHOWN]
        room = {"bytes": bytes_used, "full": full, "scarce": scarce, "records_per_hour": self._rate()}
        yield {**room, "lanes": lanes, **letters, "at_oden": at_oden}

    async def _verify(self, arguments: Question) -> AsyncIterator[Answer]:
        """Problems, notes and damage reports; then how many records were read."""
        records = 0
        for line in await self._outbox(verify.lines):
            verdict = await verify.still(self._outbox, line)
            records += verdict.records
            for problem in verdict.problems:
                yield {"problem": problem}
            if verdict.moved:
                name = line or "the dead letters"
                yield {"note": f"{name}: records came or left meanwhile, so they could not be counted"}
        if self._live:
            yield {"note": "rows that no lane leads to are looked for only while the gateway is stopped"}
        else:
            for problem in await self._outbox(lambda outbox: list(verify.strays(outbox))):
                yield {"problem": problem}
        damage: str | None = await self._outbox(lambda outbox: outbox.row("damage"))
        reports = json.loads(damage or "[]")
        for report in reports:
            yield {"damage": report, "acknowledged": arguments.acknowledge}
        if arguments.acknowledge and reports:
            await self._outbox(_acknowledge)
        yield {"records": records}

    # What they have in common

    async def _of_lines(self, arguments: Question) -> Question:
        """With the key of the line that a person has named."""
        if arguments.line is None:
            return arguments
        refs = await self._outbox(Outbox.line_refs)
        known = {lane.line for lane in (await self._outbox(lambda outbox: dict(outbox.lanes))).values()} | refs.keys()
        names = {key: {key, ref.name, f"{ref.factory}/{ref.name}"} for key, ref in refs.items()}
        keys = sorted(key for key in known if arguments.line in names.get(key, {key}))
        if len(keys) != 1:
            some = ", ".join(sorted(known - {""})) or "none"
            number = f"{len(keys)} lines are" if keys else "no line is"
            raise OutboxError(f"{number} called '{arguments.line}'. Lines here: {some}")
        return replace(arguments, wanted=replace(arguments.wanted, lines=(keys[0],)))

    async def _pages(
        self, wanted: Filter, *, still: bool = False, unread: list[str] | None = None
    ) -> AsyncIterator[list[Listed]]:
        """What fits, a page at a time; rows that cannot be read are added to `unread`. `still`: without dead letters
        that come meanwhile, also by what is done to these."""
        end = await self._outbox(lambda outbox: (outbox.lanes.get(DEAD) or Lane("")).tail)
        begin: Cursor | None = None
        while True:
            matches, begin = await self._outbox(page, wanted, begin, unread=unread)
            if still:
                matches = [listed for listed in matches if listed.where not in LETTERS or listed.position < end]
            if matches:
                yield matches
            if begin is None or (still and begin.lane == DEAD and begin.position >= end and wanted.where in LETTERS):
                return

    async def _all(self, wanted: Filter, unread: list[str] | None = None) -> AsyncIterator[Listed]:
        async for matches in self._pages(wanted, unread=unread):
            for listed in matches:
                yield listed

    async def _named(self, wanted: Filter) -> list[Listed]:
        """The one record for each of the given beginnings of keys."""
        if len(wanted.keys) > MOST:
            raise OutboxError(f"{len(wanted.keys)} keys are more than the {MOST} that one command takes")
        short = sorted(key for key in wanted.keys if len(key) < KEY_LENGTH)
        named: dict[str, Listed] = {}
        async for listed in self._all(Filter(keys=wanted.keys)):
            named[listed.record.key] = listed
            if len(named) > MOST or (not short and len(named) == len(wanted.keys)):
                break
        numbers = {key: sum(name.startswith(key) for name in named) for key in short}
        for key in sorted(wanted.keys):
            if numbers.get(key, 0) > 1:
                raise OutboxError(f"more than one record here begins with {key}: give more of the key")
            if numbers.get(key, key in named) == 0:
                raise OutboxError(f"no record here has the key {key}; Oden may have it by now")
        return list(named.values())

    def _rate(self) -> float | None:
        """New records per hour; None while that is not known."""
        if len(self._samples) < 2:
            return None
        (since, before), (until, after) = self._samples[0], self._samples[-1]
        return (after - before) / (until - since) * 3600


CHANGING = frozenset({"retry", "drop", "settle", "recreate", "import", "pause", "resume"})
"""Commands by which a person decides something."""


def _as_answer(done: Retried) -> Answer:
    return {"retried": done.sent, "hopeless": done.hopeless, "outdated": done.outdated}


def _only(wanted: Filter, *where: str) -> None:
    """Raises OutboxError where records are wanted from elsewhere."""
    if wanted.where not in (None, *where):
        raise OutboxError(
            f"this is for records that are {' or '.join(where)}, not {wanted.where}. Nothing was changed."
        )


def _acknowledge(outbox: Outbox) -> None:
    with outbox.transaction() as transaction:
        transaction.drop.add("damage")
