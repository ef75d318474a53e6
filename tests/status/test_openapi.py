"""What the page's server says of itself, and whether it keeps to it, whatever is asked."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from yarl import URL

from gateway.status.actions import ACTIONS, HEADER, Actions
from gateway.status.openapi import document
from gateway.status.snapshot import Snapshot
from gateway.status.web import STATIC, StatusServer
from tests.status.test_actions import BODIES, KEY, TOKEN, Asked

PATHS: dict[str, dict[str, Any]] = document()["paths"]
READ_TOKEN = "r34d"
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE")
odd_text = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
odd_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(max_size=8), below, max_size=3),
    max_leaves=8,
)
asked_bodies = st.fixed_dictionaries(
    {},
    optional={
        "keys": st.lists(st.just(KEY) | odd_text, max_size=3) | odd_json,
        "dry": st.booleans() | odd_json,
        "oden_id": odd_text | odd_json,
        "reason": odd_text | odd_json,
        "more": odd_json,
    },
)
"""What an action is asked with, its fields right or of any kind."""


@dataclass
class Served:
    url: str
    client: aiohttp.ClientSession
    asked: Asked

    async def ask(self, method: str, path: str, **kept: Any) -> tuple[int, str, str]:
        """Status, content type, and the beginning of the body."""
        url = URL(self.url + path, encoded=True)
        async with self.client.request(method, url, allow_redirects=False, **kept) as answer:
            endless = answer.content_type == "text/event-stream"
            body = await answer.content.readany() if endless else await answer.read()
            return answer.status, answer.content_type, body.decode()


@pytest.fixture(params=[None, READ_TOKEN], ids=["open", "with a token"])
async def served(picture: Snapshot, request: pytest.FixtureRequest) -> AsyncIterator[Served]:
    asked = Asked()
    actions = Actions(TOKEN, asked)
    async with (
        StatusServer("127.0.0.1:0", lambda: picture, lambda: None, token=request.param, actions=actions) as server,
        aiohttp.ClientSession(
            headers={"Authorization": f"Bearer {request.param}"} if request.param else None
        ) as client,
    ):
        yield Served(server.url, client, asked)


def is_documented(answer: tuple[int, str, str], operation: dict[str, Any]) -> bool:
    """Whether status, type and shape of an answer are those that the document has."""
    status, content_type, body = answer
    content = operation["responses"][str(status)]["content"]
    if content_type == "application/json":
        schema = content[content_type]["schema"] | {"components": document()["components"]}
        Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(json.loads(body))
    return content_type in content


def test_the_document_is_one_of_openapi() -> None:
    """Each reference leads somewhere, each schema is one, each operation says what it answers."""
    text = json.dumps(document())
    shapes = document()["components"]["schemas"]
    for shape in shapes.values():
        Draft202012Validator.check_schema(shape)
    for name in shapes:
        assert f'"#/components/schemas/{name}"' in text
    assert document()["openapi"] == "3.1.0"


async def test_it_names_all_that_is_served(served: Served, picture: Snapshot) -> None:
    """And nothing else, but for the files of the page."""
    server = StatusServer("127.0.0.1:0", lambda: picture, lambda: None)
    routes = {resource.canonical for resource in server._application().router.resources()}
    assert routes - (STATIC.keys() - {"/", "/wall"}) == {*PATHS}
    assert json.loads((await served.ask("GET", "/api/openapi.json"))[2]) == document()


async def test_each_answer_is_as_it_says(served: Served) -> None:
    """With what an operation wants."""
    query = {"/api/line": "?key=Factory%20A/Line%2001", "/api/trend": "?since=0"}
    for path, operations in PATHS.items():
        if "get" in operations:
            answer = await served.ask("GET", path + query.get(path, ""))
            assert (path, answer[0]) == (path, 200)
            assert is_documented(answer, operations["get"])
    for action in ACTIONS:
        body = json.dumps(BODIES[action]).encode()
        headers = {"Content-Type": "application/json", HEADER: TOKEN}
        answer = await served.ask("POST", f"/api/actions/{action}", data=body, headers=headers)
        assert answer[0] == 200
        assert is_documented(answer, PATHS["/api/actions/{action}"]["post"])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100, deadline=None)
@given(
    path=st.sampled_from([*PATHS]),
    method=st.sampled_from(METHODS),
    action=st.sampled_from([*ACTIONS]) | odd_text.filter(lambda text: text.strip("./") != ""),
    query=st.lists(st.tuples(st.sampled_from(["key", "since", "x"]), odd_text | st.floats().map(str)), max_size=3),
    headers=st.dictionaries(
        st.sampled_from(["Accept", "Accept-Encoding", "Origin", "Sec-Fetch-Site", "If-None-Match", "Range", HEADER]),
        st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=12) | st.just(TOKEN),
        max_size=3,
    ),
    kind=st.sampled_from(
        ["application/json", "text/plain", "multipart/form-data", "application/x-www-form-urlencoded"]
    ),
    body=st.binary(max_size=40) | (asked_bodies | odd_json).map(lambda asked: json.dumps(asked).encode()),
    knows=st.booleans(),
)
async def test_whatever_is_asked_the_answer_is_as_it_says(
    served: Served,
    path: str,
    method: str,
    action: str,
    query: list[tuple[str, str]],
    headers: dict[str, str],
    kind: str,
    body: bytes,
    knows: bool,
) -> None:
    """Never a fault of the gateway's own; nothing is told without the token where there is one, and nothing done
    without the token for that.
    """
    served.asked.questions.clear()
    guarded = "Authorization" in served.client.headers
    place = str(URL.build(path=path.replace("{action}", action.replace("/", "x")), query=query))
    sent = headers | ({"Authorization": "Bearer guess"} if guarded and not knows else {}) | {"Content-Type": kind}
    answer = await served.ask(method, place, headers=sent, data=body if method in {"POST", "PUT", "PATCH"} else None)
    assert answer[0] < 500, answer
    if guarded and not knows and path not in {"/healthz", "/readyz"}:
        assert answer[0] == 401
    else:
        operation = PATHS[path].get("get" if method == "HEAD" else method.lower())
        if operation is None or (path, method) == ("/api/changes", "HEAD"):
            assert answer[0] == 405
        elif method != "HEAD":
            assert is_documented(answer, operation)
    assert not served.asked.questions or (path == "/api/actions/{action}" and headers.get(HEADER) == TOKEN)
