"""The rule of receipts, case by case as brokers were measured, and what is stored of it."""

import pytest

from gateway.outbox.key_value import MemoryStore
from gateway.outbox.store import Outbox
from gateway.receipt_rows import MOST_BLOCKS
from gateway.receipts import COMES_AGAIN, LEFTOVER, STORED_LATE, Session, Verdict
from gateway.sources.base import Receipt
from tests.outbox.floor import next_commit
from tests.receipts.digests import digest, text

WEEKEND = 3 * 86_400.0


class Life:
    """A session over connections and lives of the gateway, with what is on disk."""

    def __init__(self) -> None:
        self.rows = MemoryStore()
        self.session = Session()
        self.now = 0.0
        self.outbox = Outbox(self.rows)

    def connect(self, *, resumed: bool = True, lost_at: float | None = None, away: bool | None = None) -> None:
        self.session.connect(self.now, resumed=resumed, lost_at=lost_at, away=away)

    def comes(self, *deliveries: tuple[int, str], dup: bool = False) -> list[Verdict]:
        """What the rule says of packet ids and payloads; each is committed where it is new."""
        verdicts = []
        for packet_id, payload in deliveries:
            verdicts.append(self.session.deliver(packet_id, digest(payload), dup=dup, at=self.now))
        if "new" in verdicts:
            self.commit()
        return verdicts

    def commit(self) -> None:
        self.outbox.commit(next_commit(self.outbox, sessions={"floor": self.session.take_changes()}))

    def confirmed(self, *numbers: int) -> None:
        for number in numbers:
            self.session.confirm(range(number, number + 1))

    @property
    def unconfirmed(self) -> list[str]:
        """The payloads of what is."""
        return [text(receipt.digest) for receipt in self.session.receipts]

    def killed(self) -> None:
        """The next life knows what is on disk."""
        self.outbox = Outbox(self.rows)
        stored = self.outbox.session("floor")
        assert stored is not None
        self.session = Session.stored(stored.head, stored.blocks)


@pytest.fixture
def life() -> Life:
    life = Life()
    life.connect(resumed=False)
    return life


def messages(*numbers: int, first_id: int = 1) -> list[tuple[int, str]]:
    return [(first_id + at, f"payload {number}") for at, number in enumerate(numbers)]


def test_p2_a_barrier_confirms_nothing_of_another_connection(life: Life) -> None:
    """Number 1 of the second connection is another message than number 1 of the first, which may come again later."""
    life.comes((1, "a"))
    life.connect()
    assert life.comes((2, "b")) == ["new"]
    life.confirmed(1)
    assert life.unconfirmed == ["a"]
    assert life.comes((1, "a"), dup=True) == ["again"]


def test_p2_nats_sends_new_ones_first_and_old_ones_later(life: Life) -> None:
    """Also half a minute later, on a connection that stands, and twice: one PUBACK a connection, because a second one
    could acknowledge the next message with that id."""
    life.comes((1, "a"), (2, "b"))
    life.connect()
    assert life.comes((3, "c")) == ["new"]
    life.confirmed(1)
    life.now += 30.0
    assert life.comes((1, "a"), (2, "b"), dup=True) == ["again", "again"]
    assert life.comes((1, "a"), dup=True) == ["twice"]
    life.confirmed(2, 3)
    assert life.comes((1, "a")) == ["new"]


def _stopped_after(life: Life, seconds: float, *, away: bool | None = True) -> None:
    """A broker that uses ids again has confirmed two messages, is stopped so many seconds later, and started anew."""
    assert life.comes((1, "a"), (1, "b")) == ["new", "new"]
    life.confirmed(1, 2)
    assert len(life.session) == 0
    lost_at = life.now + seconds
    life.now = lost_at + 60.0
    life.connect(lost_at=lost_at, away=away)


def test_p2_nats_sends_again_what_it_confirmed_while_it_stopped(life: Life) -> None:
    """It stores nothing any more and still answers: with DUP and other ids, each comes once more, also at a second
    start. What is new, or comes without DUP, is new."""
    _stopped_after(life, STORED_LATE / 2)
    assert life.comes((1, "b"), dup=True) == ["again"]
    assert life.comes((2, "a")) == ["new"]
    life.connect(lost_at=life.now)
    assert life.comes((1, "a"), (2, "b"), (3, "a"), (4, "a"), dup=True) == ["again", "again", "again", "new"]


def test_p2_what_nats_confirmed_long_before_it_stopped_is_stored(life: Life) -> None:
    """An equal message that was on its way is new then, and where its ids have gone on it was only cut."""
    _stopped_after(life, STORED_LATE + 1.0)
    assert life.comes((1, "b"), dup=True) == ["new"]
    life.connect(resumed=False)
    _stopped_after(life, 0.0)
    assert life.comes((2, "b"), dup=True) == ["new"]


@pytest.mark.parametrize(("away", "verdict"), [(False, "new"), (True, "again"), (None, "again")])
def test_p2_nats_that_was_only_cut_has_kept_the_first_id(life: Life, away: bool, verdict: Verdict) -> None:
    """Whatever was confirmed or not before, an equal message that was sent and never came is new, unless NATS may have
    been started anew: where it could not be connected to, or the gateway was away itself."""
    _stopped_after(life, 0.0, away=away)
    assert life.comes((1, "b"), dup=True) == [verdict]
    life.connect(resumed=False)
    assert life.comes((1, "x"), (1, "y"), (1, "a"), (2, "a")) == ["new"] * 4
    life.connect(lost_at=life.now, away=away)
    assert life.comes((1, "c"), (3, "a"), dup=True) == ["new", verdict]


def test_p2_a_gateway_that_was_killed_knows_nats_by_the_first_id(life: Life) -> None:
    """One that was there all the time sends again what has the first of all ids: from then on only ids count."""
    assert life.comes((1, "x"), (1, "y"), (1, "a"), (2, "b"), (3, "b")) == ["new"] * 5
    life.killed()
    life.connect()
    assert life.comes((1, "a"), (4, "b"), (3, "b"), dup=True) == ["again", "new", "again"]


def test_p2_nats_gives_the_first_id_when_it_is_done_with_all(life: Life) -> None:
    """What earlier connections have left hides no equal message then, that was sent and never came, also not one with
    its id; where NATS may have been started anew it does."""
    for away, verdict in ((False, "new"), (True, "again")):
        life.connect(resumed=False)
        assert life.comes((1, "x"), (1, "y"), (1, "z"), (2, "a"), (3, "a")) == ["new"] * 5
        life.connect(lost_at=life.now, away=away)
        assert life.comes((1, "b")) == ["new"]
        life.connect(lost_at=life.now, away=False)
        assert life.comes((2, "a"), (3, "a"), dup=True) == [verdict, verdict]


def test_p2_nats_that_was_started_anew_is_still_so_after_a_cut(life: Life) -> None:
    """What it has yet to send again comes half a minute later, whatever becomes of the connection."""
    assert life.comes((1, "x"), (1, "y"), (1, "a"), (2, "a")) == ["new"] * 4
    life.connect(lost_at=life.now, away=True)
    life.now += 10.0
    life.connect(lost_at=life.now, away=False)
    assert life.comes((1, "b"), (2, "a"), (3, "a"), dup=True) == ["new", "again", "again"]


def test_p2_what_was_confirmed_before_an_earlier_cut_is_not_compared(life: Life) -> None:
    """A broker that was started anew sends again soon: an equal message minutes and another cut later is a new one, and
    so it is after a cut on which ids have gone on."""
    _stopped_after(life, 0.0)
    assert life.comes((1, "c")) == ["new"]
    life.confirmed(1)
    life.now += COMES_AGAIN + 20.0
    life.connect(lost_at=life.now)
    assert life.comes((1, "b"), dup=True) == ["new"]


def test_p12_what_a_broker_may_not_have_stored_is_bounded(life: Life) -> None:
    """The last thousand, for a minute of connection."""
    many = [(1, f"payload {number}") for number in range(2_000)]
    assert life.comes(*many) == ["new"] * 2_000
    life.connect(lost_at=life.now)
    assert life.comes((1, "payload 1999"), (2, "payload 998"), dup=True) == ["again", "new"]
    life.now += COMES_AGAIN + 20.0
    assert life.comes((3, "payload 1500"), dup=True) == ["new"]


def test_p2_rabbitmq_sends_again_under_new_ids_after_two_cuts_in_a_row(life: Life) -> None:
    """Old ones come first, in order and with DUP; after the first that is new, nothing comes again."""
    life.comes(*messages(1, 2, 3, 4))
    life.killed()
    life.connect()
    assert life.comes(*messages(3, 4), dup=True) == ["again", "again"]
    life.killed()
    life.connect()
    assert life.comes(*messages(4), dup=True) == ["again"]
    assert life.comes((2, "payload 5")) == ["new"]
    assert life.comes((3, "payload 6"), dup=True) == ["new"]


def test_p2_rabbitmq_after_a_cut_between_two_equal_messages(life: Life) -> None:
    """Equal messages of which none is acknowledged come in their order: each is taken for its own receipt."""
    life.comes((1, "scrap"), (2, "scrap"), (3, "order"))
    life.connect()
    assert life.comes((1, "scrap"), (2, "scrap"), (3, "order"), dup=True) == ["again"] * 3
    assert life.comes((4, "scrap")) == ["new"]


def test_p2_rabbitmq_sends_again_from_one_of_several_equal_messages_on(life: Life) -> None:
    """Which of them it is shows only at the next that differs: until then each of them will do, and then the receipts
    of what was processed are gone."""
    life.comes((1, "scrap"), (2, "order 1"), (3, "scrap"), (4, "order 2"), (5, "scrap"))
    life.connect()
    assert life.comes((1, "scrap"), (2, "order 2"), (3, "scrap"), dup=True) == ["again"] * 3
    assert [(receipt.packet_id, text(receipt.digest)) for receipt in life.session.receipts] == [
        (1, "scrap"), (2, "order 2"), (3, "scrap"),
    ]  # fmt: skip
    assert life.comes((4, "scrap"), dup=True) == ["new"]
    life.confirmed(1, 2, 3, 4)
    assert len(life.session) == 0


def test_p2_rabbitmq_sends_what_never_came_and_some_of_it_equals_receipts(life: Life) -> None:
    """It had processed all, which nobody knows, and two equal messages among others were on their way when the
    connection was cut. One by one, the first are taken for receipts; what follows shows that none of these comes again,
    and so each that came is known when it comes once more."""
    coming = (("scrap", "again"), ("scrap", "again"), ("order 2", "new"), ("scrap", "new"))
    life.comes((1, "scrap"), (2, "scrap"), (3, "scrap"), (4, "order 1"))
    for verdicts in ([verdict for _, verdict in coming], ["again"] * len(coming)):
        life.connect()
        assert life.comes(*((at, payload) for at, (payload, _) in enumerate(coming, 1)), dup=True) == verdicts
    life.killed()
    life.connect()
    assert life.comes(*((at, payload) for at, (payload, _) in enumerate(coming, 1)), dup=True) == ["again"] * 4


@pytest.mark.parametrize("then", [("order 2", True), ("order 1", False)])
def test_p2_rabbitmq_what_follows_shows_that_it_is_new(life: Life, then: tuple[str, bool]) -> None:
    """The same, where what follows is there already, in one batch: nothing of it is lost."""
    life.comes((1, "scrap"), (2, "scrap"), (3, "order 1"))
    life.connect()
    scrap = Receipt(1, digest("scrap"), dup=True, at=life.now)
    life.session.foresee([scrap, Receipt(2, digest(then[0]), then[1], life.now)])
    assert life.comes((1, "scrap"), dup=True) == ["new"]
    assert life.comes((2, then[0]), dup=then[1]) == ["new"]
    life.connect()
    life.session.foresee([scrap])
    assert life.comes((1, "scrap"), dup=True) == ["again"]


def test_p2_rabbitmq_what_follows_shows_that_it_has_come(life: Life) -> None:
    """What comes again up to the last receipt is none that is new, whatever comes then."""
    life.comes((1, "scrap"), (2, "scrap"), (3, "order 1"))
    life.connect()
    coming = ["scrap", "order 1", "scrap"]
    life.session.foresee(Receipt(at, digest(payload), True, life.now) for at, payload in enumerate(coming, 1))
    assert life.comes(*enumerate(coming, 1), dup=True) == ["again", "again", "new"]


def test_p2_aedes_never_says_dup(life: Life) -> None:
    """Its ids are kept, so the same one with the same content, among new ones, is a redelivery."""
    life.comes((4001, "a"), (4002, "a"))
    life.connect()
    assert life.comes((4003, "a"), (4001, "a"), (4004, "b"), (4002, "a")) == ["new", "again", "new", "again"]


def test_p2_aedes_sends_again_under_a_low_id(life: Life) -> None:
    """It begins each connection with an id by chance, also right before the last or with one of the first: there are
    more messages on a connection than that, and they are redeliveries all the same."""
    life.comes((65_534, "a"), (65_535, "b"), (1, "c"), (2, "d"))
    life.connect()
    assert life.comes(*messages(*range(10), first_id=30_000)) == ["new"] * 10
    again = life.comes((65_534, "a"), (65_535, "b"), (1, "c"), (2, "d"))
    assert again == ["again"] * 4


def test_p2_an_id_that_a_broker_has_rolled_back_is_new(life: Life) -> None:
    """mosquitto, killed after an old save, sends confirmed messages again, and then new ones with old ids and no DUP:
    these are new, whatever they say."""
    life.comes((1, "a"), (2, "b"), (3, "scrap"))
    life.confirmed(1)
    life.connect()
    assert life.comes((2, "b"), dup=True) == ["again"]
    assert life.comes((3, "scrap")) == ["new"]


def test_p2_five_thousand_unconfirmed_are_all_known(life: Life) -> None:
    """Nothing is evicted because there is much of it; nor is it after a kill."""
    many = messages(*range(5_000))
    for at in range(0, 5_000, 500):
        assert life.comes(*many[at : at + 500]) == ["new"] * 500
    life.killed()
    life.connect()
    assert life.comes(*many, dup=True) == ["again"] * 5_000
    assert len(life.session) == 5_000
    life.session.confirm(range(1, 5_001))
    life.commit()
    life.killed()
    assert (len(life.session), [key for key, _ in life.rows.items() if key.startswith("receipts/")]) == (0, [])


def test_p2_a_kill_between_the_answer_and_its_row(life: Life) -> None:
    """What was confirmed, and is on disk as unconfirmed, hides no new message that comes without DUP, or differs."""
    life.comes((1, "a"), (2, "b"))
    life.confirmed(1, 2)
    life.killed()
    assert len(life.session) == 2
    life.connect()
    assert life.comes((3, "a")) == ["new"]
    assert life.comes((1, "c"), dup=True) == ["new"]


def test_p12_there_are_no_more_receipts_than_packet_ids(life: Life) -> None:
    """A message with the id of another proves that the broker is done with that one; ids begin again after 65,535."""
    for at in range(0, 70_000, 10_000):
        ids = [(number % 65_535 + 1, f"payload {number}") for number in range(at, at + 10_000)]
        assert life.comes(*ids) == ["new"] * 10_000
    assert len(life.session) == 65_535
    life.connect()
    assert life.comes((1, "payload 65535"), (2, "payload 1"), dup=True) == ["again", "new"]


def test_p2_a_lost_session_clears_all(life: Life) -> None:
    """Packet ids of a session that the broker has forgotten mean nothing."""
    life.comes((1, "a"), (7, "b"))
    life.connect(resumed=False)
    assert life.comes((1, "a"), dup=True) == ["new"]
    life.killed()
    assert life.unconfirmed == ["a"]


def test_p2_time_away_expires_nothing(life: Life) -> None:
    """Three days without a connection, and the broker sends again what it had sent before."""
    life.comes((5, "a"))
    life.now += WEEKEND
    life.killed()
    life.connect()
    assert life.comes((5, "a"), dup=True) == ["again"]


def test_p12_time_connected_expires_what_earlier_connections_left(life: Life) -> None:
    """Also in several connections, over lives; of this connection nothing expires."""
    life.comes((5, "a"))
    life.now += 2 * LEFTOVER
    life.comes((6, "b"))
    life.killed()
    for at in range(1, 4):
        life.now += WEEKEND
        life.connect()
        life.now += 0.3 * LEFTOVER
        life.comes((100 + at, f"message {at}"))
        assert "a" in life.unconfirmed
    life.now += 0.2 * LEFTOVER
    life.comes((200, "last"))
    assert life.unconfirmed == ["message 1", "message 2", "message 3", "last"]


def test_p2_what_was_long_unconfirmed_on_its_own_connection_has_expired_on_none(life: Life) -> None:
    """A broker that leaves everything open for an hour, and then cuts: the time counts from the next connection on."""
    for kill in (False, True):
        life.comes((5, "a"))
        life.now += 6 * LEFTOVER
        life.comes((6, "b"))
        if kill:
            life.killed()
        life.connect()
        life.now += LEFTOVER / 2
        assert life.comes((5, "a"), (6, "b"), dup=True) == ["again", "again"]
        life.connect(resumed=False)


def test_blocks_are_joined_and_say_the_same(life: Life) -> None:
    """One row a commit, and not without end: what is read again is what was there, in its order."""
    for number in range(3 * MOST_BLOCKS):
        life.comes((number + 1, f"payload {number}"))
        if number % 3:
            life.confirmed(number)
    before = [(left.packet_id, left.digest) for left in life.session.receipts]
    life.commit()
    rows = [key for key, _ in life.rows.items() if key.startswith("receipts/")]
    assert 0 < len(rows) <= MOST_BLOCKS
    life.killed()
    assert [(left.packet_id, left.digest) for left in life.session.receipts] == before


def test_a_block_that_damage_has_taken(life: Life) -> None:
    """The others are read; what was in it is unknown, so that it counts again."""
    life.comes((5, "a"))
    life.comes((6, "b"))
    life.rows.apply({}, ["receipts/floor/0"])
    life.killed()
    life.connect()
    assert life.comes((5, "a"), (6, "b"), dup=True) == ["new", "again"]
