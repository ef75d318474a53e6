"""Whether the clock of a sender is one to go by. Pure.

A message that says a time that is over can be late, or its sender's clock is wrong: one message does not tell. Where
five messages in a row, each as it was said, come later than they say by nearly the same, it is by how much: no sender
takes longer than a minute and a bit each time, so more than that is a wrong clock. Less can be either. It is taken for
a delay, because then all that is told can be put right later, and it is said once. And what is news, but older than all
that is remembered of the line, is of a wrong clock unless what its sender says with it shows otherwise (`judged`):
it cannot be put in its place whatever is the reason. Where a clock is wrong, the time of arrival counts. A clock that
was set back says times that are older than others that it has said; so do messages that come late or again. Five in a
row of which each is newer than the one before, and that all are later by nearly the same and by more than such a
delay, are of a clock. Those of them that had been put where they said by then go to where they came (`taken_back`).

A time after its receipt proves that a clock is ahead, and by how much at least: that is taken off whatever the sender
says, so that its late messages come to their places too. A few seconds are believed at once. More could be a slip of
one message: until five in a row show the same, the time of arrival counts. What was learned is forgotten once the
messages show that the clock has been put right.
"""

from collections.abc import Mapping
from math import inf
from types import MappingProxyType

from gateway.frozen import dataclass, replace
from gateway.mapping.inputs import SOON
from gateway.mapping.streams import Stream

MESSAGES = 5
"""So many messages in a row show that a clock is wrong."""
SAME = 30.0
"""What they are late by differs by so many seconds at most, and is more than that."""
DELAY = 75.0
"""So many seconds late can be messages of a sender that gathers, asks or is asked every minute."""
LONG = 900.0
"""A live message that is later than that, in seconds, and than all that is remembered, is no late one, as far as it
says; and so long messages have to show that a clock that was ahead by a little has been put right."""
JITTER = 0.1
"""A message that is ahead by so many seconds more than is known shows nothing: the way here takes longer or shorter."""
PUT_RIGHT = 1.0
"""Live messages that are all ahead by so many seconds less than is known show that the clock has been put right, where
they are MESSAGES at least, over LONG."""
APART = 10.0
"""Messages that speak of times less apart count as one, where they are late by nearly the same: what a sender had kept
and sends at once is late by less and less, and MESSAGES of that differ by more than SAME."""
CALM = 60.0
"""For so many seconds after its source was heard again a message can be of a backlog."""


@dataclass(frozen=True, slots=True)
class SenderClock:
    """What is known of the clock of one topic's sender: the newest time that was `said`, by how much the last messages
    were late by it (`lags`; less than nothing: it was ahead), and by how much it is `ahead`. `less`: of the messages
    since the last that was ahead by that the first time, how many they are, and by how much one of them was at most.
    `counted`: the time of the last message of which `lags` is. `older`: the same of the last messages alone, of which
    the first was older than one before, should the clock have been set back: `since` the entry with that number. It
    `is_back` for certain where one of them said a total beyond that of a later time.
    """

    said: float
    lags: tuple[float, ...] = ()
    ahead: float = 0.0
    less: tuple[float, int, float] | None = None
    older: "SenderClock | None" = None
    counted: float = -inf
    since: int | None = None
    is_back: bool = False
    by: str = ""
    """How the times are read of which this is: what was learned by another setting says nothing."""
    of: tuple[str, ...] = ()
    """Of topics that have something in common, which were late by nearly the same in a row (`families`)."""

    @property
    def is_steady(self) -> bool:
        """Whether the last messages were late by nearly the same."""
        lags = self.lags
        return len(lags) == MESSAGES and min(lags) > SAME and max(lags) - min(lags) <= SAME

    @property
    def is_wrong(self) -> bool:
        """Whether that is more than a delay, or the clock was set back by it."""
        return self.is_steady and (self.is_back or min(self.lags) > DELAY)


def with_message(
    known: SenderClock | None, said: float, lag: float, *, is_live: bool, number: int = 0, beyond: int | None = None
) -> SenderClock:
    """What is known after a message that speaks of the time `said`, `lag` seconds after it. `is_live`: it came as it
    was said, for all that is known; after the entry with that `number`. An older message than one before tells nothing
    by itself; one of a backlog tells that a wrong clock is wrong no more, where it is less late than that. `beyond`:
    the total that it says, less that of the newest time, by its sign; None where it says none. What
    is late by nature says less than that, or the same.
    """
    if known is None:
        known = SenderClock(-inf)
    older = _with_older(known, said, lag, number, beyond) if is_live else None
    if older is not None and older.is_wrong and (older.is_back or beyond is None):
        return older
    if said <= known.said:
        return replace(known, older=older) if is_live and older is not known.older else known
    lags, counted = known.lags, known.counted
    if not is_live:
        lags = lags if known.is_wrong and lag >= min(lags) - SAME else ()
    else:
        lags, counted = with_lag(known, said, lag)
    is_back = known.is_back and bool(lags) and max(lags) - min(lags) <= SAME
    clock = SenderClock(said, lags, known.ahead, known.less, older, counted, known.since, is_back, known.by)
    return _with_lead(clock, -lag, is_live=is_live)


def with_lag(known: SenderClock, said: float, lag: float) -> tuple[tuple[float, ...], float]:
    """By how much the last messages were late with one more, and the time of the last that counts."""
    lags = known.lags
    is_first = not lags or lags[-1] <= SAME  # of those that are late
    if lag <= SAME or is_first or said - known.counted >= APART or abs(lag - lags[-1]) > SAME:
        return (*lags, lag)[-MESSAGES:], said
    return lags, known.counted


def _with_older(known: SenderClock, said: float, lag: float, number: int, beyond: int | None) -> SenderClock | None:
    """What is known after a live message should the clock have been set back, as an older one than one before shows,
    and those after it that are late by nearly the same."""
    back, is_back = known.older, beyond is not None and beyond > 0
    if beyond is not None and beyond < 0:
        return None
    if back is not None and said > back.said and abs(lag - back.lags[-1]) <= SAME:
        lags, counted = with_lag(back, said, lag)
        return replace(back, said=said, lags=lags, counted=counted, ahead=known.ahead, is_back=back.is_back or is_back)
    if said > known.said or lag <= SAME:
        return None
    return SenderClock(said, (lag,), known.ahead, counted=said, since=number, is_back=is_back, by=known.by)


def moved(known: SenderClock, by: float) -> SenderClock:
    """The same once our own clock was set by so many seconds, back where that is negative: the sender's is ahead of it
    by less, and its messages were later by it."""
    ahead = max(0.0, known.ahead - by) if known.ahead else 0.0
    return replace(known, lags=tuple(lag + by for lag in known.lags), ahead=ahead, less=None, older=None)


def _with_lead(clock: SenderClock, lead: float, *, is_live: bool) -> SenderClock:
    """What is known after a message that was ahead by `lead` seconds, of which `clock` knows all but that."""
    known, lags = clock.ahead, clock.lags
    if known + JITTER < lead <= max(SOON, known + SOON * (known > SOON)):
        return replace(clock, ahead=lead, less=None)
    if not is_live or lead < -SOON or not known + max(lead, 0.0):
        return clock
    if lead > SOON:
        least, most = -max(lags), -min(lags)
        is_so = len(lags) == MESSAGES and least > SOON and most - least <= SOON
        return replace(clock, ahead=most, less=None) if is_so and not least <= known <= most + JITTER else clock
    if known > 2 * SOON:
        return replace(clock, ahead=max(lead, 0.0), less=None)
    if lead >= known - PUT_RIGHT:
        return replace(clock, less=None)
    since, number, most = clock.less or (clock.said, 0, lead)
    number, most = number + 1, max(most, lead)
    if number >= MESSAGES and clock.said - since >= LONG:
        return replace(clock, ahead=max(most, 0.0), less=None)
    return replace(clock, less=(since, number, most))


def delay(lag: float) -> str:
    """What is said of a sender whose messages are late by nearly the same, and which settings are for that."""
    return (
        f"each message comes {lag:.0f} s late, so that what was told is corrected each time, which "
        "`scrap_yield: {wait: …}` saves; if it is the clock of the sender that is behind, write `clock_offset`"
    )


def lead(ahead: float) -> str:
    """What is said of a sender whose clock has turned out to be ahead, and which setting is for that."""
    return (
        f"the clock of the sender is {ahead:.0f} s ahead, which is taken off the times that it says; if it always is, "
        f"write `clock_offset: -{ahead:.0f}s`"
    )


def problem(lag: float) -> str:
    """What is wrong, and which settings mend it."""
    return (
        f"the clock of the sender is {lag:.0f} s behind, so the time of arrival counts; if it always is, write "
        "`time: {field: …, zone: …}` or `clock_offset`"
    )


Clocks = Mapping[Stream, SenderClock]
"""What is known of the clocks of those who send messages with times of their own, by what they send."""
NO_CLOCKS: Clocks = MappingProxyType({})
