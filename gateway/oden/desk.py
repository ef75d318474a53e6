"""What `oden-gateway call` asks the running gateway: to make one call with its own client, at its own pace.

A question is an endpoint and the text of a request, the answer one JSON object: both go through the control socket as they are.
"""

from collections.abc import AsyncGenerator
from dataclasses import dataclass

import structlog
from pydantic import TypeAdapter, ValidationError

from gateway.errors import GatewayError
from gateway.oden.answer import Answer
from gateway.oden.client import OdenClient
from gateway.oden.endpoints import ENDPOINTS

log = structlog.get_logger()

COMMAND = "call"
"""Under which the control socket takes it, beside the commands for the outbox."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The `path` of an endpoint, the text of the request, and the value of the endpoint's parameter in the address."""

    path: str
    body: str
    query: str | None = None


ASKED = TypeAdapter(Asked)
ANSWERED = TypeAdapter(Answer)


async def answer(client: OdenClient, question: object) -> AsyncGenerator[dict[str, object], None]:
    """Oden's answer, or what became of the request. GatewayError where the question is not understood."""
    try:
        asked = ASKED.validate_python(question)
        endpoint = ENDPOINTS[asked.path]
    except (ValidationError, KeyError):
        raise GatewayError("this gateway does not understand the question: it may be of another version") from None
    answered = await client.post(endpoint, asked.body, query=asked.query)
    log.info("call_made", endpoint=asked.path, status=answered.status, reason=answered.error)
    yield {"answer": ANSWERED.dump_python(answered, mode="json")}
