"""What is known of the clocks of senders as rows beside the state of their line: it holds over restarts, and whatever
becomes of what the line has heard, by which its late messages are put in their places. Pure.

A row is written where what was learned has changed. That a sender whose clock is right has said something newer is
written once a minute: the rest of it is what the line has heard.
"""

import json
from collections.abc import Mapping
from math import inf
from typing import Any

from pydantic import TypeAdapter

from gateway.frozen import replace
from gateway.mapping.clocks import SAME, SenderClock
from gateway.mapping.inputs import SOON
from gateway.mapping.streams import Stream

ROW = "clock "
"""What the names of the rows begin with; a source and a topic follow."""
SELDOM = 60.0
"""Seconds by which the newest time that is stored can be older than what was said, where nothing else has changed."""
_CLOCK: TypeAdapter[Any] = TypeAdapter(SenderClock)


def row_of(stream: Stream) -> str:
    """The name of the row of a sender's clock."""
    return ROW + json.dumps(stream, separators=(",", ":"), ensure_ascii=True)


def clock_text(clock: SenderClock) -> str:
    """What is stored of a clock."""
    return str(_CLOCK.dump_json(_kept(clock), exclude_defaults=True).decode())


def is_stored(clock: SenderClock, stored: SenderClock | None) -> bool:
    """Whether nothing of a clock is to be stored anew, of which this is `stored`."""
    if stored is None or clock.said - stored.said >= SELDOM or clock.said < stored.said:
        return False
    return replace(_kept(clock), said=0.0) == replace(_kept(stored), said=0.0)


def clocks_in(rows: Mapping[str, str]) -> dict[Stream, SenderClock]:
    """The clocks of which rows are stored; a row that is none is as one that is not there."""
    clocks = dict[Stream, SenderClock]()
    for name, text in rows.items():
        if name.startswith(ROW):
            try:
                source, topic = json.loads(name.removeprefix(ROW))
                clocks[str(source), str(topic)] = _CLOCK.validate_json(text)
            except ValueError:
                continue
    return clocks


def _kept(clock: SenderClock) -> SenderClock:
    """What of a clock is worth being kept: by how much its messages were late is nothing where that is little."""
    if all(-SOON <= lag <= SAME for lag in clock.lags):
        return replace(clock, lags=(), counted=-inf, of=())
    return clock
