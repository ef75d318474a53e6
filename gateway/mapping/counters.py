"""What a running count says: how many since it was last seen.

A PLC's counter grows, rolls over at its width, and is reset by people and programs. The gateway sees it only now and
then, so each rule here is about two sightings and the time between them. All is in the numbers that the PLC shows.
"""

from dataclasses import dataclass

from gateway.config.schema_io import Counter
from gateway.mapping.values import DECIMALS, Number, whole

JITTER = 1.0
"""Seconds added to the time between two sightings before a rate is called implausible: sampling is not exact."""


@dataclass(frozen=True, slots=True)
class CounterDelta:
    """What was counted between two sightings; `gap` says what is doubtful about it, as a sentence."""

    amount: Number
    gap: str | None = None


def refusal(counter: Counter, value: Number) -> str | None:
    """Why this counter cannot show `value`, as the end of a sentence; None where it can."""
    if value < 0 and (counter.backwards != "count" or counter.rollover is not None):
        return "is negative, which a counter never is"
    if counter.rollover is not None and value >= counter.rollover:
        return f"is not below the counter's rollover of {counter.rollover}"
    return None


def delta(
    counter: Counter, last: Number, value: Number, elapsed: float, *, watched: bool, restarted: bool = False
) -> CounterDelta:
    """How far the counter came from `last` to `value` in `elapsed` seconds, in which it was `watched` or not.

    `restarted`: what it starts again with has changed in between, and nobody watched. Forwards: by the difference.
    Backwards: over its rollover where that is plausible, else it was set back, which means what its `backwards` says.
    With a `max_rate` a move is plausible up to that rate. Where it was not watched for long enough for a whole turn,
    how many turns there were cannot be told and the shortest way is counted.
    """
    elapsed = max(elapsed, 0.0)
    most = None if counter.max_rate is None else counter.max_rate * (elapsed + JITTER) + 1
    if restarted:
        return _plausible(counter, last, value, value, most, elapsed)
    amount = _difference(counter, last, value, most)
    if amount is None:
        return _on_reset(counter, last, value, most)
    if counter.max_rate is not None and counter.rollover is not None and not watched:
        turn = counter.rollover / counter.max_rate
        if elapsed > turn:
            return CounterDelta(
                amount, f"was not seen for {elapsed:.0f} s, long enough for a whole turn: {displayed(amount)} counted"
            )
    return _plausible(counter, last, value, amount, most, elapsed)


def _difference(counter: Counter, last: Number, value: Number, most: float | None) -> Number | None:
    """The difference, or the way over the rollover where that is meant; None where the counter was set back."""
    ahead, rollover = value - last, counter.rollover
    if counter.backwards == "count":
        if rollover is None or abs(ahead) * 2 <= rollover:
            return ahead
        return ahead - rollover if ahead > 0 else ahead + rollover
    if ahead >= 0:
        return ahead
    over = None if rollover is None else value + rollover - last
    return None if over is None or over < 0 or (most is not None and over > most) else over


def _on_reset(counter: Counter, last: Number, value: Number, most: float | None) -> CounterDelta:
    """It shows less than before, and that is no rollover."""
    went = f"went from {last} to {value}: "
    if counter.backwards == "ignore":
        return CounterDelta(0, f"{went}set to another value, nothing counted")
    if most is not None and value > most:
        return CounterDelta(0, f"{went}not a reset to zero, for so many cannot have been made since; nothing counted")
    return CounterDelta(
        value, None if counter.restarts_with is not None else f"{went}taken as a reset, {value} counted"
    )


def _plausible(
    counter: Counter, last: Number, value: Number, amount: Number, most: float | None, elapsed: float
) -> CounterDelta:
    if most is None or abs(amount) <= most:
        return CounterDelta(amount)
    went = f"went from {last} to {value} in {elapsed:.1f} s, faster than its max_rate: "
    return (
        CounterDelta(0, went + "not counted")
        if counter.too_fast == "ignore"
        else CounterDelta(amount, went + "counted")
    )


def displayed(amount: Number) -> Number:
    """The amount as a person would write it: what floats cannot hold is hidden."""
    return whole(round(amount, DECIMALS))
