"""Which faults are in force, and what they make of each request. Pure but for its own counts; seeded, without a clock.

The same faults, seed and requests (path, body, time) in the same order give the same decisions. A fault's chances are
its own: another fault that is added does not change them.
"""

import random
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from gateway.simulator.oden_body import read_json
from gateway.simulator.oden_faults import Decision, Fault
from gateway.simulator.oden_ids import shown
from gateway.simulator.oden_model import ENDPOINTS, Plant


@dataclass(slots=True)
class InForce:
    """One fault that was added: its number, and how many requests it struck so far."""

    number: int
    fault: Fault
    chances: random.Random = field(repr=False)
    struck: int = 0


class FaultPlan:
    """The faults of one stand-in. `plant` tells the ids of the lines that faults name."""

    def __init__(self, plant: Plant, seed: int = 0, faults: Iterable[Fault] = ()) -> None:
        self.in_force: dict[int, InForce] = {}
        """By number, in the order they were added; one that has struck as often as it may stays, with its count."""
        self.requests: Counter[str] = Counter()
        """How many requests came, by endpoint (`interval/set`; `other` for what is none)."""
        self._seed = seed
        self._added = 0
        self._lines: list[Any] = [shown(line.answer(), plant.ids) for line in plant.lines()]
        for fault in faults:
            self.add(fault)

    def add(self, fault: Fault) -> int:
        """Put `fault` in force, after those that are; gives its number, by which it can be removed."""
        self._added += 1
        chances = random.Random(f"{self._seed}/{self._added}")
        self.in_force[self._added] = InForce(self._added, fault, chances)
        return self._added

    def remove(self, number: int) -> bool:
        """End the fault `number`; False where there is none."""
        return self.in_force.pop(number, None) is not None

    def clear(self) -> None:
        """End all faults."""
        self.in_force.clear()

    def decide(self, path: str, body: bytes, now: float) -> Decision:
        """What becomes of a POST of `body` to `path` (`/v2/{object}/{action}`) that arrives at `now`, in seconds.

        Every latency that strikes counts; of the other faults the first that strikes decides.
        """
        endpoint = path.removeprefix("/v2/")
        self.requests[endpoint if path in ENDPOINTS else "other"] += 1
        delay, decided = 0.0, None
        for one in self.in_force.values():
            fault = one.fault
            if (decided is not None and not fault.only_slow) or not self._strikes(one, endpoint, body, now):
                continue
            one.struck += 1
            delay += one.chances.uniform(*fault.latency)
            if not fault.only_slow:
                decided = fault
        return Decision(delay) if decided is None else Decision(delay, decided.commit, decided.sees)

    def _strikes(self, one: InForce, endpoint: str, body: bytes, now: float) -> bool:
        fault = one.fault
        return (
            (fault.times is None or one.struck < fault.times)
            and fault.since <= now < fault.until
            and fnmatchcase(endpoint, fault.at)
            and (fault.holding is None or fault.holding.encode() in body)
            and (fault.line is None or self._names(fault.line, body))
            and (fault.chance >= 1 or one.chances.random() < fault.chance)
        )

    def _names(self, line: str, body: bytes) -> bool:
        """Whether a request is about `line`: its own, or that of the interval it belongs to."""
        try:
            value = read_json(body.decode())
        except ValueError:
            return False
        named = _at(value, "line") or _at(_at(value, "interval"), "line")
        if not isinstance(named, dict) or not named.keys() & {"id", "name"}:
            return False
        return any(line in {known["id"], known["name"]} for known in self._lines if _fits(named, known))


def _fits(named: dict[str, object], known: dict[str, object]) -> bool:
    """Whether `known`, a line as it is answered, can be the one that is `named`."""
    factory = named.get("factory")
    return all(key not in named or named[key] == known[key] for key in ("id", "name")) and (
        not isinstance(factory, dict) or _fits(factory, known["factory"])  # type: ignore[arg-type] # an object
    )


def _at(value: object, key: str) -> object:
    return value.get(key) if isinstance(value, dict) else None
