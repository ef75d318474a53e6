"""Answers `oden-gateway call` over the control socket: the running gateway makes the call with its own client and pace.

A question is an endpoint and the text of a request, the answer one JSON object: both go through the socket as they are.
"""

from collections.abc import AsyncGenerator
from dataclasses import dataclass

import structlog
from pydantic import TypeAdapter, ValidationError

from gateway.errors import GatewayError
from gateway.oden.classification import Answer
from gateway.oden.client import OdenClient
from gateway.oden.endpoints import ENDPOINTS

log = structlog.get_logger()

CALL = "call"
"""The name of the command on the control socket, beside those for the outbox."""


@dataclass(frozen=True, slots=True)
class CallQuestion:
    """The `path` of an endpoint, the text of the request, and the value of the endpoint's parameter in the address."""

    path: str
    body: str
    query: str | None = None


CALL_QUESTION = TypeAdapter(CallQuestion)
CALL_ANSWER = TypeAdapter(Answer)


async def handle_call(client: OdenClient, question: object) -> AsyncGenerator[dict[str, object], None]:
    """Oden's answer, or what became of the request. GatewayError where the question is not understood."""
    try:
        call = CALL_QUESTION.validate_python(question)
        endpoint = ENDPOINTS[call.path]
    except (ValidationError, KeyError):
        raise GatewayError("this gateway does not understand the question: it may be of another version") from None
    answer = await client.post(endpoint, call.body, query=call.query)
    log.info("call_made", endpoint=call.path, status=answer.status, reason=answer.error)
    yield {"answer": CALL_ANSWER.dump_python(answer, mode="json")}
