"""Each documented behaviour, against the running server."""

import pytest

from gateway.simulator.oden.model import OdenModel
from tests.simulator.oden.endpoint_rig import EIGHT, LINE, NINE, made, run, seconds, state, without

from .conftest import Post


async def test_lines_are_found_by_id_and_by_name_and_factory(post: Post) -> None:
    """All documented ways to identify a line find the same one."""
    _, factories = await post("factory/search", {"name": "Factory A"})
    factory = factories[0]["id"]
    _, by_name = await post("line/search", {**LINE, "match": "unique"})
    line = by_name[0]["id"]
    assert by_name == [{"id": line, "name": "Line 01", "factory": {"id": factory, "name": "Factory A"}}]
    for body in ({"id": line}, {"name": "Line 01", "factory": {"id": factory}}, {**LINE, "id": line}):
        assert await post("line/search", body) == (200, by_name)


@pytest.mark.parametrize(
    ("endpoint", "body", "names"),
    [
        ("factory/search", {"match": "all"}, ["Factory A", "Factory B"]),
        ("factory/search", {"match": "first"}, ["Factory A"]),
        ("factory/search", {"match": "last"}, ["Factory B"]),
        ("factory/search", {"name": "Factory C", "match": "all"}, []),
        ("line/search", {"factory": {"name": "Factory B"}, "match": "last"}, ["Line 40"]),
        ("product/search", {"name": "Pipe"}, []),
        ("product/search", {"match": "all"}, []),
    ],
)
async def test_match_says_which_are_answered(post: Post, endpoint: str, body: object, names: list[str]) -> None:
    """`match` gives all, the first or the last; no product is an empty list, as no 404 is documented for it."""
    status, answer = await post(endpoint, body)
    assert status == 200
    assert [entity["name"] for entity in answer] == names


async def test_all_lines_of_a_factory(post: Post) -> None:
    """`match: all` with a factory gives its 40 lines in order."""
    status, lines = await post("line/search", {"factory": {"name": "Factory A"}, "match": "all"})
    assert status == 200
    assert [line["name"] for line in lines] == [f"Line {number:02}" for number in range(1, 41)]


@pytest.mark.parametrize(
    ("endpoint", "body", "status"),
    [
        ("factory/search", {"name": "Factory C"}, 404),
        ("factory/search", {"secondary_name": "Factory A"}, 404),
        ("factory/search", {"name": "Factory A", "id": "x"}, 404),
        ("line/search", {"id": "x"}, 404),
        ("line/search", {**LINE, "name": "Line 99"}, 404),
        ("line/search", {**LINE, "factory": {"name": "Factory C"}}, 404),
        ("interval/search", {"type": {"name": "RUN"}, "line": LINE}, 404),
        ("interval/search", {"type": {"name": "RUN"}, "line": LINE, "id": "x"}, 404),
        ("interval/search", {"type": {"name": "RUN"}, "line": LINE, "match": "last"}, 404),
        ("scrap_yield/set", {"interval": run(id="x"), "data": {"raw_data": {"yield": 1}}}, 404),
        ("scrap_yield/search", {"interval": run(id="x"), "data": {"match": "ALL"}}, 404),
    ],
)
async def test_what_does_not_exist_is_404(post: Post, endpoint: str, body: object, status: int) -> None:
    """Nothing found is 404 with an error that is not retryable."""
    answered, answer = await post(endpoint, body)
    assert answered == status
    assert answer.keys() == {"error", "retryable"}
    assert answer["retryable"] is False


@pytest.mark.parametrize(
    "body",
    [
        run(line={**LINE, "name": "Line 99"}),
        run(id="178b9a1ec20"),
        run(match="last"),
        run(metadata={"product": {"id": "x"}}),
        {**run(metadata={"run": {"id": "x"}}), "type": {"name": "BATCH"}},
    ],
)
async def test_where_no_404_is_listed_it_is_400(post: Post, body: object) -> None:
    """The document lists no 404 for `interval/set`: what is not there is a wrong parameter, which is named."""
    status, answer = await post("interval/set", body)
    assert status == 400
    assert answer.keys() == {"error", "name", "retryable"}


@pytest.mark.parametrize(
    ("endpoint", "body", "entity", "matches"),
    [
        ("factory/search", {}, "factory", 2),
        ("line/search", {"factory": {"name": "Factory A"}}, "line", 40),
        ("line/search", {"name": "Line 01", "factory": {}}, "factory", 2),
        ("interval/set", run(line={"factory": {"name": "Factory A"}, "match": "all"}), "line", 40),
    ],
)
async def test_several_where_one_is_wanted_is_409(
    post: Post, endpoint: str, body: object, entity: str, matches: int
) -> None:
    """`match: unique`, the default, refuses several matches and says how many there are of what."""
    status, answer = await post(endpoint, body)
    assert status == 409
    assert answer.keys() == {"error", "entity_name", "num_matches", "retryable"}
    assert (answer["entity_name"], answer["num_matches"]) == (entity, matches)


@pytest.mark.parametrize(
    ("endpoint", "body", "name"),
    [
        ("factory/search", [], "body"),
        ("factory/search", "Factory A", "body"),
        ("factory/search", {"name": 5}, "name"),
        ("factory/search", {"match": "some"}, "match"),
        ("factory/search", {"match": None}, "match"),
        ("line/search", {"name": "Line 01"}, "id"),
        ("line/search", {"name": "Line 01", "factory": "Factory A"}, "factory"),
        ("product/search", {"name": []}, "name"),
        ("product/search", {"match": 1}, "match"),
        ("interval/set", without(run(), "type"), "type"),
        ("interval/set", without(run(), "line"), "line"),
        ("interval/set", without(run(), "start_time"), "start_time"),
        ("interval/set", without(run(), "metadata"), "metadata.product"),
        ("interval/set", run(metadata={"product": {}}), "metadata.product.name"),
        ("interval/set", run(metadata={"product": {"name": ""}}), "metadata.product.name"),
        ("interval/set", run(metadata={"product": "Pipe"}), "metadata.product"),
        ("interval/set", run(metadata={"product": {"name": "Pipe"}, "target": 5}), "metadata.target"),
        (
            "interval/set",
            run(metadata={"product": {"name": "Pipe"}, "metadata_type": "state"}),
            "metadata.metadata_type",
        ),
        ("interval/set", run(metadata=[]), "metadata"),
        ("interval/set", run(type={"name": "SHIFT"}), "type.name"),
        ("interval/set", run(type={}), "type.name"),
        ("interval/set", run(type="RUN"), "type"),
        ("interval/set", run(line={"name": "Line 01"}), "line.id"),
        ("interval/set", run(name=7), "name"),
        ("interval/set", run(id=7), "id"),
        ("interval/set", run(match="all"), "match"),
        ("interval/set", run(match="last", id="x"), "match"),
        ("interval/set", run(start_time="2021-04-04T08:00:00"), "start_time"),
        ("interval/set", run(start_time="2021-04-04 08:00:00Z"), "start_time"),
        ("interval/set", run(start_time="2021-04-04"), "start_time"),
        ("interval/set", run(start_time="2021-13-04T08:00:00Z"), "start_time"),
        ("interval/set", run(start_time="1969-12-31T23:59:59Z"), "start_time"),
        ("interval/set", run(start_time="9999-12-31T23:59:59-01:00"), "start_time"),
        ("interval/set", run(start_time=1617523200), "start_time"),
        ("interval/set", run(start_time=None), "start_time"),
        ("interval/set", run(end_time="2021-04-04T07:59:59Z"), "end_time"),
        ("interval/set", state(metadata={}), "metadata.category"),
        ("interval/set", state(metadata={"reason": {"name": "Jam"}}), "metadata.category"),
        ("interval/set", state(metadata={"category": {"name": "Holiday"}}), "metadata.category.name"),
        ("interval/set", state(metadata={"category": {"id": 99}}), "metadata.category.id"),
        ("interval/set", state(metadata={"category": {"id": True}}), "metadata.category.id"),
        ("interval/set", state(metadata={"category": {}}), "metadata.category.name"),
        ("interval/set", state(metadata={"category": {"id": 1}, "reason": {"id": 1}}), "metadata.reason.id"),
        ("interval/set", state(metadata={"category": {"id": 1}, "reason": {"name": ""}}), "metadata.reason.name"),
        ("interval/set", state(metadata={"category": {"id": 1}, "comment": 5}), "metadata.comment"),
        ("interval/search", {"line": LINE}, "type"),
        ("interval/search", {"type": {"name": "RUN"}}, "line"),
        ("interval/search", run(start_time=NINE, end_time=EIGHT, match="all"), "end_time"),
        ("scrap_yield/set", {"interval": run(id="x")}, "data"),
        ("scrap_yield/set", {"data": {"raw_data": {}}}, "interval"),
        ("scrap_yield/set", {"data": {"raw_data": {}}, "interval": run()}, "interval.id"),
        ("scrap_yield/search", {}, "interval"),
    ],
)
async def test_a_wrong_body_is_400_and_names_the_field(post: Post, endpoint: str, body: object, name: str) -> None:
    """Missing and wrong fields are refused with their place in the body, and are not retryable."""
    status, answer = await post(endpoint, body)
    assert status == 400
    assert answer.keys() == {"error", "name", "retryable"}
    assert (answer["name"], answer["retryable"]) == (name, False)


async def test_output_without_id_always_adds(post: Post, model: OdenModel) -> None:
    """The same record twice is two records, in the order sent; `match: ALL` answers both."""
    interval = await made(post, run())
    body = {"interval": interval, "data": {"raw_data": {"yield": 5}, "timestamp": NINE}}
    status, first = await post("scrap_yield/set", body)
    assert status == 200
    assert first == {"id": first["id"], "raw_data": {"yield": 5}, "timestamp": NINE}
    _, second = await post("scrap_yield/set", body)
    assert second["id"] != first["id"]
    assert await post("scrap_yield/search", {"interval": interval, "data": {"match": "ALL"}}) == (200, [first, second])
    (kept,) = model.intervals("RUN", "Factory A", "Line 01")
    assert [(entry.timestamp, entry.raw_data) for entry in model.output(kept)] == [(seconds(9), {"yield": 5})] * 2


async def test_output_with_id_is_updated(post: Post) -> None:
    """With `data.id` the given fields of that record change; a null time stamp takes it away."""
    interval = await made(post, run())
    _, entry = await post(
        "scrap_yield/set", {"interval": interval, "data": {"raw_data": {"scrap": 5}, "timestamp": NINE}}
    )
    for data, expected in (
        ({"raw_data": {"scrap": 0}}, {"raw_data": {"scrap": 0}, "timestamp": NINE}),
        ({"timestamp": None}, {"raw_data": {"scrap": 0}, "timestamp": None}),
    ):
        status, changed = await post("scrap_yield/set", {"interval": interval, "data": {"id": entry["id"], **data}})
        assert (status, changed) == (200, {"id": entry["id"], **expected})
    assert (await post("scrap_yield/search", {"interval": interval}))[1] == [changed]


async def test_raw_data_may_be_a_string_that_holds_an_object(post: Post) -> None:
    """`raw_data` is declared as a JSON string and shown as an object: both mean the same, without time stamp too."""
    interval = await made(post, run())
    status, entry = await post("scrap_yield/set", {"interval": interval, "data": {"raw_data": '{"yield": 5}'}})
    assert (status, entry["raw_data"], entry["timestamp"]) == (200, {"yield": 5}, None)


@pytest.mark.parametrize(
    ("data", "status", "name"),
    [
        ({}, 400, "data.raw_data"),
        ({"raw_data": None}, 400, "data.raw_data"),
        ({"raw_data": [1]}, 400, "data.raw_data"),
        ({"raw_data": "[1]"}, 400, "data.raw_data"),
        ({"raw_data": "{"}, 400, "data.raw_data"),
        ({"raw_data": {}, "timestamp": "2021-04-04T08:00:00"}, 400, "data.timestamp"),
        ({"raw_data": {}, "id": 7}, 400, "data.id"),
        ({"raw_data": {}, "id": "x"}, 404, None),
    ],
)
async def test_wrong_output_is_refused(post: Post, data: object, status: int, name: str | None) -> None:
    """A record needs an object as raw data, a proper time, and an id that exists where it gives one."""
    interval = await made(post, run())
    answered, answer = await post("scrap_yield/set", {"interval": interval, "data": data})
    assert (answered, answer.get("name")) == (status, name)
    assert await post("scrap_yield/search", {"interval": interval, "data": {"match": "all"}}) == (200, [])


async def test_output_belongs_to_runs_and_batches(post: Post) -> None:
    """A state takes no output, and an interval is looked for on its own line only."""
    interval = await made(post, state())
    status, answer = await post("scrap_yield/set", {"interval": interval, "data": {"raw_data": {}}})
    assert (status, answer["name"]) == (400, "interval.type")
    parent = await made(post, run())
    elsewhere = parent | {"line": {"name": "Line 02", "factory": {"name": "Factory A"}}}
    assert (await post("scrap_yield/set", {"interval": elsewhere, "data": {"raw_data": {}}}))[0] == 404


async def test_output_search_by_id_and_by_match(post: Post) -> None:
    """`data.id` finds one record; unique is refused for several, first and last choose."""
    interval = await made(post, run())
    entries = [
        (await post("scrap_yield/set", {"interval": interval, "data": {"raw_data": {"yield": number}}}))[1]
        for number in (1, 2)
    ]
    for data, expected in (({"id": entries[1]["id"]}, 1), ({"match": "first"}, 0), ({"match": "last"}, 1)):
        answer = await post("scrap_yield/search", {"interval": interval, "data": data})
        assert answer == (200, [entries[expected]])
    status, answer = await post("scrap_yield/search", {"interval": interval})
    assert (status, answer["num_matches"]) == (409, 2)
    assert (await post("scrap_yield/search", {"interval": interval, "data": {"id": "x"}}))[0] == 404
