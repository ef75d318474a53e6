"""Whether the clock of a sender is one to go by. Pure.

A message that says a time that is over can be late, or its sender's clock is wrong: one message does not tell. Where
five messages in a row, each as it was said, come later than they say by nearly the same, it is by how much: no sender
takes longer than a minute and a bit each time, so more than that is a wrong clock. Less can be either. It is taken for
a delay, because then all that is told can be put right later, and it is said once. And what is news, but older than all
that is remembered of the line, cannot be put in its place whatever is the reason. Where a clock is wrong, the time of
arrival counts.
"""

from gateway.frozen import dataclass

MESSAGES = 5
"""So many messages in a row show that a clock is wrong."""
SAME = 30.0
"""What they are late by differs by so many seconds at most, and is more than that."""
DELAY = 75.0
"""So many seconds late can be messages of a sender that gathers, asks or is asked every minute."""
LONG = 900.0
"""A live message that is later than that, in seconds, and than all that is remembered, is no late one."""
CALM = 60.0
"""For so many seconds after its source was heard again a message can be of a backlog."""


@dataclass(frozen=True, slots=True)
class SenderClock:
    """What is known of the clock of one topic's sender: the newest time that was `said`, and by how much the last
    messages were late (`lags`).
    """

    said: float
    lags: tuple[float, ...] = ()

    @property
    def is_steady(self) -> bool:
        """Whether the last messages were late by nearly the same."""
        lags = self.lags
        return len(lags) == MESSAGES and min(lags) > SAME and max(lags) - min(lags) <= SAME

    @property
    def is_wrong(self) -> bool:
        """Whether that is more than a delay."""
        return self.is_steady and min(self.lags) > DELAY


def with_message(known: SenderClock | None, said: float, lag: float, *, is_live: bool) -> SenderClock:
    """What is known after a message that speaks of the time `said`, `lag` seconds after it. `is_live`: it came as it
    was said, for all that is known. An older message than one before tells nothing; one of a backlog tells that a wrong
    clock is wrong no more, where it is less late than that.
    """
    if known is None:
        return SenderClock(said, (lag,) if is_live else ())
    if said <= known.said:
        return known
    if is_live:
        return SenderClock(said, (*known.lags, lag)[-MESSAGES:])
    return SenderClock(said, known.lags if known.is_wrong and lag >= min(known.lags) - SAME else ())


def delay(lag: float) -> str:
    """What is said of a sender whose messages are late by nearly the same, and which settings are for that."""
    return (
        f"each message comes {lag:.0f} s late, so that what was told is corrected each time, which "
        "`scrap_yield: {wait: …}` saves; if it is the clock of the sender that is behind, write `clock_offset`"
    )


def problem(lag: float) -> str:
    """What is wrong, and which settings mend it."""
    return (
        f"the clock of the sender is {lag:.0f} s behind, so the time of arrival counts; if it always is, write "
        "`time: {field: …, zone: …}` or `clock_offset`"
    )
