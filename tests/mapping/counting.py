"""Counters for tests, and what they count."""

from itertools import pairwise
from typing import Any

from pydantic import TypeAdapter

from gateway.config.schema_io import Counter
from gateway.mapping.counters import NOTHING_KNOWN, CounterMemory, delta

MEMORIES = TypeAdapter(CounterMemory)


def counter(rollover: int | None = None, rate: str | None = None) -> Counter:
    return Counter.model_validate({"rollover": rollover, **({"max_rate": rate} if rate else {})})


def policy(**given: Any) -> Counter:
    return Counter.model_validate(given)


def as_kept(memory: CounterMemory) -> CounterMemory:
    """What a gateway knows that was started again: what was written."""
    return MEMORIES.validate_json(MEMORIES.dump_json(memory))


def counted(
    spec: Counter, shown: list[float], seconds: float = 1.0, *, watched: bool = True
) -> tuple[float, list[str]]:
    """What a counter that shows these values one after the other has counted, and the gaps that are listed."""
    total: float = 0
    gaps: list[str] = []
    memory = NOTHING_KNOWN
    for last, value in pairwise(shown):
        move = delta(spec, last, value, seconds, watched=watched, memory=memory)
        total, memory = total + move.amount, as_kept(move.memory)
        gaps += [move.gap] if move.gap is not None else []
    return total, gaps
