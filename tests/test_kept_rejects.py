"""How many of the messages that could not be used are kept: a flood is counted, what others say is kept."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.model import Reject
from gateway.rejects import (
    BYTES_PER_MINUTE,
    LARGEST,
    MOST_AT_ONCE,
    MOST_BYTES_AT_ONCE,
    MOST_KINDS,
    MOST_OF_KIND,
    OF_KIND_PER_MINUTE,
    PER_MINUTE,
    Allowance,
    payload_of,
)
from gateway.sources.mqtt_forms import decode


def reject(topic: str = "l01/order", reason: str = "order is missing: {}", size: int = 100) -> Reject:
    return Reject("floor", topic, b"x" * size, 0.0, reason)


def test_p12_a_flood_is_kept_slowly_and_others_are_kept() -> None:
    """300 a second of one rubbish for ten minutes, with numbers in the reason that differ; a rare message of another
    topic is kept each time."""
    allowance, kept, others = Allowance(), 0, 0
    for second in range(600):
        for number in range(300):
            kept += allowance.admits(reject(reason=f"has {second} at byte {number}: x"), second + number / 300)
        if second % 60 == 0:
            others += allowance.admits(reject("l02/order"), float(second + 1))
    assert kept <= MOST_OF_KIND + 10 * OF_KIND_PER_MINUTE
    assert others == 10


def test_p12_so_many_topics_that_each_is_new_share_what_there_is() -> None:
    """A sender that makes up topics wears the flash no more than another, and costs no memory."""
    allowance = Allowance()
    kept = sum(allowance.admits(reject(f"t/{number}"), number / 1_000) for number in range(60_000))
    assert kept <= MOST_AT_ONCE + PER_MINUTE
    assert len(allowance._kinds) <= MOST_KINDS


def test_p12_bytes_are_bounded_too() -> None:
    """Large payloads of ten topics for an hour; one that is larger than any message is never kept."""
    allowance, written = Allowance(), 0
    for second in range(3_600):
        for topic in range(10):
            written += 2**18 if allowance.admits(reject(f"t/{topic}", size=2**18), float(second)) else 0
    assert written <= MOST_BYTES_AT_ONCE + 60 * BYTES_PER_MINUTE
    assert not Allowance().admits(reject(size=LARGEST + 1), 0.0)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(JSON | st.binary(max_size=40))
def test_what_is_kept_of_a_message_is_read_as_the_same(value: object) -> None:
    """Whatever it says: text as it is, everything else as JSON."""
    if isinstance(value, bytes):
        try:
            value = decode(value)
        except ValueError:
            return
    assert decode(payload_of(value)) == value
