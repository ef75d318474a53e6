"""The index of what settings are about: of each thing, the setting that waits and the dead letters about it.

There is an entry of a thing while there is either. What is said later of a thing is merged into the setting that waits
and that no attempt carries, but for a work order that is begun again, or of which it is heard late what was before: of
those that wait, the one that begins last is in the index. A dead letter keeps only what nothing later says anew, so
that sending it once more takes nothing back; where nothing is left of it, it is one no more, and is counted as
outdated. One of a work order that was begun again since is in the index no more: nothing later is of the same time.
"""

import json

from gateway.frozen import replace
from gateway.model import Setting
from gateway.outbox import merge
from gateway.outbox.entries import DEAD_LETTER, DeadLetter
from gateway.outbox.lanes import DEAD, StoredRecord, lane_of
from gateway.outbox.transaction import Transaction
from gateway.record_kinds import begins_anew, was_over_before


def merged_into_waiting(transaction: Transaction, setting: Setting, *, again: bool) -> bool:
    """Add a setting to the one that waits of the same thing, where one does; `again`: that one is the later of the
    two."""
    at, waiting = transaction.setting_entry(setting).waiting_at, _waiting(transaction, setting)
    if at is None or waiting is None:
        return False
    if was_over_before(setting, waiting):
        return False
    older, later = (setting, waiting) if again else (waiting, setting)
    if begins_anew(older, later):
        return False
    # It stays the record that waited, whichever of the two has the later word.
    both = replace(waiting, fields=merge.merged_settings(older, later))
    transaction.rewrite(lane_of(setting), at, StoredRecord(both), setting)
    return True


def waits(transaction: Transaction, setting: Setting, position: int, *, again: bool) -> None:
    """A setting is appended at `position`: what is said from now on of the thing is of it, unless it is of a time
    before that of one that waits; `again`: that one is the later of the two."""
    waiting = _waiting(transaction, setting)
    is_before = waiting is not None and (was_over_before(setting, waiting) or (again and begins_anew(setting, waiting)))
    if not is_before:
        transaction.setting_entry(setting).waiting_at = position


def overtake(transaction: Transaction, later: Setting) -> None:
    """`later` is appended: dead letters about the same thing keep what it does not say. What is said once a work order
    was begun again is of that, so that one from before is kept whole from then on."""
    entry, refused = transaction.setting_entry(later), []
    for at in entry.refused:
        text = transaction.text(DEAD, at)
        letter = DEAD_LETTER.validate_json(text) if text else None
        if letter is None or not isinstance(letter.record, Setting):
            continue
        if _is_over(letter.record, later):
            text = DEAD_LETTER.dump_json(replace(letter, is_over=True)).decode()
            transaction.put[f"record/{DEAD}/{at}"] = text
            continue
        left = merge.not_overtaken(letter.record, later)
        if left is not None:
            transaction.put[f"record/{DEAD}/{at}"] = DEAD_LETTER.dump_json(replace(letter, record=left)).decode()
            refused.append(at)
        else:
            transaction.take(DEAD, at)
            transaction.totals.outdated += 1
    entry.refused = refused


def not_overtaken(transaction: Transaction, refused: Setting, position: int) -> Setting | None:
    """What of a setting that is about to be a dead letter, at `position` of these, is not said anew by the one that
    waits; None where that is nothing."""
    waiting = _waiting(transaction, refused)
    if waiting is not None and _is_over(refused, waiting):
        return refused
    left = refused if waiting is None else merge.not_overtaken(refused, waiting)
    if left is not None:
        transaction.setting_entry(refused).refused.append(position)
    return left


def as_corrected(record: Setting, letter: DeadLetter) -> Setting:
    """What a person has made of the setting of `letter`, without what it said when it was refused and later ones say
    differently."""
    refused = json.loads(letter.body or "{}")
    before = letter.record.fields if isinstance(letter.record, Setting) else {}
    left = {name: value for name, value in record.fields.items() if name in before or refused.get(name) != value}
    return replace(record, fields=left)


def _is_over(refused: Setting, later: Setting) -> bool:
    """Whether a work order was begun again, as `later` says, since the time of which one that was refused is."""
    return begins_anew(refused, later) and not was_over_before(later, refused)


def _waiting(transaction: Transaction, setting: Setting) -> Setting | None:
    """The setting that waits of the same thing."""
    at = transaction.setting_entry(setting).waiting_at
    stored = None if at is None else transaction.record(lane_of(setting), at)
    return stored.record if stored is not None and isinstance(stored.record, Setting) else None
