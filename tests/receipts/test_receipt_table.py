"""The pages of receipts say what a dictionary of them would, and take little room."""

import tracemalloc
from dataclasses import dataclass, field
from dataclasses import replace as changed

from hypothesis import given
from hypothesis import strategies as st

from gateway.receipt_rows import HEAD, JOINED, MOST_BLOCKS
from gateway.receipt_table import DIGEST, ReceiptTable, Unconfirmed
from gateway.receipts import Session
from tests.receipts.digests import digest, hashed

MIB = 2**20


@dataclass
class Plain:
    """The same, as one would write it down."""

    receipts: dict[int, Unconfirmed] = field(default_factory=dict)
    last_of_id: dict[int, int] = field(default_factory=dict)

    def with_id(self, packet_id: int) -> int | None:
        place = self.last_of_id.get(packet_id)
        return place if place in self.receipts and self.receipts[place].packet_id == packet_id else None


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["new", "new", "new", "again", "gone", "gone", "left", "twice", "kept"]),
        st.integers(0, 400),
        st.sampled_from([1, 2, 255, 256, 257, 65_535]),
        st.booleans(),
    ),
    max_size=300,
)


@given(STEPS)
def test_p2_pages_say_what_a_dictionary_would(steps: list[tuple[str, int, int, bool]]) -> None:
    """Of receipts that come, come again, go and are left, in any order; a copy is changed without the other."""
    table, plain, number, place, copies = ReceiptTable(), Plain(), 0, 0, list[tuple[ReceiptTable, Plain]]()
    for what, chosen, packet_id, far in steps:
        places = [*plain.receipts]
        some = places[chosen % len(places)] if places else None
        number += what in ("new", "again", "twice")
        if what == "new":
            place += 1 + 1_000 * far
            table.put(place, packet_id, hashed(str(place)), number)
            plain.receipts[place] = Unconfirmed(packet_id, hashed(str(place)), None, number)
            plain.last_of_id[packet_id] = place
        elif what == "again" and some is not None and plain.receipts[some].left_at is not None:
            table.put(some, packet_id, hashed(str(some)), number)
            plain.receipts[some] = plain.receipts[some]._replace(packet_id=packet_id, left_at=None, number=number)
            plain.last_of_id[packet_id] = some
        elif what == "gone":
            gone = [some] if some is not None else []
            assert table.remove([*gone, 3_000_000]) == gone
            for one in gone:
                del plain.receipts[one]
        elif what == "left":
            known = [place for place, one in plain.receipts.items() if one.left_at is None]
            assert table.leave(float(chosen)) == known
            plain.receipts |= {place: plain.receipts[place]._replace(left_at=float(chosen)) for place in known}
            number = 0
        elif what == "kept":
            copies.append((table, changed(plain, receipts=plain.receipts.copy(), last_of_id=plain.last_of_id.copy())))
            table = table.copy()
    for kept, model in [*copies, (table, plain)]:
        _is_as(kept, model)


def _is_as(table: ReceiptTable, plain: Plain) -> None:
    assert (dict(table.items()), len(table)) == (plain.receipts, len(plain.receipts))
    for first, end in ((0, 70), (5, 2_000), (63, 64), (1_000, 100_000)):
        assert [*table.places(first, end)] == [place for place in plain.receipts if first <= place < end]
        assert table.count(first, end) == len([*table.places(first, end)])
    for packet_id in (1, 2, 255, 256, 257, 65_535, 77):
        assert table.with_id(packet_id) == plain.with_id(packet_id)
    numbered = {one.number: place for place, one in plain.receipts.items() if one.left_at is None}
    known = [numbered.get(number) for number in range(310)]
    assert [*map(_only, (table.with_numbers(range(number, number + 1)) for number in range(310)))] == known
    for numbers in (range(310), range(5, 9)):
        assert {*table.with_numbers(numbers)} == {*known[numbers.start : numbers.stop]} - {None}
    ages = [one.left_at for one in plain.receipts.values() if one.left_at is not None]
    middle = sorted(ages)[len(ages) // 2] if ages else 0.0
    old = [p for p, one in plain.receipts.items() if one.left_at is not None and one.left_at <= middle]
    assert table.left_until(middle) == old
    view = table.view()
    assert [*view.places] == [*plain.receipts]
    for at, (place, one) in enumerate(plain.receipts.items()):
        assert (view.digest(at), [*view.places_of(one.digest)]) == (one.digest, [place])
        assert table.of_this_connection(place) == (one.left_at is None)


def _only(places: list[int]) -> int | None:
    assert len(places) < 2
    return places[0] if places else None


def test_a_digest_is_found_only_where_one_begins() -> None:
    """The end of one and the beginning of the next may look like another."""
    table = ReceiptTable()
    table.put(5, 1, b"a" * 8 + b"b" * 8, 1)
    table.put(6, 2, b"c" * 8 + b"d" * 8, 2)
    view = table.view()
    assert [*view.places_of(b"b" * 8 + b"c" * 8)] == []
    assert [*view.places_of(b"c" * 8 + b"d" * 8)] == [6]
    assert len(view.digests) == 2 * DIGEST


def test_p12_as_many_receipts_as_there_are_packet_ids_take_little_memory() -> None:
    """A broker that confirms nothing before its whole queue is read, which is more than that: a batch on a copy each,
    and a commit after each, as intake does."""
    session = Session()
    session.connect(0.0, resumed=False)
    blocks, longest = 0, 0
    tracemalloc.start()
    for first in range(0, 80_000, 500):
        batch = session.copy()
        _deliver(batch, first, 500)
        session = batch
        changes = session.take_changes()
        longest = max(longest, *(len(text) for text in changes.blocks.values() if text is not None))
        blocks = max(blocks, len(session._blocks.places))
    now, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(session) == 65_535
    assert 2 * MIB < now < 4 * MIB
    assert most < 6 * MIB
    assert 100 < blocks <= MOST_BLOCKS
    assert longest < 80 * JOINED  # what a commit writes does not grow with what is unconfirmed
    session.confirm(range(1, 80_001))
    assert len(session) == 0
    assert [*session.take_changes().blocks.values()] == [None] * len(HEAD.validate_json(changes.head).blocks)


def _deliver(session: Session, first: int, number: int) -> None:
    for one in range(first, first + number):
        assert session.deliver(one % 65_535 + 1, digest(f"payload {one}"), dup=False, at=0.0) == "new"
