"""What of the page has changed."""

import json
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.status.snapshot import Snapshot, StateStatus
from gateway.status.stream import BURST, EVERY, RATE, SLOWLY, Parts, Telling, changes, followed, parts_of

PARTS = st.dictionaries(
    st.sampled_from("abc"),
    st.dictionaries(st.sampled_from(["run", "state", "waiting", "bytes"]), st.none() | st.integers(0, 2), min_size=1),
)


def filled(parts: Any) -> Parts:
    """Parts that all have the same fields, as those of a kind have."""
    return {name: {**dict.fromkeys(("run", "state", "waiting", "bytes")), **part} for name, part in parts.items()}


@given(before=PARTS, now=PARTS)
def test_who_follows_knows_what_is(before: Any, now: Any) -> None:
    """With all changes a page knows exactly what is; without the slow ones, all but numbers that moved alone."""
    was, is_now = filled(before), filled(now)
    assert followed(was, changes(was, is_now, slow=True)) == is_now
    quick = followed(was, changes(was, is_now, slow=False))
    assert quick.keys() == is_now.keys()
    for name, part in is_now.items():
        assert (quick[name]["run"], quick[name]["state"]) == (part["run"], part["state"])
    assert followed(quick, changes(quick, is_now, slow=True)) == is_now


def test_a_plant_at_work_costs_little(picture: Snapshot) -> None:
    """An open page of forty lines that count all the time, each with a state a minute, takes under 50 MB a day, also
    unpacked: what is sent is less, and has a bound whatever changes."""
    line, state = replace(picture.lines[0], inputs={}), StateStatus("Uptime", None, picture.now)
    size, known = 0, parts_of(picture)
    minute = 60.0
    for turn in range(int(minute / EVERY)):
        at = picture.now + turn * EVERY
        lines = tuple(
            replace(
                line,
                key=f"Factory A/Line {number}",
                waiting=turn % 7,
                without_run={"good": turn * 13},
                state=replace(state, since=picture.now + (30 if turn * EVERY > number else 0)),
            )
            for number in range(40)
        )
        sources = tuple(replace(source, last_sample_at=at, samples={"good": turn * 800}) for source in picture.sources)
        shown = parts_of(replace(picture, now=at, lines=lines, sources=sources))
        changed = changes(known, shown, slow=turn * EVERY % SLOWLY == 0)
        known = followed(known, changed)
        size += len(json.dumps({"now": at, "parts": changed})) if turn else 0
    assert size * 1440 < 50e6


PATIENCE = 30.0
"""Seconds of silence after which the page takes the gateway for gone: PATIENCE of page.js."""


@given(st.lists(st.integers(0, 60_000), min_size=1, max_size=300), st.sampled_from([0.0, 40_000.0]))
def test_whatever_changes_an_open_page_has_a_bound(sizes: list[int], first: float) -> None:
    """No more than RATE on the average and BURST at once, beyond the one message that exceeds it; never silent for
    long; and once there is room again all of it is known."""
    telling, sent, said_at = Telling(), 0, first
    known: Parts = {}
    now, shown = first, dict[str, Any]()
    for turn, size in enumerate([*sizes, *[0] * int((sum(sizes) / RATE + SLOWLY) / EVERY + 1)]):
        now = first + turn * EVERY
        if turn < len(sizes):
            shown = {"line": {"state": turn}, "outbox": {"bytes": turn}}
        told = telling.due(shown, now)
        if told is not None:
            assert now - said_at < PATIENCE
            said_at, known = now, followed(known, told)
            bytes_of = size if told else 30
            telling.spent(bytes_of)
            sent += bytes_of
            assert sent <= BURST + max(sizes) + (RATE + 30 / SLOWLY) * (now - first) + 30
    assert known == shown
