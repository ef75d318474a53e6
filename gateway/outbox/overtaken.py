"""Settings that Oden refused, and what was said of the same thing later.

A dead letter of a setting keeps only what nothing later says anew: sending it once more takes nothing back. Where nothing is
left of it, it is one no more, and is counted as outdated.
"""

from collections.abc import Hashable
from dataclasses import replace
from typing import Protocol

from gateway.model import Setting
from gateway.outbox import merge
from gateway.outbox.entries import DEAD_LETTER, Totals
from gateway.outbox.lanes import DEAD


class Change(Protocol):
    """What is needed of a change to the outbox."""

    put: dict[str, str]
    totals: Totals

    def newest(self, name: str, kind: Hashable) -> int | None: ...

    def newest_setting(self, setting: Setting) -> Setting | None: ...

    def text(self, name: str, position: int) -> str | None: ...

    def take(self, name: str, position: int) -> None: ...


def subject_of_any_line(setting: Setting) -> Hashable:
    """What settings of one thing of one line have in common."""
    return setting.line, merge.subject(setting)


def overtake(change: Change, later: Setting) -> None:
    """`later` is appended: the dead letter that speaks of the same thing, where there is one, keeps what that does not say."""
    at = change.newest(DEAD, subject_of_any_line(later))
    text = None if at is None else change.text(DEAD, at)
    letter = DEAD_LETTER.validate_json(text) if text else None
    if at is None or letter is None or not isinstance(letter.record, Setting):
        return
    left = merge.unsaid(letter.record, later)
    if left is not None:
        change.put[f"record/{DEAD}/{at}"] = DEAD_LETTER.dump_json(replace(letter, record=left)).decode()
    else:
        change.take(DEAD, at)
        change.totals.outdated += 1


def still_said(change: Change, refused: Setting) -> Setting | None:
    """What of a setting that is about to be a dead letter is not said anew by one that waits; None where that is nothing."""
    waiting = change.newest_setting(refused)
    return refused if waiting is None else merge.unsaid(refused, waiting)
