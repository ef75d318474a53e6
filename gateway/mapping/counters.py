"""What a running count says: how many since it was last seen.

A PLC's counter grows, rolls over at its width, and is reset by people and programs. The gateway sees it only
now and then, so each rule here is about two sightings and the time between them.
"""

from dataclasses import dataclass

from gateway.config.schema import Counter
from gateway.mapping.values import Number

JITTER = 1.0
"""Seconds added to the time between two sightings before a rate is called implausible: sampling is not exact."""


@dataclass(frozen=True, slots=True)
class Move:
    """What was counted between two sightings; `gap` says what is doubtful about it, as a sentence."""

    amount: Number
    gap: str | None = None


def refusal(counter: Counter, value: Number) -> str | None:
    """Why this counter cannot show `value`, as the end of a sentence; None where it can."""
    if value < 0:
        return "is negative, which a counter never is"
    if counter.rollover is not None:
        if isinstance(value, float):
            return "is not a whole number, which a counter with `rollover` always is"
        if value >= counter.rollover:
            return f"is not below the counter's rollover of {counter.rollover}"
    return None


def moved(counter: Counter, last: Number, value: Number, elapsed: float, *, watched: bool) -> Move:
    """How far the counter came from `last` to `value` in `elapsed` seconds, in which it was `watched` or not.

    Forwards: by the difference. Backwards: over its rollover where that is plausible, else it was reset and
    shows what was made since. With a `max_rate` a move is plausible up to that rate. Where it was not watched for
    long enough for a whole turn, how many turns there were cannot be told and the shortest way is counted.
    """
    rate, rollover = counter.max_rate, counter.rollover
    elapsed = max(elapsed, 0.0)
    most = None if rate is None else rate * (elapsed + JITTER) + 1
    if value >= last:
        amount, reset = value - last, False
    else:
        over = None if rollover is None else value + rollover - last
        reset = over is None or over < 0 or (most is not None and over > most)
        amount = value if reset or over is None else over
    if reset:
        return Move(amount, f"went from {last} to {value}: taken as a reset, {amount} counted")
    if not watched and rate is not None and rollover is not None and elapsed > rollover / rate:
        return Move(amount, f"was not seen for {elapsed:.0f} s, long enough for a whole turn: {amount} counted")
    if most is not None and amount > most:
        return Move(amount, f"went from {last} to {value} in {elapsed:.1f} s, faster than its max_rate: counted")
    return Move(amount)
