"""Calls that go through the running gateway: what is asked and answered survives the socket."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import GatewayError
from gateway.oden import control_handlers
from gateway.oden.classification import Answer
from gateway.oden.client import OdenClient
from gateway.oden.pace import Pace
from tests.oden.wire import SECRET, http, reply, server
from tests.peers import PATIENCE

answers = st.builds(
    Answer,
    sent=st.booleans(),
    seconds=st.floats(0, 100),
    status=st.none() | st.integers(100, 599),
    body=st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists),
    readable=st.booleans(),
    retry_after=st.none() | st.floats(0, 100),
    error=st.text(),
)


@asynccontextmanager
async def client() -> AsyncIterator[OdenClient]:
    async with (
        server(reply(http("200 OK", b'[{"id": "1"}]'))) as url,
        OdenClient(url, lambda: SECRET, PATIENCE, Pace(0.0, -0.01)) as made,
    ):
        yield made


@given(answers)
def test_an_answer_survives_the_socket(answer: Answer) -> None:
    """What the gateway got is what the command gets, through JSON."""
    told = json.loads(json.dumps(control_handlers.CALL_ANSWER.dump_python(answer, mode="json")))
    assert control_handlers.CALL_ANSWER.validate_python(told) == answer


async def test_a_question_is_one_call() -> None:
    """One item, with the answer of Oden."""
    question = control_handlers.CALL_QUESTION.dump_python(
        control_handlers.CallQuestion("line/search", "{}"), mode="json"
    )
    async with client() as made:
        (item,) = [item async for item in control_handlers.handle_call(made, question)]
    answer = control_handlers.CALL_ANSWER.validate_python(item["answer"])
    assert (answer.status, answer.body) == (200, [{"id": "1"}])


@pytest.mark.parametrize("question", [None, {}, {"path": "line/search"}, {"path": "line/paint", "body": "{}"}, [1]])
async def test_a_question_of_another_version(question: object) -> None:
    """What is not understood is refused in words, and nothing is sent."""
    async with client() as made:
        before = made.pace.wait(0.0)
        with pytest.raises(GatewayError, match="another version"):
            await anext(control_handlers.handle_call(made, question))
        assert made.pace.wait(0.0) == before
