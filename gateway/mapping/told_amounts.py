"""What a line has told of its output of late, and of whom, so that it can be said what of it stays where it is when a
message comes that is older than all that is remembered. Pure."""

from collections.abc import Iterable
from typing import NamedTuple

from gateway.mapping.context import Recorder
from gateway.mapping.values import DECIMALS, Number, total, whole
from gateway.model import Output, Scalar

MOST_ENTRIES = 64
"""Entries of one kind of output of an interval that are remembered: the newest."""
MOST_KINDS = 24
"""Kinds of output of intervals that are remembered: those that were told last."""


class ToldAmounts(NamedTuple):
    """The newest amounts of one kind that were told of an interval, each with its time stamp; `of` is what the interval
    is called."""

    of: str
    raw_data: tuple[tuple[str, Scalar], ...]
    names: tuple[str, ...]
    entries: tuple[tuple[int, Number], ...]


Told = tuple[ToldAmounts, ...]


def with_told(known: Told, recorder: Recorder) -> Told:
    """What was told, with the entries of output of one more step."""
    kinds = {told[:3]: told for told in known}
    for record in recorder.records:
        if not isinstance(record, Output):
            continue
        of = recorder.owners.get(record.key, record.type)
        for raw_data, names, amount in recorder.shares.get(record.key, ()):
            before = kinds.pop((of, raw_data, names), None)
            entries = (*(before.entries if before is not None else ()), (record.timestamp, amount))
            kinds[of, raw_data, names] = ToldAmounts(of, raw_data, names, entries[-MOST_ENTRIES:])
    return tuple(kinds.values())[-MOST_KINDS:]


def in_words(told: Told, since: float) -> str:
    """What was told since a time, as `120 yield of A`; empty where nothing was."""
    return ", ".join(_words(told, since))


def _words(told: Told, since: float) -> Iterable[str]:
    for of, raw_data, names, entries in told:
        amount = whole(round(total([amount for stamp, amount in entries if stamp > since]), DECIMALS))
        if amount:
            code = "".join(f" {value}" for _, value in raw_data)
            yield f"{amount:g} {'/'.join(names)}{code} of {of}"
