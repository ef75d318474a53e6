"""What is stored of the unconfirmed receipts of a session (`receipts`): a head, and rows of receipts."""

from collections.abc import Mapping
from dataclasses import field
from typing import Annotated

from pydantic import Field, TypeAdapter

from gateway.frozen import dataclass


@dataclass(frozen=True, slots=True)
class Head:
    """What is stored of a session beside its receipts: what its broker has shown, and where the receipts are.

    `blocks` are the first and one more than the last place of each block, in their order.
    """

    counting: bool = True
    dup_seen: bool = False
    age: float = 0.0
    reuses: bool = False
    blocks: tuple[tuple[int, int], ...] = ()


HEAD = TypeAdapter(Head)
_Digest = Annotated[str, Field(pattern="^[0-9a-f]{32}$")]
_PacketId = Annotated[int, Field(ge=1, le=0xFFFF)]
_Place = Annotated[int, Field(ge=0)]
BLOCK = TypeAdapter(tuple[tuple[_PacketId, _Digest, float | None, _Place], ...])
"""The receipts of a block, in the order of their places: packet id, digest in hexadecimal, `left_at`, place."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What is to be written of a session: its head, and blocks by their first places, None for one that is to go."""

    head: str
    blocks: Mapping[int, str | None] = field(default_factory=dict)
