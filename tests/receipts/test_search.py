"""The rule of receipts on every broker's model: every way in which deliveries, cuts and kills can meet.

`make search` tries more messages than `make test` does.
"""

import os

import pytest

from gateway.receipts import Session
from tests.receipts.digests import digest
from tests.receipts.models import Counts, KeepsIds, Model, NeverDup, NewFirst, OneAtATime, Restarted, Stopped
from tests.receipts.search import search, walk

LARGE = bool(os.environ.get("ODEN_SEARCH"))
CUTS = 2
EVERY = pytest.mark.parametrize(
    "broker", [KeepsIds(), OneAtATime(), Counts(), NewFirst(), NeverDup()], ids=lambda broker: type(broker).__name__
)


@pytest.mark.parametrize("payloads", ["aaa", "aba", "abc", *(["aabb", "abcd"] if LARGE else [])])
@pytest.mark.parametrize("broker", [KeepsIds(), OneAtATime(), NeverDup()], ids=lambda broker: type(broker).__name__)
def test_p2_exact_where_packet_ids_are_kept(broker: Model, payloads: str) -> None:
    """mosquitto, ejabberd and aedes: every message counts once, also among equal ones."""
    states, fault = search(broker, payloads, CUTS)
    assert fault is None
    assert states > 1000


@pytest.mark.parametrize(
    ("broker", "cuts"),
    [
        pytest.param(Counts(), CUTS, id="ids from 1 on each connection"),
        pytest.param(NewFirst(repeats=0), CUTS, id="new first"),
        pytest.param(NewFirst(), CUTS if LARGE else 1, id="new first, also again on one connection"),
    ],
)
@pytest.mark.parametrize("payloads", ["abc", *(["abcd"] if LARGE else [])])
def test_p2_exact_among_messages_that_differ(broker: Model, cuts: int, payloads: str) -> None:
    """RabbitMQ and NATS use ids again: every message that differs from the others counts once."""
    states, fault = search(broker, payloads, cuts)
    assert fault is None
    assert states > 1000


def _that_reuses() -> Session:
    """What is known of a broker that has given a low id to a new message before."""
    session = Session()
    session.connect(0.0, resumed=True)
    for number, packet_id in enumerate((2, 1), 1):
        session.deliver(packet_id, digest(f"earlier {number}"), dup=False, at=0.0)
        session.confirm(range(number, number + 1))
    assert (session.reuses, session.counting, len(session)) == (True, False, 0)
    return session


@pytest.mark.parametrize("payloads", ["abc", *(["abcd"] if LARGE else [])])
@pytest.mark.parametrize(
    ("broker", "cuts"),
    [
        pytest.param(Restarted(), CUTS, id="killed"),
        pytest.param(Stopped(), CUTS if LARGE else 1, id="stopped, and has not stored the last that it confirmed"),
    ],
)
def test_p2_exact_among_messages_that_differ_when_a_broker_was_restarted(
    broker: Model, cuts: int, payloads: str
) -> None:
    """NATS, which is known to use ids again, started anew with each cut: other ids, and those of before for others."""
    states, fault = search(broker, payloads, cuts, known=_that_reuses())
    assert fault is None
    assert states > 1000


@pytest.mark.parametrize("payloads", ["aaa", "aba", *(["aaaa", "abab"] if LARGE else [])])
@pytest.mark.parametrize("broker", [NewFirst(), Restarted(), Stopped()], ids=lambda broker: type(broker).__name__)
def test_p2_at_most_what_was_not_confirmed_is_lost_where_ids_are_used_again(broker: Model, payloads: str) -> None:
    """Equal messages at such a broker: none counts twice. Lost are no more than were acknowledged and not confirmed."""
    states, fault = search(broker, payloads, 1, ambiguous=2, known=_that_reuses(), alike=True)
    assert fault is None
    assert states > 1000


@pytest.mark.parametrize("broker", [Counts(), NewFirst()], ids=lambda broker: type(broker).__name__)
@pytest.mark.parametrize("payloads", ["aaa", "aba", *(["aaaa", "abab"] if LARGE else [])])
def test_p2_at_most_one_of_equal_messages_is_lost_by_a_cut(broker: Model, payloads: str) -> None:
    """What no rule can decide there: nothing ever counts twice, and a cut loses at most one, which another one
    equals."""
    states, fault = search(broker, payloads, 1, ambiguous=1, alike=True)
    assert fault is None
    assert states > 1000


@pytest.mark.parametrize("payloads", ["aaba", "abaa", "abab", *(["aabab", "ababa"] if LARGE else [])])
def test_p2_equal_messages_among_others_never_count_twice(payloads: str) -> None:
    """RabbitMQ with a window of three: where what comes again begins is not certain, and no choice of it doubles. Lost
    are no more than were acknowledged and not confirmed."""
    states, fault = search(Counts(window=3), payloads, 1, ambiguous=2)
    assert fault is None
    assert states > 1000


@EVERY
def test_p2_long_stories(broker: Model) -> None:
    """Sixty messages, a window of five and eight cuts, by chance."""
    wide = type(broker)() if isinstance(broker, OneAtATime) else type(broker)(window=5)
    payloads = [f"payload {number}" for number in range(60)]
    assert [fault for seed in range(200 if LARGE else 12) if (fault := walk(wide, payloads, 8, seed))] == []


def test_a_rule_that_takes_packet_ids_for_identities_is_found_out() -> None:
    """The search has teeth: a receipt that is never removed costs a message where ids are used again."""
    states, fault = search(Counts(), "aaa", 1)
    assert fault is not None
    assert fault.text.startswith("lost: [1]")
    assert states < 1000
