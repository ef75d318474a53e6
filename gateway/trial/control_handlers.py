"""The control socket's command `explain`: what made one of the last records of the running gateway.

The question names a record by the beginning of its key, or a line whose newest record is meant. The answer is one JSON
object `{"cause": …}`, or none where the gateway does not remember the record.
"""

from collections.abc import AsyncGenerator
from dataclasses import dataclass

from pydantic import TypeAdapter, ValidationError

from gateway.errors import GatewayError
from gateway.mapping.provenance import ProvenanceLog, provenance_adapter

COMMAND = "explain"
"""The command's name at the control socket, beside the commands for the outbox."""


@dataclass(frozen=True, slots=True)
class ExplainQuestion:
    """Which record to explain: one whose key begins with `key`, or the newest of `line`. One of the two is given."""

    key: str | None = None
    line: str | None = None


EXPLAIN_QUESTION = TypeAdapter(ExplainQuestion)


async def answer(provenance: ProvenanceLog, question: object) -> AsyncGenerator[dict[str, object], None]:
    """Yield the cause, where it is remembered. Raises GatewayError where the question is not understood."""
    try:
        wanted = EXPLAIN_QUESTION.validate_python(question)
    except ValidationError:
        raise GatewayError("this gateway does not understand the question: it may be of another version") from None
    cause = provenance.find(wanted.key) if wanted.key else provenance.last(wanted.line or "")
    if cause is not None:
        yield {"cause": provenance_adapter().dump_python(cause, mode="json")}
