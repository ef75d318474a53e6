"""Which of the work orders in an answer a record is about, and whether that is as the record says. Pure.

An order that was completed and is begun again is another one with the same `external_id`. So what a record says is of
the one that began then, or was completed then; else of the one that is open. Where none is, another beginning is of
none that is there.
"""

from collections.abc import Mapping, Sequence

from gateway.model import Setting
from gateway.oden.answer_parts import epoch_of

Order = Mapping[str, object]
"""A work order as Oden shows it."""

MINUTE = 60
"""Seconds to which Oden may round a time."""
BEGUN, COMPLETED = "started_at", "completed_at"


def meant(orders: Sequence[Order], record: Setting) -> Order | None:
    """The one of `orders`, which all have the record's `external_id`, that the record is about; None: it is of none of
    them."""
    begun, completed = record.fields.get(BEGUN), record.fields.get(COMPLETED)
    for name, told in ((BEGUN, begun), (COMPLETED, completed)):
        same = [order for order in orders if told is not None and _was_then(order, name, told)]
        if same:
            return same[-1]
    left = [order for order in orders if not _is_before(completed, order.get(BEGUN))]
    open_ = [order for order in left if not order.get(COMPLETED)]
    if open_:
        return open_[-1]
    return left[-1] if left and begun is None else None


def is_as_told(order: Order, record: Setting) -> bool:
    """Whether the order shows all that the record says."""
    return all(
        _was_then(order, name, told) if name in (BEGUN, COMPLETED) else _shows(order.get(name), told)
        for name, told in record.fields.items()
    )


def _was_then(order: Order, name: str, told: object) -> bool:
    """Whether a time of the order is the one that was told. Where all that an order has are whole minutes, they may be
    what Oden keeps of it; where one has seconds, another that began in the same minute is another order."""
    at, said = epoch_of(order.get(name)), epoch_of(told)
    if at is None or said is None:
        return False
    shown = (epoch_of(order.get(each)) for each in (BEGUN, COMPLETED))
    may_be_rounded = all(time is None or time % MINUTE == 0 for time in shown)
    return at == said or (may_be_rounded and 0 <= said - at < MINUTE)


def _is_before(one: object, other: object) -> bool:
    at, begun = epoch_of(one), epoch_of(other)
    return at is not None and begun is not None and at < begun


def _shows(shown: object, told: object) -> bool:
    if isinstance(told, Mapping):
        return isinstance(shown, Mapping) and all(_shows(shown.get(name), value) for name, value in told.items())
    return shown == told or str(shown) == str(told)
