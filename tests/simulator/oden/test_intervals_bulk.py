"""`intervals/set`, `intervals/update` and interval types, against the running server."""

import pytest

from gateway.simulator.oden.model import OdenModel
from gateway.simulator.oden.store import Interval, Organization

from .conftest import Post

LINE = {"name": "Line 01", "factory": {"name": "Factory A"}}
OPERATOR = {"name": "operator id"}
MOST = 2500
EIGHT, NINE, TEN = (f"2021-04-04T{hour:02}:00:00Z" for hour in (8, 9, 10))


@pytest.fixture
def model() -> OdenModel:
    """The plant knows one custom type."""
    return OdenModel(Organization(interval_types=("operator id",)))


def bulk(*intervals: object, **fields: object) -> dict[str, object]:
    return {"type": OPERATOR, "line": LINE, "intervals": list(intervals), **fields}


def times(number: int) -> dict[str, object]:
    minute, second = divmod(number, 60)
    return {"start_time": f"2021-04-04T{8 + minute // 60:02}:{minute % 60:02}:{second:02}Z"}


def operators(model: OdenModel) -> list[Interval]:
    return model.intervals("operator id", "Factory A", "Line 01")


# --- intervals/set


async def test_custom_intervals_are_created_together(post: Post, model: OdenModel) -> None:
    """The answer is the ids, in the order of the request; searches show the intervals with them."""
    two = [{"start_time": NINE, "end_time": TEN, "name": "Ann"}, {"start_time": EIGHT, "metadata": {"shift": 2}}]
    status, ids = await post("intervals/set", bulk(*two))
    assert status == 200
    assert [interval.id for interval in operators(model)] == [ids[1], ids[0]]
    _, intervals = await post("interval/search", {"type": OPERATOR, "line": LINE, "match": "all"})
    assert [
        (interval["id"], interval["start_time"], interval.get("end_time"), interval.get("name"))
        for interval in intervals
    ] == [
        (ids[1], EIGHT, None, None),
        (ids[0], NINE, TEN, "Ann"),
    ]
    assert intervals[0]["type"]["name"] == "operator id"
    assert intervals[0]["metadata"] == {"shift": 2, "metadata_type": "custom"}


async def test_the_largest_number_in_one_request(post: Post, model: OdenModel) -> None:
    """2,500 are created, and ended again, in one request each; 2,501 are refused and nothing is done."""
    status, ids = await post("intervals/set", bulk(*(times(number) for number in range(MOST))))
    assert (status, len(set(ids))) == (200, MOST)
    ends = [{"id": interval_id, "end_time": "2021-04-05T00:00:00Z"} for interval_id in ids]
    status, answer = await post("intervals/update", bulk(*ends))
    assert (status, answer["num_updated"], answer["num_failed"]) == (200, MOST, 0)
    assert all(interval.end for interval in operators(model))
    for endpoint, body in (
        ("intervals/set", bulk(*(times(number) for number in range(MOST + 1)))),
        ("intervals/update", bulk(*ends, ends[0])),
    ):
        status, answer = await post(endpoint, body)
        assert (status, answer["name"]) == (400, "intervals")
    assert len(operators(model)) == MOST


async def test_creating_again_makes_doubles(post: Post, model: OdenModel) -> None:
    """Nothing says that a repetition is forgiven here, so it is not: whoever repeats finds every interval twice."""
    body = bulk({"start_time": EIGHT, "name": "Ann"})
    _, first = await post("intervals/set", body)
    _, second = await post("intervals/set", body)
    assert first != second
    assert [interval.id for interval in operators(model)] == first + second


@pytest.mark.parametrize("kind", ["RUN", "BATCH", "STATE"])
async def test_built_in_types_are_not_created_in_bulk(post: Post, model: OdenModel, kind: str) -> None:
    """400 that names the type, and nothing is created."""
    metadata = {"product": {"name": "Pipe"}, "category": {"name": "Uptime"}}
    body = bulk({"start_time": EIGHT, "metadata": metadata}, type={"name": kind})
    status, answer = await post("intervals/set", body)
    assert (status, answer["name"]) == (400, "type.name")
    assert model == OdenModel(Organization(interval_types=("operator id",)))


@pytest.mark.parametrize(
    ("body", "status", "name"),
    [
        ({"type": OPERATOR, "line": LINE}, 400, "intervals"),
        (bulk(intervals={}), 400, "intervals"),
        (bulk(7), 400, "intervals.0"),
        (bulk({"start_time": EIGHT}, {}), 400, "intervals.1.start_time"),
        (bulk({"start_time": EIGHT}, {"start_time": "8 o'clock"}), 400, "intervals.1.start_time"),
        (bulk({"start_time": NINE, "end_time": EIGHT}), 400, "intervals.0.end_time"),
        (bulk({"start_time": EIGHT, "id": "x"}), 400, "intervals.0.id"),
        (bulk({"start_time": EIGHT, "type": {"name": "STATE"}}), 400, "intervals.0.type"),
        (bulk({"start_time": EIGHT, "line": {**LINE, "name": "Line 02"}}), 400, "intervals.0.line"),
        (bulk({"start_time": EIGHT}, type={"name": "shift"}), 400, "type.name"),
        (bulk({"start_time": EIGHT}, line={**LINE, "name": "Line 99"}), 404, None),
    ],
)
async def test_a_wrong_create_creates_nothing(
    post: Post, model: OdenModel, body: object, status: int, name: str | None
) -> None:
    """One wrong interval refuses all, with its place in the request."""
    answered, answer = await post("intervals/set", body)
    assert (answered, answer.get("name")) == (status, name)
    assert operators(model) == []


async def test_type_and_line_may_be_repeated_in_each(post: Post, model: OdenModel) -> None:
    """An item that says the same type and line as the request is taken."""
    status, _ = await post("intervals/set", bulk({"start_time": EIGHT, "type": OPERATOR, "line": LINE}))
    assert (status, len(operators(model))) == (200, 1)


# --- intervals/update


async def test_ends_of_several_states_in_one_request(post: Post, model: OdenModel) -> None:
    """Built-in types are updated in bulk; the answer counts and shows them, only what is given changes."""
    state = {"type": {"name": "STATE"}, "line": LINE, "metadata": {"category": {"name": "Uptime"}}}
    made = [(await post("interval/set", state | {"start_time": start}))[1][0] for start in (EIGHT, NINE)]
    ends = [{"id": made[0]["id"], "end_time": NINE}, {"id": made[1]["id"], "end_time": TEN, "name": "b"}]
    status, answer = await post("intervals/update", bulk(*ends, type={"name": "STATE"}))
    assert status == 200
    assert answer == {
        "num_updated": 2,
        "updated_intervals": [made[0] | {"end_time": NINE}, made[1] | {"end_time": TEN, "name": "b"}],
        "num_failed": 0,
        "failed_intervals": [],
    }
    kept = model.intervals("STATE", "Factory A", "Line 01")
    assert [(interval.name, interval.category) for interval in kept] == [(None, "Uptime"), ("b", "Uptime")]


async def test_failures_are_told_one_by_one(post: Post, model: OdenModel) -> None:
    """What cannot be updated is listed with its id and why, and does not keep the others from it."""
    _, (first, second) = await post("intervals/set", bulk({"start_time": EIGHT}, {"start_time": NINE}))
    items = [
        {"id": "x", "end_time": TEN},
        {"id": first, "end_time": NINE},
        {"id": second, "end_time": EIGHT},
        {"id": second, "name": 7},
        {"id": second, "line": {**LINE, "name": "Line 02"}},
        {"id": second, "metadata": {"metadata_type": "run"}},
    ]
    status, answer = await post("intervals/update", bulk(*items))
    assert status == 200
    assert (answer["num_updated"], [each["id"] for each in answer["updated_intervals"]]) == (1, [first])
    assert (answer["num_failed"], [each["id"] for each in answer["failed_intervals"]]) == (
        5,
        ["x", second, second, second, second],
    )
    assert all(each.keys() == {"id", "error"} and each["error"] for each in answer["failed_intervals"])
    assert [interval.end is None for interval in operators(model)] == [False, True]


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ({"type": OPERATOR, "line": LINE}, "intervals"),
        (bulk({"end_time": TEN}), "intervals.0.id"),
        (bulk({"id": 5}), "intervals.0.id"),
        (bulk({"id": "x"}, type={"name": "shift"}), "type.name"),
        (bulk({"id": "x"}, line={**LINE, "name": "Line 99"}), "line"),
    ],
)
async def test_a_wrong_update_is_400_and_never_404(post: Post, body: object, name: str) -> None:
    """The document lists no 404 here: one would mean that the endpoint itself is not there."""
    status, answer = await post("intervals/update", body)
    assert (status, answer["name"]) == (400, name)


async def test_nothing_to_do_is_a_success(post: Post) -> None:
    """Empty lists are answered with empty results."""
    assert await post("intervals/set", bulk()) == (200, [])
    status, answer = await post("intervals/update", bulk())
    assert (status, answer["num_updated"], answer["num_failed"]) == (200, 0, 0)


# --- interval types


async def test_types_are_found_and_made(post: Post) -> None:
    """Built-in and known types are there; a new one can be used at once, by name and by id."""
    _, types = await post("interval_type/search", {"match": "all"})
    assert [each["name"] for each in types] == ["RUN", "BATCH", "STATE", "operator id"]
    assert await post("interval_type/search", {"name": "operator id"}) == (200, [types[3]])
    status, shift = await post("interval_type/set", {"name": "shift", "tags": None, "metadata_schema": "{}"})
    assert (status, shift.keys()) == (200, {"id", "name"})
    assert await post("interval_type/search", {"id": shift["id"]}) == (200, [shift])
    status, _ = await post("intervals/set", bulk({"start_time": EIGHT}, type={"id": shift["id"]}))
    assert status == 200
    assert await post("interval_type/set", {"id": shift["id"], "tags": ["a"]}) == (200, shift)


@pytest.mark.parametrize(
    ("endpoint", "body", "status"),
    [
        ("interval_type/set", {}, 400),
        ("interval_type/set", {"name": ""}, 400),
        ("interval_type/set", {"name": "RUN"}, 400),
        ("interval_type/set", {"name": "operator id"}, 400),
        ("interval_type/set", {"name": "shift", "tags": "a"}, 400),
        ("interval_type/set", {"id": "x"}, 404),
        ("interval_type/search", {"name": "shift"}, 404),
        ("interval_type/search", {}, 409),
        ("interval/set", {"type": {"name": "shift"}, "line": LINE, "start_time": EIGHT}, 400),
        ("interval/search", {"type": {"name": "Operator ID"}, "line": LINE, "match": "all"}, 400),
    ],
)
async def test_wrong_types_are_refused(post: Post, model: OdenModel, endpoint: str, body: object, status: int) -> None:
    """Unknown types are refused everywhere, names are taken as they are written, and nothing changes."""
    assert (await post(endpoint, body))[0] == status
    assert model == OdenModel(Organization(interval_types=("operator id",)))


async def test_a_type_is_not_renamed_and_a_built_in_one_not_set(post: Post) -> None:
    """With `id`, a name is refused; the ids of RUN, BATCH and STATE are refused."""
    _, types = await post("interval_type/search", {"match": "all"})
    for body in ({"id": types[3]["id"], "name": "crew"}, {"id": types[0]["id"]}):
        assert (await post("interval_type/set", body))[0] == 400


async def test_one_custom_interval_is_set_and_updated_singly(post: Post, model: OdenModel) -> None:
    """`interval/set` knows custom types as well; the same parameters again do nothing there."""
    body = {"type": OPERATOR, "line": LINE, "start_time": EIGHT, "name": "Ann"}
    _, (first,) = await post("interval/set", body)
    assert (await post("interval/set", body))[1] == [first]
    _, (ended,) = await post("interval/set", {"type": OPERATOR, "line": LINE, "id": first["id"], "end_time": NINE})
    assert ended == first | {"end_time": NINE}
    assert len(operators(model)) == 1
