"""Intervals at the stand-in: what makes one, what changes one, and which are found."""

import pytest

from gateway.simulator.oden.model import OdenModel
from tests.simulator.oden.endpoint_rig import EIGHT, LINE, NINE, TEN, made, run, seconds, state, without

from .conftest import Post


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
