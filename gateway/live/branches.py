"""Of what a source has, the part that is one machine, where there are several that differ by their number. Pure."""

import re
from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from gateway.live.findings import alike
from gateway.live.offer import Offer

_NUMBER = re.compile(r"\d+")
_SHARE = 0.5
"""Machines hold at least this part of what a source has: zones of one machine, which are numbered too, hold less."""


class Branch(NamedTuple):
    """What one machine has of what was found. `name` is what it is called, `others` are the names of those like it;
    without those, all that was found is one machine."""

    offers: Sequence[Offer]
    name: str = ""
    others: Sequence[str] = ()


def one_branch(offers: Sequence[Offer], favoured: Collection[str] = ()) -> Branch:
    """The first machine, or that which is called like one of `favoured` but for capitals, signs and leading zeros."""
    for above, members in _numbered(offers):
        held = [offer for offer in offers if offer.path[: len(above)] == above and _at(offer, above) in members]
        if len(members) < 2 or len(held) < _SHARE * len(offers):
            continue
        wanted = {alike(each) for each in favoured}
        name = next((each for each in members if alike(each) in wanted), members[0])
        kept = [offer for offer in offers if offer not in held or _at(offer, above) == name]
        return Branch(kept, name, [each for each in members if each != name])
    return Branch(offers)


def _at(offer: Offer, above: tuple[str, ...]) -> str:
    """What stands in its path below `above`; empty where that is the value itself."""
    return offer.path[len(above)] if len(offer.path) > len(above) + 1 else ""


def _where(offer: Offer) -> Sequence[str]:
    """What it stands in. What is in one message is of one machine, however its parts are numbered."""
    return offer.path[: offer.keys["topic"].count("/") + 1] if "field" in offer.keys else offer.path[:-1]


def _numbered(offers: Sequence[Offer]) -> Iterator[tuple[tuple[str, ...], Sequence[str]]]:
    """Names that differ by their number alone and have something in common below them, with what stands above them;
    those nearest to the root first."""
    groups: dict[tuple[tuple[str, ...], str], dict[str, set[tuple[str, ...]]]] = {}
    for offer in offers:
        for place, name in enumerate(_where(offer)):
            if _NUMBER.search(name):
                members = groups.setdefault((offer.path[:place], _NUMBER.sub("#", name)), {})
                members.setdefault(name, set()).add(offer.path[place + 1 :])
    for (above, _), members in sorted(groups.items(), key=lambda group: len(group[0][0])):
        first = next(iter(members.values()))
        yield above, [name for name, below in members.items() if first & below]
