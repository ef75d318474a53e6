"""What the topics of one sender show of its clock together, where each order, say, has a topic of its own. Pure.

What changes in a topic can be what its sender speaks of, or which of several senders speaks: nobody says. So what was
learned is of its topic (`clocks`), and one of which nothing is known yet begins with what others show that have the
rest of their levels in common with it: where all messages in a row of two of these at least, five or more, were late by
nearly the same, or ahead, and its own first message is so too. A topic that says otherwise has a clock of its own from
then on.
"""

from collections.abc import Iterable, Mapping
from math import inf

from gateway.frozen import replace
from gateway.mapping.clocks import MESSAGES, SAME, SenderClock, with_lag
from gateway.mapping.inputs import SOON
from gateway.mapping.streams import Stream

TOPICS = 2
"""So many topics at least show what all of their kind have in common."""


def shared(clocks: Mapping[Stream, SenderClock], families: Iterable[Stream], lag: float, by: str) -> SenderClock | None:
    """What is known of the clock of a topic before its first message, which comes `lag` seconds later than it says."""
    for family in families:
        known = clocks.get(family)
        if known is None or known.by != by or len(known.lags) < MESSAGES or len(known.of) < TOPICS:
            continue
        least, most = min(*known.lags, lag), max(*known.lags, lag)
        if known.is_steady and most - least <= SAME:
            return SenderClock(-inf, known.lags, by=by)
        if most < -SOON and most - least <= SOON:
            return SenderClock(-inf, ahead=-min(known.lags), by=by)
    return None


def with_member(family: SenderClock | None, topic: str, said: float, lag: float, by: str) -> SenderClock:
    """What is known of topics that have something in common, after a live message of one of them that speaks of the
    time `said`, `lag` seconds after it. An older one than any before tells nothing."""
    known = family if family is not None and family.by == by else SenderClock(-inf, by=by)
    if said <= known.said:
        return known
    lags, counted = with_lag(known, said, lag)
    agree = max(lags) - min(lags) <= SAME
    of = (*(other for other in known.of if agree and other != topic), topic)[-MESSAGES:]
    return replace(known, said=said, lags=lags, counted=counted, of=of)
