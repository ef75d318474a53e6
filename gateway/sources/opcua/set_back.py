"""A clock that was set back while it was listened to: what it says since is so much older than it is. Pure.

A server tells the changes of one item in their order, and sends the messages of a subscription in theirs. So a time
that goes back there is of no late value: the clock was set back that says it. By how much it is behind since, the
newest of what it says shows as it comes. Other tags are stamped by that clock too, as far as what they say can be of
it: a time that it had not shown yet, or no more, is of another clock, or of before.
"""

from collections.abc import Iterable

STEP = 1.0
"""By so many seconds a time can go back without a clock that was set, and so little is a right clock."""

Teller = str | int
"""A tag, or the number of a subscription, whose messages say when they were published."""


class SetBack:
    """What is known of it, over all sessions with one server. Times are seconds since 1970."""

    def __init__(self) -> None:
        self.behind = 0.0
        """Seconds; 0: no clock is known to be."""
        self._counts = 0.0
        """What is added to the times that came last: of a clock that was put right meanwhile, what it was behind."""
        self._since = 0.0
        """What the clock showed when it was set back."""
        self._shown_by: set[Teller] = set()
        """Who says its time."""
        self._said: dict[Teller, float] = {}
        """What each said last."""
        self.stepping: set[Teller] = set()
        """Who says times in the response that is read, of which what is next is of before the clock was set back."""
        self._published: float | None = None
        """When the last message of the sessions before was published."""

    def begins_anew(self) -> None:
        """There are other items, and what one says first can be older than what was told before; not so messages."""
        messages = [at for teller, at in self._said.items() if isinstance(teller, int)]
        self._published = max(messages, default=self._published)
        self._said.clear()

    def moved(self, by: float) -> None:
        """Our own clock was set by so many seconds, back where that is negative."""
        if self.behind:
            self.behind += by
            self._counts = self._forget_what_is_right()

    def said(self, times: Iterable[tuple[Teller, float]], now: float) -> None:
        """One response, which came `now`: who said which time, in its order."""
        said, was_behind = self._said, self.behind
        self.stepping.clear()
        for teller, at in times:
            before = said.get(teller, self._published if isinstance(teller, int) else None)
            said[teller] = at
            if before is not None and at < before - STEP:
                is_new = not self.behind or teller in self._shown_by
                self.behind = now - at if is_new else min(self.behind, now - at)
                self._since = at - STEP
                self._shown_by.add(teller)
                self.stepping.add(teller)
            elif self.behind and now - at < self.behind and teller in self._shown_by:
                self.behind = now - at
        self._counts = self._forget_what_is_right() or was_behind

    def passes(self, teller: Teller, before: float, at: float) -> None:
        """A time of the response is next which `teller` says, after another."""
        if at < before - STEP:
            self.stepping.discard(teller)

    def ahead(self, at: float, now: float, teller: Teller = "") -> float | None:
        """By how much a time that came `now` is ahead, less than nothing, where it is one of that clock; else None."""
        is_of_it = self._counts and self._since <= at <= now - self._counts + STEP and teller not in self.stepping
        return -self._counts if is_of_it else None

    def _forget_what_is_right(self) -> float:
        """What it is behind."""
        if self.behind <= STEP:
            self.behind = 0.0
            self._shown_by.clear()
        return self.behind
