"""One walk through the whole API: every example of the document, and requests of ours for what has none, from client to
stand-in.

Each request goes over a socket, to a stand-in of its own that holds what the examples name. What is sent and what is
answered is read off the wire and judged by the document.
"""

import asyncio
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

from gateway.oden import exchange
from gateway.oden.client import OdenClient
from gateway.oden.endpoints import ENDPOINTS
from gateway.oden.errors import OdenError
from gateway.oden.pace import Pace
from gateway.simulator.oden.server import listening, make_app
from tests.contract.document import Example, Node, component_schemas, operations, request_examples, resolved
from tests.contract.quirks import UNDESCRIBED, answer_faults, reading, request_faults
from tests.contract.stage import OURS, stand_in

TOKEN = "not-a-real-token"


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request on the wire, and its answer."""

    path: str
    request: Any
    status: int
    answer: Any

    def faults(self) -> list[str]:
        """What the document has against either."""
        return request_faults(self.path, self.request) + answer_faults(self.path, self.status, self.answer)

    def schemas(self) -> Iterator[str]:
        """The named schemas that have a value in either."""
        asked = operations(reading("request"))[self.path]["requestBody"]["content"]["application/json"]["schema"]
        yield from _schemas(reading("request"), asked, self.request)
        source = reading("answer")
        described = resolved(source, operations(source)[self.path]["responses"].get(str(self.status), {})).get(
            "content"
        )
        given = described["application/json"]["schema"] if described else UNDESCRIBED.get(self.path, {})
        yield from _schemas(source, given, self.answer)


def _schemas(source: Node, schema: Node, value: Any) -> Iterator[str]:
    if "$ref" in schema:
        yield schema["$ref"].rpartition("/")[2]
        schema = resolved(source, schema)
    if isinstance(value, list):
        for one in value:
            yield from _schemas(source, schema.get("items", {}), one)
    elif isinstance(value, dict):
        for name, one in value.items():
            part = schema.get("properties", {}).get(name, {})
            for chosen in [part, *(other for other in _others(part) if _speaks_of(resolved(source, other), one))]:
                yield from _schemas(source, chosen, one)


def _others(part: Node) -> list[Node]:
    return [*part.get("oneOf", ()), *part.get("anyOf", ())]


def _speaks_of(schema: Node, value: Any) -> bool:
    """Whether one of several schemas has fields that `value` has; of a field with one value only, that."""
    fields = schema.get("properties", {})
    return isinstance(value, dict) and any(
        value[name] in fields[name].get("enum", [value[name]]) for name in fields.keys() & value
    )


async def send(example: Example, token: str = TOKEN) -> tuple[Exchange, OdenError | None]:
    """Send `example` with the client; what was on the wire, and the client's error where it was no success."""
    seen: list[Exchange] = []

    @web.middleware
    async def watch(request: web.Request, handler: Handler) -> web.StreamResponse:
        body = json.loads(await request.read())
        answer = await handler(request)
        assert isinstance(answer, web.Response)
        assert isinstance(answer.body, bytes)
        path = request.path.removeprefix("/v2/")
        seen.append(Exchange(path, body, answer.status, json.loads(answer.body)))
        return answer

    endpoint, failed = ENDPOINTS[example.path], None
    async with (
        listening(make_app(stand_in(example), TOKEN, middlewares=[watch]), "127.0.0.1", 0) as url,
        OdenClient(url, lambda: token, pace=Pace(time.monotonic() - 1, -0.01)) as oden,
    ):
        try:
            await oden.call(endpoint, exchange.request(endpoint, example.value))
        except OdenError as error:
            failed = error
    (one,) = seen
    return one, failed


@dataclass(frozen=True, slots=True)
class Walk:
    """What became of every request, and what the client made of a token that is not valid, at every endpoint."""

    made: dict[str, tuple[Exchange, OdenError | None]]
    refused: dict[str, tuple[Exchange, OdenError | None]]

    def endpoints(self) -> set[str]:
        """Those that answered a success."""
        return {one.path for one, error in self.made.values() if error is None}

    def schemas(self) -> set[str]:
        """Those that had a value in a request or an answer."""
        every = [*self.made.values(), *self.refused.values()]
        return {name for one, _ in every for name in one.schemas()}

    def told(self) -> str:
        """What was covered, in one sentence."""
        examples = {str(example) for example in request_examples()} & self.made.keys()
        return (
            f"{len(self.endpoints())} of {len(operations())} endpoints,"
            f" {len(self.schemas())} of {len(component_schemas())} schemas"
            f" and {len(examples)} of {len(request_examples())} request examples"
            " went from the client to the stand-in and back."
        )


def walk() -> Walk:
    """Send everything, one by one."""

    async def whole() -> Walk:
        requests = [*request_examples(), *OURS]
        made = {str(one): await send(one) for one in requests}
        refused = {one.path: await send(one, "another-token") for one in requests}
        return Walk(made, refused)

    return asyncio.run(whole())
