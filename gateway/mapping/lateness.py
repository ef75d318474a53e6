"""How late messages come by their own times, and what was corrected because of that: figures for a person, which take
the same room however many messages there are."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import ceil, log

from gateway.mapping.line import Step
from gateway.model import Output

WAITS = (10, 30, 60)
"""Seconds of `wait` of which is said what they would have saved."""
LEAST = 0.1
"""Delays up to so many seconds are one."""
RATIO = 1.1
"""Two delays that differ by less count as one."""


NOTABLE = 1.0
"""Seconds from which on it is worth words."""


@dataclass(frozen=True, slots=True)
class Lateness:
    """How late the messages of an input were, in seconds: half of them at most `p50`, 95 of 100 at most `p95`, all at
    most `worst`. `corrections` were made because one was, in which output was told anew in `requests`; by seconds of
    `wait` how many of these that would have `saved`.
    """

    messages: int
    p50: float
    p95: float
    worst: float
    corrections: int
    requests: int
    saved: Mapping[int, int]


@dataclass(slots=True)
class _Delays:
    """What was seen of one input: how many messages by the power of RATIO that their delays are at most of LEAST; the
    longest; and of each correction how late its message was, in the same way, and its requests."""

    seen: Counter[int] = field(default_factory=Counter)
    worst: float = 0.0
    corrections: int = 0
    requests: Counter[int] = field(default_factory=Counter)

    def figures(self) -> Lateness:
        saved = {wait: sum(n for place, n in self.requests.items() if place <= _place(wait)) for wait in WAITS}
        p50, p95 = (self._share(share) for share in (0.5, 0.95))
        requests = self.requests.total()
        return Lateness(self.seen.total(), p50, p95, self.worst, self.corrections, requests, saved)

    def _share(self, share: float) -> float:
        """The delay that so many of the messages had at the most."""
        left = share * self.seen.total()
        for place, number in sorted(self.seen.items()):
            left -= number
            if left <= 0:
                return min(LEAST * RATIO**place, self.worst)
        return self.worst


def _place(delay: float) -> int:
    return 0 if delay <= LEAST else ceil(log(delay / LEAST) / log(RATIO))


class LatenessLog:
    """What was seen of each line since the process started."""

    def __init__(self) -> None:
        self._lines: defaultdict[str, defaultdict[str, _Delays]] = defaultdict(lambda: defaultdict(_Delays))

    def add(self, line: str, result: Step) -> None:
        """Take in what a step of the line with the key `line` shows."""
        for name, delay in result.delays:
            known = self._lines[line][name]
            known.seen[_place(delay)] += 1
            known.worst = max(known.worst, delay)
        if not result.because:
            return
        because = next(iter(result.because.values()))
        outputs = [each for each in result.records if isinstance(each, Output) and each.key in result.because]
        known = self._lines[line][because.input]
        known.corrections += 1
        known.requests[_place(because.delay)] += len(outputs)

    def of(self, line: str) -> dict[str, Lateness]:
        """By input, of the line with the key `line`: of those that messages with times of their own have come of."""
        return {
            name: known.figures()
            for name, known in self._lines[line].items()
            if known.seen or (name and known.corrections)  # what a source had kept is of no one input
        }

    def corrections(self, line: str) -> int:
        """How often what was told of the line was corrected."""
        return sum(known.corrections for known in self._lines[line].values())

    def sentences(self, line: str) -> Iterator[str]:
        """The figures of a line in words, of inputs that were late at all."""
        yield from (f"{name}: {in_words(known)}" for name, known in self.of(line).items() if known.worst >= NOTABLE)


def in_words(known: Lateness) -> str:
    """The figures of one input, as a sentence."""
    text = (
        f"half of {known.messages:,} messages came at most {known.p50:.1f} s late, 95 of 100 at most "
        f"{known.p95:.1f} s, all at most {known.worst:.1f} s"
    )
    if not known.corrections:
        return f"{text}; nothing had to be corrected"
    saved = ", ".join(f"{wait} s {number:,}" for wait, number in known.saved.items())
    times = "once" if known.corrections == 1 else f"{known.corrections:,} times"
    anew = f"corrected {times}, with {known.requests:,} requests for output"
    return f"{text}; {anew}, of which a wait would have saved: {saved}"
