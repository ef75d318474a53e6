"""MQTT payloads, decoded."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sources.mqtt_forms import DEEPEST, LARGEST, decode, excerpt

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@given(JSON, st.booleans())
def test_json_is_its_value(value: object, ascii_only: bool) -> None:
    """Whatever JSON can say arrives as it was said, escaped or not."""
    assert decode(json.dumps(value, ensure_ascii=ascii_only).encode()) == value


@given(st.binary(max_size=300))
def test_any_bytes_decode_to_json_or_are_refused(payload: bytes) -> None:
    """No payload breaks the decoder, and what it lets through can be stored as JSON text in UTF-8."""
    try:
        value = decode(payload)
    except ValueError:
        return
    assert json.loads(json.dumps(value, ensure_ascii=False, allow_nan=False).encode()) == value


@given(st.binary(max_size=2000))
def test_an_excerpt_is_short_and_printable(payload: bytes) -> None:
    """An excerpt can go into a log line or a page whatever the payload holds."""
    text = excerpt(payload)
    assert len(text) <= 200
    assert text.isprintable()


@pytest.mark.parametrize("brackets", [("[", "]"), ('{"a":', "}")])
def test_p12_how_deep_a_payload_may_be_nested(brackets: tuple[str, str]) -> None:
    """Not as deep as this process can bear at this moment, but as it can wherever the value goes: what one part of it
    could read and the next could not would be in the way of everything for ever."""
    opening, closing = brackets

    def nested(depth: int) -> bytes:
        return f"{opening * depth}1{closing * depth}".encode()

    decode(nested(DEEPEST))
    for depth in (DEEPEST + 1, 500, *range(900, 1_000, 7), 10_000):
        with pytest.raises(ValueError, match="nested more than 100 deep"):
            decode(nested(depth))
    assert decode(b"[" + b"[]," * 1_000 + b"[]]") == [[]] * 1_001


@pytest.mark.parametrize(
    ("payload", "value"),
    [
        (b"  Jam at infeed \r\n", "Jam at infeed"),
        (b"L01:42", "L01:42"),
        (b"", ""),
        (b"42", 42),
        (b'"42"', "42"),
        ("\ufeff{}".encode(), {}),
        (b'{"qty": 3,', '{"qty": 3,'),
        (b'"\\ud83d\\ude00"', "\U0001f600"),
    ],
)
def test_text_stays_text_and_json_becomes_its_value(payload: bytes, value: object) -> None:
    """What is not JSON is text without the white space around it; a byte order mark is not part of it."""
    assert decode(payload) == value


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"\xff\x00", "not UTF-8"),
        (b'{"a": {"b": 1, "b": 1}}', "'b' twice"),
        (b'{"n": NaN}', "NaN"),
        (b"-Infinity", "-Infinity"),
        (b"[1e999]", "too large"),
        (b"9" * 5000, "5000 digits"),
        (b"[" * 100_000, "nested"),
        (b'"\\ud83d"', "half a character"),
        (b"x" * (LARGEST + 1), "bytes"),
    ],
)
def test_what_must_not_be_guessed_at_is_refused(payload: bytes, reason: str) -> None:
    """Ambiguous or unstorable payloads are refused with the reason."""
    with pytest.raises(ValueError, match=reason):
        decode(payload)
