"""How many messages wait for their acknowledgement: no broker waits for ours for long, whatever it sends at once."""

import pytest

from gateway.ack_window import MOST, AckWindow

HOLD = 1.0


class Broker:
    """Sends a message each `gap` seconds while fewer than `sends` are unacknowledged; what waits comes at once."""

    def __init__(self, sends: int, gap: float) -> None:
        self.window, self.sends, self.gap = AckWindow(), sends, gap
        self.now, self.made, self.unacknowledged, self.commits, self.taken = 0.0, 0, 0, 0, 0

    def run(self, seconds: float) -> None:
        while self.now < seconds:
            self.now += 0.001
            while self.unacknowledged < self.sends and self.made * self.gap <= self.now:
                self.made += 1
                self.unacknowledged += 1
                self.window.came(self.now)
            since = self.window.since
            if self.window.full or (since is not None and self.now - since >= HOLD):
                number = self.window.taken()
                self.now += 0.002
                self.window.acknowledged(self.now)
                self.unacknowledged -= number
                self.taken += number
                self.commits += 1


@pytest.mark.parametrize("sends", [1, 2, 5, 10, 20, 100])
def test_a_broker_that_stops_waits_once(sends: int) -> None:
    """With a message each 2 ms, it stops for one hold at the beginning; from then on it sends as fast as it can."""
    broker = Broker(sends, 0.002)
    broker.run(10.0)
    assert broker.taken / 10.0 >= min(400.0, sends / 0.006)


@pytest.mark.parametrize("gap", [0.025, 0.1, 0.5, 3.0])
def test_steady_messages_are_acknowledged_together(gap: float) -> None:
    """A broker that bears it has its messages acknowledged about once a second."""
    broker = Broker(1000, gap)
    broker.run(60.0)
    assert broker.commits <= 61
    assert broker.made - broker.taken <= HOLD / gap + 1


def test_many_at_once_do_not_wait_for_the_time() -> None:
    """At the most so many wait."""
    window = AckWindow()
    for number in range(MOST):
        assert not window.full, number
        window.came(0.0)
    assert window.full


def test_a_coincidence_is_forgotten() -> None:
    """A broker that seemed to stop, and then sends more than that, is not held to it."""
    window = AckWindow()
    window.came(0.0)
    window.taken()
    window.acknowledged(1.0)
    window.came(1.001)
    assert window.full
    window.came(1.002)
    assert not window.full


def test_a_commit_without_messages_changes_nothing() -> None:
    """Records commit too: what is known of the broker stays."""
    window = AckWindow()
    window.came(0.0)
    window.taken()
    window.acknowledged(1.0)
    assert not window.taken()
    window.came(1.001)
    assert window.full
