"""What can be done on the page, and by whom, on a real socket."""

import json
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import make_mocked_request
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from yarl import URL

from gateway.errors import OutboxError
from gateway.outbox.control_handlers import QUESTION, Question
from gateway.status.actions import ACTIONS, HEADER, MOST_BODY, MOST_KEYS, Actions, is_safe
from gateway.status.snapshot import Snapshot
from gateway.status.web import StatusServer

TOKEN = "0123456789abcdef"
KEY = "01KAQ3V5ZP4K7R0000000000AA"
JSON = {"Content-Type": "application/json", HEADER: TOKEN}


@dataclass
class Asked:
    """Who holds the outbox: what was asked, and what is answered."""

    questions: list[tuple[str, Question]] = field(default_factory=list)
    answer: dict[str, object] = field(default_factory=lambda: {"done": 1})
    error: str | None = None

    async def __call__(self, command: str, question: object) -> AsyncGenerator[dict[str, object], None]:
        self.questions.append((command, QUESTION.validate_python(question)))
        if self.error is not None:
            raise OutboxError(self.error)
        yield self.answer


@dataclass
class Served:
    asked: Asked
    url: str
    client: aiohttp.ClientSession

    async def post(self, path: str, body: object, headers: dict[str, str] = JSON) -> tuple[int, Any]:
        text = body if isinstance(body, bytes) else json.dumps(body).encode()
        async with self.client.post(self.url + path, data=text, headers=headers) as answer:
            return answer.status, json.loads(await answer.text())


@pytest.fixture
async def served(picture: Snapshot) -> AsyncIterator[Served]:
    asked = Asked()
    async with (
        StatusServer("127.0.0.1:0", lambda: picture, lambda: None, actions=Actions(TOKEN, asked)) as server,
        aiohttp.ClientSession() as client,
    ):
        yield Served(asked, server.url, client)


BODIES: dict[str, dict[str, object]] = {
    "retry": {"keys": [KEY]},
    "retry_all": {},
    "drop": {"keys": [KEY], "dry": True},
    "settle": {"keys": [KEY], "oden_id": "5f1c"},
    "acknowledge": {},
    "pause": {"reason": "lines are renamed"},
    "resume": {},
}


@pytest.mark.parametrize("action", [*ACTIONS])
async def test_an_action_is_the_command_of_the_same_meaning(served: Served, action: str) -> None:
    """It reaches whoever holds the outbox as the question that `oden-gateway outbox` asks, with who asks."""
    body = BODIES[action]
    assert await served.post(f"/api/actions/{action}", body) == (200, {"done": 1})
    [(command, question)] = served.asked.questions
    assert command == ACTIONS[action][0]
    assert question.by == "the page, from 127.0.0.1"
    assert question.wanted.keys == frozenset(KEY for _ in [1] if "keys" in body)
    assert (question.dry, question.acknowledge) == (action == "drop", action == "acknowledge")
    assert (question.oden_id, question.reason) == (body.get("oden_id"), body.get("reason", ""))


async def test_what_cannot_be_done_is_said(served: Served) -> None:
    """The command's own sentence."""
    served.asked.error = "no record here has this key"
    assert await served.post("/api/actions/retry", {"keys": [KEY]}) == (409, {"error": served.asked.error})


WRONG = [
    pytest.param("drop", {}, 400, id="nothing named"),
    pytest.param("retry", {"keys": []}, 400, id="an empty list is not all"),
    pytest.param("settle", {"keys": [KEY, KEY]}, 400, id="two"),
    pytest.param("retry_all", {"keys": [KEY]}, 400, id="all, and one"),
    pytest.param("retry", {"keys": [KEY], "all": True}, 400, id="an unknown word"),
    pytest.param("retry", {"keys": ["01"]}, 400, id="half a key"),
    pytest.param("retry", {"keys": [KEY] * (MOST_KEYS + 1)}, 400, id="too many"),
    pytest.param("retry", [KEY], 400, id="no object"),
    pytest.param("pause", b"", 400, id="nothing"),
    pytest.param("pause", b"[" * 40_000, 400, id="deep"),
    pytest.param("pause", b" " * (MOST_BODY + 1), 413, id="long"),
    pytest.param("verify", {}, 404, id="another command"),
    pytest.param("import", {}, 404, id="a command that is none of the page's"),
]


@pytest.mark.parametrize(("action", "body", "status"), WRONG)
async def test_what_is_not_meant_so_is_refused(served: Served, action: str, body: object, status: int) -> None:
    """With a reason, and nothing is done."""
    answered, said = await served.post(f"/api/actions/{action}", body)
    assert (answered, [*said]) == (status, ["error"])
    assert served.asked.questions == []


REFUSED = [
    pytest.param({"Content-Type": "application/json"}, 401, id="no token"),
    pytest.param(JSON | {HEADER: TOKEN[:-1]}, 401, id="another token"),
    pytest.param(JSON | {HEADER: ""}, 401, id="an empty token"),
    pytest.param({"Content-Type": "application/json", "Authorization": f"Bearer {TOKEN}"}, 401, id="where it is not"),
    pytest.param(JSON | {"Content-Type": "text/plain"}, 415, id="what a form can send"),
    pytest.param(JSON | {"Origin": "http://evil.example"}, 403, id="another origin"),
    pytest.param(JSON | {"Origin": "null"}, 403, id="no origin that has a name"),
    pytest.param(JSON | {"Origin": "http://127.0.0.1:1"}, 403, id="another port"),
    pytest.param(JSON | {"Sec-Fetch-Site": "cross-site"}, 403, id="from another site"),
    pytest.param(JSON | {"Sec-Fetch-Site": "none"}, 403, id="from an address bar"),
    pytest.param(JSON | {"X-Forwarded-Proto": "http"}, 403, id="through a web server without TLS"),
    pytest.param(JSON | {"Host": "evil.example"}, 421, id="a name that was pointed here"),
]


@pytest.mark.parametrize(("headers", "status"), REFUSED)
@pytest.mark.parametrize("action", ["resume", "drop", "nothing"])
async def test_nobody_else_can_act(served: Served, headers: dict[str, str], status: int, action: str) -> None:
    """Not without the token, not from another page; which actions there are is not told either."""
    async with served.client.post(
        f"{served.url}/api/actions/{action}", data=b'{"keys": []}', headers=headers
    ) as answer:
        assert answer.status == status
        assert TOKEN not in await answer.text()
    assert served.asked.questions == []


async def test_the_page_itself_can_act(served: Served) -> None:
    """With what a browser sends of its own accord."""
    headers = JSON | {"Origin": served.url, "Sec-Fetch-Site": "same-origin"}
    assert (await served.post("/api/actions/resume", {}, headers))[0] == 200


async def test_other_methods_do_nothing(served: Served) -> None:
    """A link or an image could otherwise act."""
    for method in ("GET", "PUT", "DELETE", "OPTIONS"):
        async with served.client.request(method, f"{served.url}/api/actions/resume", headers=JSON) as answer:
            assert answer.status == 405
            assert "Access-Control-Allow-Origin" not in answer.headers
    assert served.asked.questions == []


async def test_without_a_token_in_the_configuration_nothing_can_be_done(picture: Snapshot) -> None:
    """The page is told why, and so is who tries, whatever he sends as the token."""
    async with StatusServer("127.0.0.1:0", lambda: picture, lambda: None) as server, aiohttp.ClientSession() as client:
        async with client.get(server.url + "/api/actions") as answer:
            said = await answer.json()
        assert said["actions"] == []
        assert "actions_token" in said["why_not"]
        for token in ("", "None", TOKEN):
            async with client.post(server.url + "/api/actions/pause", json={}, headers={HEADER: token}) as answer:
                assert answer.status == 403


async def test_the_page_is_told_what_can_be_done(served: Served) -> None:
    """So that it shows buttons where they work."""
    async with served.client.get(served.url + "/api/actions") as answer:
        assert await answer.json() == {"actions": [*ACTIONS], "why_not": None}


@pytest.mark.parametrize(
    ("remote", "headers", "safe"),
    [
        ("127.0.0.1", {}, True),
        ("::1", {}, True),
        ("::ffff:127.0.0.1", {}, True),
        ("10.1.4.20", {}, False),
        ("10.1.4.20", {"X-Forwarded-Proto": "https"}, False),
        ("127.0.0.1", {"X-Forwarded-Proto": "https"}, True),
        ("127.0.0.1", {"X-Forwarded-Proto": "http"}, False),
        ("127.0.0.1", {"Forwarded": "proto=https"}, False),
        ("", {}, False),
    ],
)
def test_plain_http_is_for_this_machine_alone(remote: str, headers: dict[str, str], *, safe: bool) -> None:
    """Else whoever listens on the network would have the token."""
    request = make_mocked_request("POST", "/api/actions/pause", headers=headers).clone(remote=remote)
    assert is_safe(request) is safe


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    action=st.sampled_from([*ACTIONS, "verify", "..", "a/b"]) | st.text(max_size=8),
    body=st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=9) | st.just(KEY),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["keys", "dry", "oden_id", "reason", "x"]), inner, max_size=4)
        ),
        max_leaves=6,
    ).map(lambda made: json.dumps(made).encode())
    | st.binary(max_size=30),
    token=st.sampled_from([TOKEN, None]),
)
async def test_whatever_is_asked_there_is_an_answer(
    served: Served, action: str, body: bytes, token: str | None
) -> None:
    """Never a fault of the gateway's own, and nothing is done without the token."""
    served.asked.questions.clear()
    headers = {"Content-Type": "application/json"} | ({HEADER: token} if token else {})
    url = URL(served.url) / "api" / "actions" / (action.replace("/", "") or "x")
    async with served.client.post(url, data=body, headers=headers) as answer:
        assert answer.status in {200, 400, 401, 404, 405, 421}
    assert token or not served.asked.questions
