"""The messages that could not be used, kept whole: a ring of SLOTS, of which the oldest go where all have more than
MOST_BYTES.

    reject/SLOT    what is known of one: its number, where it came from, why it could not be used
    payload/SLOT   what it said

A message is known by its number, which no other ever has; its slot is the number modulo SLOTS. It enters in the
transaction that would have stored what it means, and leaves in the one that does, or by a person's word.
"""

import base64
import json
from collections.abc import Callable, Collection, Iterator

from pydantic import TypeAdapter

from gateway.frozen import replace
from gateway.model import KeptReject, KeptRejects, Reject
from gateway.outbox.entries import Commit
from gateway.outbox.transaction import Transaction

SLOTS = 1_000
"""Messages that are kept."""
MOST_BYTES = 16 * 2**20
"""Bytes of payloads that are kept."""
LONGEST_REASON = 500

ReadRow = Callable[[str], str | None]

KEPT_REJECT = TypeAdapter(KeptReject)


def take(transaction: Transaction, commit: Commit) -> None:
    """Put what `commit` says of such messages into its transaction."""
    transaction.totals.rejects += commit.refused
    for number, reject in commit.replayed.items():
        known = _find(transaction.row, number)
        if reject is None:
            remove(transaction, number)
        elif known is not None:
            changed = replace(known, reason=reject.reason[:LONGEST_REASON], lines=reject.lines, wanted=False)
            transaction.put[_head(number)] = KEPT_REJECT.dump_json(changed).decode()
    for reject in commit.rejects:
        _keep(transaction, reject)
    if commit.rejects_left_out:
        totals = transaction.totals.kept_rejects
        transaction.totals.kept_rejects = replace(totals, left_out=totals.left_out + commit.rejects_left_out)


def remove(transaction: Transaction, number: int) -> bool:
    """Take a message out; False where it is not there (any more)."""
    known = _find(transaction.row, number)
    if known is None:
        return False
    for key in (_head(number), _payload(number)):
        transaction.drop.add(key)
        transaction.put.pop(key, None)
    totals = transaction.totals.kept_rejects
    transaction.totals.kept_rejects = replace(totals, number=totals.number - 1, bytes=totals.bytes - known.size)
    return True


def want(transaction: Transaction, number: int) -> bool:
    """Have a message replayed when the gateway starts; False where it is not there (any more)."""
    known = _find(transaction.row, number)
    if known is not None:
        transaction.put[_head(number)] = KEPT_REJECT.dump_json(replace(known, wanted=True)).decode()
    return known is not None


def newest(row: ReadRow, totals: KeptRejects, number: int) -> Iterator[KeptReject]:
    """The newest messages in the store, so many at the most, newest first. `row` reads a row."""
    left = min(number, totals.number)
    for place in range(totals.next - 1, totals.first - 1, -1):
        if not left:
            return
        known = _find(row, place)
        if known is not None:
            left -= 1
            yield known


def between(row: ReadRow, first: int, last: int) -> list[KeptReject]:
    """The messages in the store with the numbers from `first` to `last`, in this order."""
    found = (_find(row, number) for number in range(first, last + 1))
    return [known for known in found if known is not None]


def whole(row: ReadRow, number: int) -> tuple[KeptReject, bytes] | None:
    """A message in the store and its payload; None where it is not there (any more)."""
    known, text = _find(row, number), row(_payload(number))
    if known is None or text is None:
        return None
    said: str = json.loads(text)
    return known, base64.b64decode(said) if known.encoded else said.encode()


def counted(kept: Collection[KeptReject], totals: KeptRejects) -> KeptRejects:
    """`totals` with the figures of the messages that are kept now, whatever `totals` said of them."""
    numbers = [each.number for each in kept]
    return replace(
        totals,
        next=max([totals.next, *(number + 1 for number in numbers)]),
        first=min(numbers, default=totals.next),
        number=len(kept),
        bytes=sum(each.size for each in kept),
    )


def _keep(transaction: Transaction, reject: Reject) -> None:
    number, size = transaction.totals.kept_rejects.next, len(reject.payload)
    while (totals := transaction.totals.kept_rejects).first < number and (
        number - totals.first >= SLOTS or totals.bytes + size > MOST_BYTES
    ):
        dropped = int(remove(transaction, totals.first))
        left = transaction.totals.kept_rejects
        transaction.totals.kept_rejects = replace(left, first=totals.first + 1, dropped=left.dropped + dropped)
    try:
        said, encoded = reject.payload.decode(), False
    except UnicodeDecodeError:
        said, encoded = base64.b64encode(reject.payload).decode(), True
    known = KeptReject(
        number,
        reject.at,
        reject.source,
        reject.address,
        reject.reason[:LONGEST_REASON],
        size,
        reject.lines,
        reject.retained,
        reject.part,
        encoded,
        read_as=reject.read_as,
    )
    transaction.put[_head(number)] = KEPT_REJECT.dump_json(known).decode()
    transaction.put[_payload(number)] = json.dumps(said, ensure_ascii=False)
    transaction.totals.kept_rejects = replace(
        totals, next=number + 1, number=totals.number + 1, bytes=totals.bytes + size
    )


def _find(row: ReadRow, number: int) -> KeptReject | None:
    text = row(_head(number))
    known = KEPT_REJECT.validate_json(text) if text else None
    return known if known is not None and known.number == number else None


def _head(number: int) -> str:
    return f"reject/{number % SLOTS}"


def _payload(number: int) -> str:
    return f"payload/{number % SLOTS}"
