"""What `oden-gateway explain` asks the running gateway: what made one of its last records.

A question is the beginning of a record's key, or the key of a line whose newest record is meant; the answer one JSON object or, where
the gateway does not remember it, none. Both go through the control socket.
"""

from collections.abc import AsyncGenerator
from dataclasses import dataclass

from pydantic import TypeAdapter, ValidationError

from gateway.errors import GatewayError
from gateway.mapping.provenance import PROVENANCE, ProvenanceLog

COMMAND = "explain"
"""Under which the control socket takes it, beside the commands for the outbox."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One of the two."""

    key: str | None = None
    line: str | None = None


ASKED = TypeAdapter(Asked)


async def answer(provenance: ProvenanceLog, question: object) -> AsyncGenerator[dict[str, object], None]:
    """The cause, where it is remembered. GatewayError where the question is not understood."""
    try:
        asked = ASKED.validate_python(question)
    except ValidationError:
        raise GatewayError("this gateway does not understand the question: it may be of another version") from None
    found = provenance.find(asked.key) if asked.key else provenance.last(asked.line or "")
    if found is not None:
        yield {"cause": PROVENANCE.dump_python(found, mode="json")}
