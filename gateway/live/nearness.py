"""What is like a name that is not there: as people write the same thing in different ways. Pure."""

import re
from collections.abc import Collection, Iterable
from difflib import get_close_matches

MOST_COMPARED = 2_000
"""Topics that are compared with one that is silent."""
MOST_NEAR = 3


def alike(name: str) -> str:
    """`name` without what people write in different ways: capitals, spaces, and zeros before a number."""
    return re.sub(r"\W|_|(?<!\d)0+(?=\d)", "", name.casefold())


def near_topics(wanted: str, topics: Iterable[str]) -> list[str]:
    """Those of `topics` that are most like the topic filter `wanted`: with a level in common, and alike as a whole."""
    levels = {alike(level) for level in wanted.split("/")} - {""}
    candidates: dict[str, str] = {}
    for topic in topics:
        if len(candidates) < MOST_COMPARED and any(alike(level) in levels for level in topic.split("/")):
            candidates.setdefault(_plain(topic), topic)
    return [candidates[near] for near in get_close_matches(_plain(wanted), candidates, n=MOST_NEAR)]


def nearest_name(name: str, known: Collection[str]) -> str | None:
    """The one of `known` that is most like `name`, if any is."""
    same = (each for each in sorted(known) if alike(each) == alike(name))
    return next(same, None) or next(iter(get_close_matches(name, sorted(known), n=1, cutoff=0.5)), None)


def _plain(topic: str) -> str:
    return "/".join(alike(level) for level in topic.split("/"))
