"""P13: which messages that are all late by nearly the same are of a clock that is behind, and which of a sender that
was off by itself."""

import pytest

from gateway.model import Sample
from tests.mapping.recording import T0, fed, message, plan, tick

ORDER = {"source": "mes", "topic": "order", "field": "v", "time": "at"}
LINE = plan(
    inputs={"order": ORDER}, run={"key": "order", "product": "P", "name": "{order}"}, states=None, scrap_yield=None
)


def order(seconds: float, number: str, at: float) -> Sample:
    return message(seconds, "order", {"v": number, "at": at})


def starts(texts: list[str]) -> list[str]:
    return [text for text in texts if text.startswith("start")]


@pytest.mark.parametrize(("back_by", "every"), [(3600, 600), (3600, 60), (1000, 100)])
def test_p13_a_clock_that_was_set_back_is_not_gone_by_though_it_repeats_its_times(back_by: int, every: int) -> None:
    """From the fifth message on the time of arrival counts, long before it says times that it has not said before."""
    before = [order(every * number, f"A{number}", T0 + every * number) for number in range(70)]
    since = [order(every * number, f"A{number}", T0 + every * number - back_by) for number in range(70, 80)]
    played = fed(LINE, *before, *since, tick(every * 80))
    begun = [text.partition(" at ")[2] for text in starts(played.texts)]
    assert begun[-6:] == [f"{every * number}: A{number}, P" for number in range(74, 80)]
    assert [notice.text for notice in played.notices if f"{back_by} s behind" in notice.text]


@pytest.mark.parametrize("apart", [1, 5, 10, 60])
def test_p13_what_a_sender_had_kept_is_no_wrong_clock(apart: int) -> None:
    """It was off by itself, and says at once what was so since: each keeps its time, however close they are."""
    said = [100 + apart * number for number in range(12)]
    heard = said[-1] + 100
    kept = [order(heard + place / 10, f"B{at}", T0 + at) for place, at in enumerate(said)]
    played = fed(LINE, order(0, "A", T0), *kept, tick(heard + 100))
    assert sorted(starts(played.texts)[1:], key=lambda text: int(text.split()[2])) == [
        f"start RUN {number} at {at}: B{at}, P" for number, at in enumerate(said, 2)
    ]
    assert not [notice for notice in played.notices if "clock" in notice.text]


@pytest.mark.parametrize("every", [1, 3, 15])
def test_p13_a_clock_that_is_behind_is_not_gone_by_however_often_it_is_heard(every: int) -> None:
    """Once it has been for most of a minute."""
    orders = [order(every * number, f"A{number}", T0 + every * number - 300) for number in range(1, 100)]
    played = fed(LINE, *orders, tick(every * 100))
    assert starts(played.texts)[-1].partition(" at ")[2] == f"{every * 99}: A99, P"
