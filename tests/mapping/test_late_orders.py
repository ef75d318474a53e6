"""P13: work orders of which is heard late that they were completed, and begun again: each time is told by itself."""

from collections.abc import Mapping

import pytest
from pydantic import JsonValue

from gateway.mapping.facts import Facts
from gateway.mapping.told_once import untold_settings
from gateway.model import Setting

Said = Mapping[str, JsonValue]
FIRST: Said = {"name": "Grease", "started_at": "1"}
DONE: Said = {**FIRST, "completed_at": "2"}
AGAIN: Said = {"name": "Oil", "started_at": "3"}
END: Said = {"completed_at": "2"}


def facts(*said: Said) -> Facts:
    """What was said of the order, in this order."""
    of = {"external_id": "17"}
    return Facts(settings=[Setting("", "F/L", 0.0, "maintenance_work_order", {**of, **fields}) for fields in said])


@pytest.mark.parametrize(
    ("told", "now", "untold"),
    [
        ((FIRST,), (FIRST, DONE, AGAIN), (DONE, AGAIN)),
        ((FIRST,), (FIRST, END, AGAIN), (DONE, AGAIN)),
        ((), (FIRST, DONE, AGAIN), (DONE, AGAIN)),
        ((), (FIRST, END, AGAIN, {**AGAIN, "completed_at": "4"}), (DONE, {**AGAIN, "completed_at": "4"})),
        ((AGAIN,), (FIRST, DONE, AGAIN), (DONE,)),
        ((FIRST, AGAIN), (FIRST, END, AGAIN), (DONE,)),
        ((FIRST, DONE, AGAIN), (FIRST, DONE, AGAIN), ()),
        ((FIRST, END, AGAIN), (FIRST, DONE, AGAIN), ()),
        ((FIRST, END, AGAIN), (FIRST, END, {"name": "Old"}, AGAIN), ({**DONE, "name": "Old"},)),
        ((AGAIN,), ({**AGAIN, "started_at": "2"}, AGAIN), ()),
    ],
)
def test_p13_each_time_an_order_is_begun_is_told_by_itself(
    told: tuple[Said, ...], now: tuple[Said, ...], untold: tuple[Said, ...]
) -> None:
    """No beginning is told with the end of the time before; of the last time only what is not known of it; and of one
    before all, by which it is told apart from the last, and made where it was never there."""
    assert list(untold_settings(facts(*told), facts(*now))) == facts(*untold).settings
