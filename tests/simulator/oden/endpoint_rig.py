"""Bodies that the tests of endpoints send."""

from typing import Any

from .conftest import Post

LINE = {"name": "Line 01", "factory": {"name": "Factory A"}}
EIGHT = "2021-04-04T08:00:00Z"
NINE = "2021-04-04T09:00:00Z"
TEN = "2021-04-04T10:00:00Z"


def seconds(hour: int) -> int:
    return 1_617_494_400 + 3600 * hour  # 2021-04-04T00:00:00Z


def run(**fields: object) -> dict[str, object]:
    body: dict[str, object] = {"type": {"name": "RUN"}, "line": LINE, "start_time": EIGHT}
    return {**body, "metadata": {"product": {"name": "Pipe"}}, **fields}


def state(**fields: object) -> dict[str, object]:
    body: dict[str, object] = {"type": {"name": "STATE"}, "line": LINE, "start_time": EIGHT}
    return {**body, "metadata": {"category": {"name": "Uptime"}}, **fields}


def without(body: dict[str, object], *names: str) -> dict[str, object]:
    return {name: value for name, value in body.items() if name not in names}


async def made(post: Post, body: dict[str, object]) -> dict[str, Any]:
    status, answer = await post("interval/set", body)
    assert status == 200
    assert len(answer) == 1
    return dict(answer[0])
