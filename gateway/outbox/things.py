"""Things that settings speak of: what waits of each, and what of it was refused. A row of each, while there is either.

Of one thing one setting waits that no attempt carries: what is said later is merged into it. A dead letter keeps only what nothing
later says anew, so that sending it once more takes nothing back; where nothing is left of it, it is one no more, and is counted as
outdated.
"""

import hashlib
import json
from dataclasses import replace
from typing import Protocol

from gateway.model import Setting
from gateway.outbox import merge
from gateway.outbox.entries import DEAD_LETTER, DeadLetter, Thing, Totals
from gateway.outbox.kept import Kept, kept
from gateway.outbox.lanes import DEAD, lane_of


class Change(Protocol):
    """What is needed of a change to the outbox."""

    put: dict[str, str]
    totals: Totals

    def thing(self, setting: Setting) -> Thing: ...

    def text(self, name: str, position: int) -> str | None: ...

    def take(self, name: str, position: int) -> None: ...

    def rewrite(self, name: str, position: int, one: Kept) -> None: ...


def key_of(setting: Setting) -> str:
    """The key of the row of what `setting` speaks of on its line."""
    words = json.dumps([setting.line, setting.type, setting.about], sort_keys=True)
    return f"thing/{hashlib.blake2b(words.encode(), digest_size=16).hexdigest()}"


def merged(change: Change, setting: Setting, *, again: bool) -> bool:
    """Add a setting to what waits of the same thing, where something does; `again`: that is later than it."""
    at, other = change.thing(setting).at, _waiting(change, setting)
    if at is None or other is None:
        return False
    older, later = (setting, other) if again else (other, setting)
    change.rewrite(lane_of(setting), at, Kept(replace(other, fields=merge.into_setting(older, later).fields)))
    return True


def overtake(change: Change, later: Setting) -> None:
    """`later` is appended: dead letters that speak of the same thing keep what that does not say."""
    thing, refused = change.thing(later), []
    for at in thing.refused:
        text = change.text(DEAD, at)
        letter = DEAD_LETTER.validate_json(text) if text else None
        if letter is None or not isinstance(letter.record, Setting):
            continue
        left = merge.unsaid(letter.record, later)
        if left is not None:
            change.put[f"record/{DEAD}/{at}"] = DEAD_LETTER.dump_json(replace(letter, record=left)).decode()
            refused.append(at)
        else:
            change.take(DEAD, at)
            change.totals.outdated += 1
    thing.refused = refused


def still_said(change: Change, refused: Setting) -> Setting | None:
    """What of a setting that is about to be a dead letter is not said anew by one that waits; None where that is nothing."""
    waiting = _waiting(change, refused)
    return refused if waiting is None else merge.unsaid(refused, waiting)


def still_meant(record: Setting, letter: DeadLetter) -> Setting:
    """What a person has made of a setting, without what it said when it was refused and later ones say differently."""
    refused = json.loads(letter.body or "{}")
    before = letter.record.fields if isinstance(letter.record, Setting) else {}
    left = {name: value for name, value in record.fields.items() if name in before or refused.get(name) != value}
    return replace(record, fields=left)


def _waiting(change: Change, setting: Setting) -> Setting | None:
    """What waits of the same thing."""
    at = change.thing(setting).at
    text = None if at is None else change.text(lane_of(setting), at)
    other = kept(text).record if text else None
    return other if isinstance(other, Setting) else None
