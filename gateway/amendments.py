"""What is changed in the memory of a line while it is mapped, by something else than what sources say."""

import asyncio
from collections import deque
from collections.abc import Callable, MutableMapping
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from gateway.committer import Committer
from gateway.mapping.line import LineState
from gateway.mapping.trail import Feed
from gateway.model import Notice, Record
from gateway.outbox.entries import Within
from gateway.sources.base import Arrival


class Changed(NamedTuple):
    """What is to be remembered of a line, what a person is told of that, and what Oden is."""

    state: LineState
    notices: tuple[Notice, ...] = ()
    records: tuple[Record, ...] = ()


Change = Callable[[LineState], Changed]
"""From what is remembered of a line to what is to be."""


class Amendments:
    """Changes that are asked for, and carried out between two batches. `poke` wakes who carries them out."""

    def __init__(self, poke: Callable[[], None]) -> None:
        self._poke = poke
        self._asked: deque[tuple[str, Change, Within, asyncio.Future[None]]] = deque()
        self._awaited = 0
        """Changes that are asked for and not stored yet."""

    def are_awaited(self) -> bool:
        """Whether a change is yet to be stored: what waits in the outbox may be waiting for it."""
        return self._awaited > 0

    async def make(self, line: str, change: Change, within: Within = ()) -> None:
        """Change what is remembered of the line with the key `line`, and take out what waits and is at Oden `within`
        other entries; returns once that is stored. What the line has heard before is never stepped again, where
        anything is changed. Of a line that is mapped no more nothing is remembered: only what waits of it is taken out.
        Raises what `change` raises."""
        stored = asyncio.get_running_loop().create_future()
        self._asked.append((line, change, within, stored))
        self._poke()
        self._awaited += 1
        try:
            await stored
        finally:
            self._awaited -= 1

    def carry_out(self, lines: MutableMapping[str, Feed], committer: Committer) -> None:
        """Carry out what is asked for, and hand it over to be stored at once."""
        while self._asked:
            line, change, within, stored = self._asked.popleft()
            known = lines.get(line)
            done = partial(_set, stored)
            try:
                changed = change(known.state if known is not None else LineState())
            except Exception as error:  # noqa: BLE001 - whoever asked for it gets it
                done(error)
                continue
            moved: dict[str, Feed] = {}
            if known is not None:
                if changed.state is not known.state or within:
                    lines[line] = replace(known, state=changed.state).begun_anew()
                moved = {line: lines[line]}
            arrivals = [Arrival("", done=done)]
            records, notices = (changed.records if moved else ()), changed.notices
            committer.take_over(arrivals, moved, records, notices, within=within, at_once=True)


def _set(stored: "asyncio.Future[None]", error: Exception | None = None) -> None:
    if stored.done():  # who asked has left
        return
    if error is None:
        stored.set_result(None)
    else:
        stored.set_exception(error)
