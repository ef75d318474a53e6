"""Notices of one commit, of which those that say the same again are told by their number. Pure.

A sender that is wrong can make thousands of rejects a second; each as a row of its own would keep the others waiting.
"""

import re
from collections.abc import Iterable

from gateway.frozen import replace
from gateway.model import Notice

SAME = 3
"""So many notices that differ in numbers and quoted values alone are kept as they are."""

_VALUES = re.compile(r"'[^']*'|\"[^\"]*\"|[0-9]+")


def fewer(notices: Iterable[Notice]) -> tuple[Notice, ...]:
    """`notices` in their order, of each kind, source, address and wording the first SAME, the last of which says how
    many more there were. Gaps and losses are all kept: each is a time of its own."""
    kept: list[Notice] = []
    alike: dict[tuple[str, ...], list[int]] = {}
    more: dict[int, int] = {}
    for notice in notices:
        if notice.kind != "reject":
            kept.append(notice)
            continue
        key = notice.source, notice.address, _VALUES.sub("#", notice.text)
        places = alike.setdefault(key, [])
        if len(places) < SAME:
            places.append(len(kept))
            kept.append(notice)
        else:
            more[places[-1]] = more.get(places[-1], 0) + 1
    for place, number in more.items():
        last = kept[place]
        kept[place] = replace(last, text=f"{last.text} ({number:,} more like it)", count=last.count + number)
    return tuple(kept)
