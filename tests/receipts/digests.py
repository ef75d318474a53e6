"""Digests that can be read: the text itself, filled up to the length of one."""

import hashlib

from gateway.receipt_table import DIGEST


def digest(text: str) -> bytes:
    """What stands for this text."""
    content = text.encode()
    assert len(content) <= DIGEST, f"too long for a digest: {text}"
    return content.ljust(DIGEST, b"\0")


def text(of: bytes) -> str:
    """The text that a digest stands for."""
    return of.rstrip(b"\0").decode()


def hashed(text: str) -> bytes:
    """What stands for a text of any length; it cannot be read."""
    return hashlib.blake2b(text.encode(), digest_size=DIGEST).digest()
