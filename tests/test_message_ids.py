"""Ids of messages: what is remembered, for how long, and that it is bounded."""

from gateway.message_ids import COMMITS_KEPT, MOST_IDS, IdsOfCommit, MessageIds, NewIds, digest
from gateway.outbox.key_value import MemoryStore
from gateway.outbox.store import Outbox
from tests.outbox.floor import next_commit


def test_p2_an_id_is_that_of_a_line_and_a_topic() -> None:
    """Two lines that read one topic both have the message; parts of an id do not run into each other."""
    ids = [
        digest(line, topic, values)
        for line in ("Line 01", "Line 02")
        for topic in ("scrap", "order")
        for values in (["1"], ["1", "1"], ["11"])
    ]
    assert len({*ids}) == len(ids)


def test_p2_within_a_batch_and_after_it() -> None:
    """The second message of a batch with one id is a repeat; a batch that was given up has brought nothing."""
    known = {"floor": MessageIds()}
    given_up = NewIds(known, {})
    assert not given_up.is_known("floor", "a")
    batch = NewIds(known, {})
    assert [batch.is_known("floor", id_) for id_ in "aba"] == [False, False, True]
    assert batch.new == {"floor": {"a": None, "b": None}}
    assert NewIds(known, batch.new).is_known("floor", "b")
    known["floor"].add(IdsOfCommit(0, ("a", "b")))
    assert NewIds(known, {}).is_known("floor", "b")


def test_p2_ids_are_read_again_after_a_kill() -> None:
    """Also when the ring of rows has come round: the newest commits are there."""
    rows = MemoryStore()
    outbox, ids = Outbox(rows), MessageIds()
    for number in range(COMMITS_KEPT + 5):
        new = IdsOfCommit(ids.number, (f"id {number}",))
        outbox.commit(next_commit(outbox, ids={"floor": new}))
        ids.add(new)
    again = Outbox(rows).message_ids("floor")
    for known in (ids, again):
        assert (len(known), known.number) == (COMMITS_KEPT, COMMITS_KEPT + 5)
        assert "id 4" not in known
        assert "id 5" in known
    assert len(Outbox(rows).message_ids("other")) == 0


def test_p12_ids_are_bounded() -> None:
    """The oldest are forgotten, whole commits at a time."""
    ids = MessageIds()
    for number in range(3 * MOST_IDS // 500):
        ids.add(IdsOfCommit(number, tuple(f"{number}/{place}" for place in range(500))))
        assert len(ids) <= MOST_IDS
    assert len(ids) == MOST_IDS
