"""Each documented behaviour, against the running server."""

from typing import Any

import pytest

from gateway.simulator.oden.model import OdenModel

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


# --- factories, lines, products


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


# --- intervals


async def test_a_run_is_created_with_its_product(post: Post, model: OdenModel) -> None:
    """Creating answers a list with the interval: id (start in ms, hex), type, line, times, and the new product."""
    answer = await made(post, run(name="4711", end_time="2021-04-04T11:00:00.9+02:00"))
    _, products = await post("product/search", {"name": "Pipe"})
    assert answer["id"] == format(seconds(8) * 1000, "x")
    assert answer["type"]["name"] == "RUN"
    assert answer["line"]["factory"]["name"] == "Factory A"
    assert (answer["name"], answer["start_time"], answer["end_time"]) == ("4711", EIGHT, NINE)
    assert answer["metadata"] == {"metadata_type": "run", "product": products[0]}
    assert products[0]["name"] == "Pipe"
    (kept,) = model.intervals("RUN", "Factory A", "Line 01")
    assert (kept.name, kept.start, kept.end, kept.product) == ("4711", seconds(8), seconds(9), "Pipe")
    assert model.intervals("RUN", "Factory B", "Line 01") == []


async def test_a_product_is_made_once(post: Post) -> None:
    """A second run of the same product, by name or id, uses the one that exists."""
    first = await made(post, run())
    product = first["metadata"]["product"]
    second = await made(post, run(start_time=NINE))
    third = await made(post, run(start_time=TEN, metadata={"product": {"id": product["id"]}}))
    assert second["metadata"]["product"] == third["metadata"]["product"] == product
    assert await post("product/search", {"match": "all"}) == (200, [product])


async def test_a_state_has_category_and_reason(post: Post, model: OdenModel) -> None:
    """A known category and any reason are kept; both are answered with ids, by which they can be named as well."""
    metadata = {"category": {"name": "Unplanned Downtime"}, "reason": {"name": "Jam"}, "comment": "belt"}
    first = await made(post, state(metadata=metadata))
    answered = first["metadata"]
    assert answered == {
        "metadata_type": "state",
        "category": {"id": 3, "name": "Unplanned Downtime"},
        "reason": {"id": 1, "name": "Jam"},
        "comment": "belt",
    }
    second = await made(
        post, state(start_time=NINE, metadata={"category": {"id": 3, "name": "ignored"}, "reason": {"id": 1}})
    )
    assert second["metadata"] == {name: answered[name] for name in ("metadata_type", "category", "reason")}
    kept = model.intervals("STATE", "Factory A", "Line 01")
    assert [(interval.category, interval.reason, interval.end) for interval in kept] == [
        ("Unplanned Downtime", "Jam", None)
    ] * 2


async def test_a_batch_names_its_run(post: Post) -> None:
    """A batch may be a part of a run on the same line."""
    parent = await made(post, run())
    batch = await made(post, run(type={"name": "BATCH"}, metadata={"run": {"id": parent["id"]}}))
    run_of = {name: parent[name] for name in ("id", "type", "line", "name") if name in parent}
    assert batch["metadata"] == {"metadata_type": "batch", "run": run_of}


async def test_the_same_parameters_again_do_nothing(post: Post, model: OdenModel) -> None:
    """A create that is repeated as it was answers the existing interval and makes no other."""
    first = await made(post, run(name="4711"))
    assert await made(post, run(name="4711")) == first
    assert len(model.intervals("RUN", "Factory A", "Line 01")) == 1


@pytest.mark.parametrize(
    "other",
    [{"name": "4712"}, {"end_time": NINE}, {"metadata": {"product": {"name": "Rod"}}}],
)
async def test_other_parameters_at_the_same_start_make_a_double(
    post: Post, model: OdenModel, other: dict[str, object]
) -> None:
    """A second create at a taken start second makes a second interval with the next free id: doubles can be seen."""
    first = await made(post, run(name="4711"))
    second = await made(post, run(name="4711") | other)
    assert int(second["id"], 16) == int(first["id"], 16) + 1
    kept = model.intervals("RUN", "Factory A", "Line 01")
    assert [interval.id for interval in kept] == [first["id"], second["id"]]


async def test_a_create_repeated_after_its_end_makes_a_double(post: Post, model: OdenModel) -> None:
    """Once an interval has an end, the create without one is another: the repetition is not forgiven."""
    first = await made(post, run())
    await made(post, without(run(id=first["id"], end_time=NINE), "start_time", "metadata"))
    await made(post, run())
    assert [interval.end for interval in model.intervals("RUN", "Factory A", "Line 01")] == [seconds(9), None]


async def test_an_update_changes_what_it_gives(post: Post, model: OdenModel) -> None:
    """With `id` only the given fields change; the id stays, also when the start moves."""
    first = await made(post, run(name="4711"))
    base = {"id": first["id"], "type": {"name": "RUN"}, "line": LINE}
    assert await made(post, base | {"end_time": NINE}) == first | {"end_time": NINE}
    assert await made(post, base | {"start_time": "2021-04-04T08:30:00Z"}) == first | {
        "start_time": "2021-04-04T08:30:00Z",
        "end_time": NINE,
    }
    changed = await made(post, base | {"metadata": {"product": {"name": "Rod"}}, "name": "4712"})
    assert (changed["id"], changed["name"], changed["end_time"]) == (first["id"], "4712", NINE)
    (kept,) = model.intervals("RUN", "Factory A", "Line 01")
    assert (kept.start, kept.end, kept.product) == (seconds(8) + 1800, seconds(9), "Rod")


async def test_an_update_of_metadata_keeps_the_rest_of_it(post: Post) -> None:
    """A reason can be added to a state without naming its category again."""
    first = await made(post, state())
    base = {"id": first["id"], "type": {"name": "STATE"}, "line": LINE}
    changed = await made(post, base | {"metadata": {"reason": {"name": "Jam"}}})
    assert changed["metadata"] == first["metadata"] | {"reason": {"id": 1, "name": "Jam"}}


async def test_an_update_cannot_put_the_end_before_the_start(post: Post) -> None:
    """The check holds for what would be the result, not only for the fields of one request."""
    first = await made(post, run(start_time=NINE))
    body = {"id": first["id"], "type": {"name": "RUN"}, "line": LINE, "end_time": EIGHT}
    status, answer = await post("interval/set", body)
    assert (status, answer["name"]) == (400, "end_time")


async def test_match_last_updates_the_newest(post: Post) -> None:
    """`match: last` without `id` updates the interval with the latest start, not the one made last."""
    newest = await made(post, state(start_time=NINE))
    await made(post, state(start_time=EIGHT, end_time=NINE))
    body = {"type": {"name": "STATE"}, "line": LINE, "match": "last", "end_time": TEN, "name": "night"}
    assert await made(post, body) == newest | {"end_time": TEN, "name": "night"}


async def test_types_can_be_named_by_id(post: Post) -> None:
    """The type id that is answered identifies the type."""
    first = await made(post, run())
    body = {"type": {"id": first["type"]["id"]}, "line": {"id": first["line"]["id"]}, "id": first["id"]}
    assert await post("interval/search", body) == (200, [first])


# --- interval/search


@pytest.mark.parametrize(
    ("search", "hours"),
    [
        ({"match": "all"}, [8, 9, 10]),
        ({"match": "last"}, [10]),
        ({"match": "first"}, [8]),
        ({"match": "all", "name": "b"}, [9]),
        ({"name": "b"}, [9]),
        ({"match": "all", "name": "x"}, []),
        ({"match": "all", "start_time": "2021-04-04T08:30:00Z", "end_time": "2021-04-04T08:45:00Z"}, [8]),
        ({"match": "all", "start_time": NINE, "end_time": NINE}, [8, 9]),
        ({"match": "all", "start_time": "2021-04-04T09:00:01Z", "end_time": "2021-04-04T11:00:00Z"}, [9, 10]),
        ({"match": "all", "start_time": "2030-01-01T00:00:00Z", "end_time": "2030-01-02T00:00:00Z"}, [10]),
        ({"match": "all", "end_time": "2021-04-04T07:59:59Z"}, []),
        ({"match": "all", "start_time": TEN}, [9, 10]),
    ],
)
async def test_interval_search(post: Post, search: dict[str, object], hours: list[int]) -> None:
    """Range (what overlaps it, ends included; open intervals last for ever), name, first, last and all; by start."""
    bodies = [
        state(start_time=TEN, name="c"),
        state(start_time=EIGHT, end_time=NINE, name="a"),
        state(start_time=NINE, end_time=TEN, name="b"),
    ]
    known = {answer["start_time"]: answer for answer in [await made(post, body) for body in bodies]}
    status, intervals = await post("interval/search", {"type": {"name": "STATE"}, "line": LINE, **search})
    assert status == 200
    assert intervals == [known[f"2021-04-04T{hour:02}:00:00Z"] for hour in hours]


async def test_unique_search_of_several_intervals_is_409(post: Post) -> None:
    """Without `match` a range that holds several intervals is refused."""
    await made(post, state())
    await made(post, state(start_time=NINE))
    status, answer = await post("interval/search", {"type": {"name": "STATE"}, "line": LINE})
    assert (status, answer["entity_name"], answer["num_matches"]) == (409, "interval", 2)


async def test_search_over_all_lines_of_a_factory(post: Post) -> None:
    """A line with `match: all` and a factory searches all its lines, and only those."""
    second = {"name": "Line 02", "factory": {"name": "Factory A"}}
    elsewhere = {"name": "Line 01", "factory": {"name": "Factory B"}}
    expected = [await made(post, state(line=second)), await made(post, state(start_time=NINE))]
    await made(post, state(line=elsewhere))
    body = {"type": {"name": "STATE"}, "line": {"factory": {"name": "Factory A"}, "match": "all"}, "match": "all"}
    assert await post("interval/search", body) == (200, expected)


# --- scrap and yield


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
