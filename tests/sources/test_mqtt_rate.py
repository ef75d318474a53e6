"""How long a broker's queue is enough, at the rate that was seen."""

import pytest

from gateway.sources.mqtt_messages import HOURS, Busiest

HOUR = 3600.0


def test_at_the_rate_of_the_busiest_hour() -> None:
    """1,000 messages last an hour where 1,000 came in the busiest one, however quiet it is now; after a week without
    such an hour that counts no more."""
    busiest = Busiest()
    for number in range(1_000):
        busiest.add(50.0 + number)
    for hour in range(1, HOURS + 3):
        assert busiest.lasts(1_000, 50.0 + hour * HOUR - 1) == pytest.approx(
            HOUR if hour <= HOURS else 10 * HOUR, 0.001
        )
        for number in range(100):
            busiest.add(50.0 + hour * HOUR + number)


def test_in_the_first_hour_at_the_rate_so_far() -> None:
    """One message a second: 60 last a minute. Before a minute has passed nobody knows, nor where nothing comes."""
    busiest = Busiest()
    assert busiest.lasts(60, 1_000.0) is None
    for number in range(600):
        busiest.add(float(number))
        if number >= 60:
            assert busiest.lasts(60, float(number)) == pytest.approx(60.0, 0.03)
        else:
            assert busiest.lasts(60, float(number)) is None
    assert busiest.lasts(60, 10 * HOUR) == pytest.approx(60 * HOUR / 600)
    assert busiest.lasts(60, 1_000 * HOUR) is None
