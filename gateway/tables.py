"""Keeps the tables current in which inputs are looked up, while the gateway runs.

A line's plan holds the tables as they were when it was compiled. When the file of a table has changed, all plans are
compiled again with what it holds now; the new plans count from the next sample on.

A table may lie on a share whose server is gone: then reading it takes for ever, and nothing can interrupt that. So
files are read in a thread that the process does not wait for, one at a time, while the loop turns on and says what it
waits for.
"""

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import TypeVar

import structlog

from gateway.clock import Clock
from gateway.config.loader import Loaded
from gateway.config.lookups import Stamps, read_lookups, stamps
from gateway.errors import ConfigError, InvalidConfig
from gateway.health import Condition
from gateway.mapping.compile import LinePlan, compile_lines
from gateway.model import Lookups

log = structlog.get_logger()

T = TypeVar("T")

EVERY = 2.0
"""Seconds between two looks at the files. One that has changed is read when it has rested for this long."""
PATIENT = 20.0
"""Seconds after which a disk that does not answer is a problem."""


class Tables:
    """The tables as they were last read without a fault: while the files are wrong, those count."""

    def __init__(self, loaded: Loaded, clock: Clock) -> None:
        self._loaded = loaded
        self._clock = clock
        self._lookups = loaded.lookups
        self._wrong: str | None = None
        self._asked_at: float | None = None
        """Since when the disk has not answered."""
        self.turned_at = clock.monotonic()

    @property
    def lookups(self) -> Lookups:
        """What the plans have at present."""
        return self._lookups

    async def run(self, follow: Callable[[Sequence[LinePlan]], None]) -> None:
        """Look at the files until cancelled; `follow` takes the new plans."""
        tables = self._loaded.config.tables
        seen: Stamps | None = None
        read: Stamps | None = None
        while True:
            last, seen = seen, await self._from_disk(lambda: stamps(tables))
            if seen == last and seen != read:
                read = seen
                plans = await self._from_disk(self._read)
                if plans is not None:
                    follow(plans)
            self.turned_at = self._clock.monotonic()
            await asyncio.sleep(EVERY)

    def conditions(self) -> list[Condition]:
        """What is wrong with the tables at present."""
        if self._asked_at is not None and self._clock.monotonic() - self._asked_at > PATIENT:
            text = "The disk of a table does not answer, so what was read before counts."
            return [Condition("table_wrong", "", text)]
        return [Condition("table_wrong", "", self._wrong)] if self._wrong else []

    async def _from_disk(self, call: Callable[[], T]) -> T:
        """The result of `call`, which reads files; turns meanwhile, however long the disk takes."""
        outcome: Future[T] = Future()

        def read() -> None:
            try:
                outcome.set_result(call())
            except Exception as error:  # noqa: BLE001 - it is raised where the answer is waited for
                outcome.set_exception(error)

        self._asked_at = self._clock.monotonic()
        threading.Thread(target=read, name="tables", daemon=True).start()
        result = asyncio.wrap_future(outcome)
        while not result.done():
            self.turned_at = self._clock.monotonic()
            await asyncio.wait({result}, timeout=EVERY)
        self._asked_at = None
        return result.result()

    def _read(self) -> list[LinePlan] | None:
        """The plans with the tables as they are now; None where the tables are wrong or what they were."""
        config = self._loaded.config
        try:
            lookups = read_lookups(config.tables, self._loaded.where)
            plans = compile_lines(config.lines, lookups, config.keepers, self._loaded.schemas, config.watching)
        except (ConfigError, InvalidConfig) as error:
            refused = error if isinstance(error, ConfigError) else self._loaded.error(error.faults)
            reason = "; ".join(map(str, refused.diagnostics))
            log.error("tables_refused", reason=reason)  # noqa: TRY400 - the reason says it all
            self._wrong = f"A table is wrong, so what was read before counts: {reason}"
            return None
        self._wrong = None
        if lookups == self._lookups:
            return None
        self._lookups = lookups
        log.info("tables_read_again", rows={name: len(table.rows) for name, table in lookups.items()})
        return plans
