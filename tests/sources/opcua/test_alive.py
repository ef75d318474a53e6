"""Whether a subscription lives, and how often a session is set up."""

import math

from gateway.sources.opcua.server_clock import Pulse, heartbeat_interval, reading_interval
from gateway.sources.opcua.source import MOST, WINDOW, SetUps


def test_silence_of_three_intervals_is_a_fault_whatever_the_keepalive() -> None:
    """Once the clock has ticked it decides, not the 13.9 hours that a server makes of the keep-alive."""
    pulse = Pulse(interval=2.0, keepalive=50_000.0, least=10.0, begun=100.0)
    assert pulse.dead_at(100.0) == math.inf
    pulse.heard(101.0, beats=1)
    pulse.heard(103.0, beats=1)
    assert pulse.is_watched(103.0)
    assert pulse.dead_at(103.0) == 109.0
    pulse.heard(108.0, beats=0)
    assert pulse.dead_at(108.0) == 114.0, "any word is a word"


def test_a_clock_that_does_not_tick_leaves_the_keepalive() -> None:
    for interval in (0.0, 2.0):  # refused, or silent from the start
        pulse = Pulse(interval, keepalive=20.0, least=10.0, begun=100.0)
        pulse.heard(101.0, beats=1 if interval else 0)
        assert not pulse.is_watched(107.0)
        assert pulse.dead_at(107.0) == 141.0


def test_a_clock_that_ticks_late_counts_again() -> None:
    pulse = Pulse(2.0, keepalive=20.0, least=10.0, begun=100.0)
    pulse.heard(101.0, beats=1)
    assert not pulse.is_watched(110.0)
    pulse.heard(111.0, beats=1)
    assert pulse.is_watched(111.0)


def test_time_in_which_we_did_not_listen_is_no_silence() -> None:
    pulse = Pulse(2.0, keepalive=20.0, least=10.0, begun=100.0)
    pulse.heard(102.0, beats=2)
    pulse.waited(500.0)
    assert pulse.dead_at(602.0) == 608.0


def test_the_session_is_heard_of_in_time() -> None:
    """Three heartbeats are one time-out, and a short session gets them sooner."""
    assert 3 * heartbeat_interval(9.0, 60.0) == 9.0
    assert heartbeat_interval(9.0, 4.0) == 1.0
    assert reading_interval(60.0) == 10.0
    assert reading_interval(8.0) == 2.0


def test_a_server_that_is_slow_to_set_up_is_spared() -> None:
    """Ten times as long as it took; nothing where the session lived for longer."""
    set_ups = SetUps()
    assert set_ups.wait(100.0) == 0.0
    set_ups.add(100.0, took=2.0)
    assert set_ups.wait(105.0) == 15.0
    assert set_ups.wait(500.0) == 0.0
    set_ups.add(600.0, took=50.0)
    assert set_ups.wait(600.0) == 60.0


def test_no_more_than_so_many_sessions_in_ten_minutes() -> None:
    set_ups = SetUps()
    now, begun = 0.0, []
    for _ in range(3 * MOST):
        now += set_ups.wait(now)
        begun.append(now)
        set_ups.add(now, took=0.01)
        now += 0.01
    for time in begun:
        assert sum(time <= other < time + WINDOW for other in begun) <= MOST
