"""What a message is one of: its topic, where each text of a level with a name makes one by itself, since others can
send there, with clocks of their own; and what several topics have in common, which can be their sender. Pure.
"""

from functools import lru_cache
from itertools import combinations

from gateway.config.addresses import named_levels
from gateway.mapping.values import scalar, text
from gateway.model import Sample

Stream = tuple[str, str]
"""A source and a topic of it."""

ANY = "+"
"""A level that is not the same for all topics that have the others in common."""
MOST_LEVELS = 3
"""Levels with names of which each few can be what changes; of more, each by itself, or all."""


def stream_of(sample: Sample) -> Stream:
    """What the message is one of."""
    address = sample.address
    if not _has_names(address) or not isinstance(sample.value, dict):
        return sample.source, address
    said = sample.value
    levels = (text(scalar(said.get(level[1:]))) if level[:1] == "+" else level for level in address.split("/"))
    return sample.source, "/".join(levels)


def families_of(address: str, stream: Stream) -> tuple[Stream, ...]:
    """What the stream, of messages of an input's `address`, has in common with others of it: what is said there where
    some of the levels with names change, as the number of an order. Those with most in common come first."""
    return _families(address, stream) if _has_names(address) else ()


@lru_cache(maxsize=1024)
def _families(address: str, stream: Stream) -> tuple[Stream, ...]:
    source, topic = stream
    levels = topic.split("/")
    if len(levels) != address.count("/") + 1:  # a text with a slash is of no topic
        return ()
    named = [place for place, level in enumerate(address.split("/")) if level[:1] == "+"]
    sizes = range(1, len(named) + 1) if len(named) <= MOST_LEVELS else (1, len(named))
    return tuple(
        (source, "/".join(ANY if place in changing else level for place, level in enumerate(levels)))
        for size in sizes
        for changing in combinations(named, size)
    )


@lru_cache(maxsize=4096)
def _has_names(address: str) -> bool:
    return bool(named_levels(address))
