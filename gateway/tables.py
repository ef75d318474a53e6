"""Keeps the tables current in which inputs are looked up, while the gateway runs.

A line's plan holds the tables as they were when it was compiled. When the file of one has changed all plans are compiled
again with what it holds now, and count from the next sample on.
"""

import asyncio
from collections.abc import Callable, Sequence

import structlog

from gateway.config.loader import Loaded
from gateway.config.lookups import Stamps, read_lookups, stamps
from gateway.errors import ConfigError, FaultyConfig
from gateway.mapping.compile import LinePlan, compile_lines

log = structlog.get_logger()

EVERY = 2.0
"""Seconds between two looks at the files. One that has changed is read when it has rested for this long."""


class Tables:
    """`wrong` says what is wrong with the tables as they are on the disk; as long as something is, those before count."""

    def __init__(self, loaded: Loaded) -> None:
        self._loaded = loaded
        self._lookups = loaded.lookups
        self.wrong: str | None = None

    async def run(self, follow: Callable[[Sequence[LinePlan]], None]) -> None:
        """Look at the files until cancelled; `follow` takes the new plans. Returns at once where there are no tables."""
        tables = self._loaded.config.tables
        seen: Stamps | None = None
        read: Stamps | None = None
        while tables:
            last, seen = seen, await asyncio.to_thread(stamps, tables)
            if seen == last and seen != read:
                read = seen
                plans = await asyncio.to_thread(self._read)
                if plans is not None:
                    follow(plans)
            await asyncio.sleep(EVERY)

    def _read(self) -> list[LinePlan] | None:
        """The plans with the tables as they are now; None where the tables are wrong or what they were."""
        config = self._loaded.config
        try:
            lookups = read_lookups(config.tables, self._loaded.where)
            plans = compile_lines(config.lines, lookups)
        except (ConfigError, FaultyConfig) as error:
            refused = error if isinstance(error, ConfigError) else self._loaded.error(error.faults)
            reason = "; ".join(map(str, refused.problems))
            log.error("tables_refused", reason=reason)  # noqa: TRY400 - the reason says it all
            self.wrong = f"A table is wrong, so what was read before counts: {reason}"
            return None
        self.wrong = None
        if lookups == self._lookups:
            return None
        self._lookups = lookups
        log.info("tables_read_again", rows={name: len(table.rows) for name, table in lookups.items()})
        return plans
