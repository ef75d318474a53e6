"""The table of endpoints, and that everything else goes by it."""

import inspect
import typing

import pytest

from gateway.oden import endpoints
from gateway.oden.endpoints import ENDPOINTS, Call
from gateway.oden.models import Model
from gateway.oden.objects import Objects

OVERVIEW = """
interval/delete interval/search interval/set interval_type/search intervals/delete intervals/set factory/search
line/search metric_group/search oql/query product_attribute/search product_attribute/set product_mapping/search
product_mapping/set product/delete product/search product/set quality_schema/search quality_test/delete
quality_test/search quality_test/set quality_tests/delete scrap_yield/delete scrap_yield/search scrap_yield/set
target/search target/set
"""
NEWER = """
interval/update intervals/update interval_type/set interval_type/delete dashboard/execute maintenance_work_order/search
maintenance_work_order/set maintenance_work_order/delete
"""


async def nobody(endpoint: object, request: object, query: str | None = None) -> typing.Any:
    raise AssertionError("nothing is called here")


METHODS = [
    (f"{name}/{action}", method)
    for name, group in vars(Objects(nobody)).items()
    for action, method in inspect.getmembers(group, inspect.iscoroutinefunction)
    if not action.startswith("_")
]


def test_every_endpoint_of_the_document_is_there_once() -> None:
    """The 27 of the overview text and the 8 newer ones, each under its path and as a constant with its name."""
    assert sorted(ENDPOINTS) == sorted([*OVERVIEW.split(), *NEWER.split()])
    assert len(ENDPOINTS) == 35
    for path, endpoint in ENDPOINTS.items():
        assert getattr(endpoints, path.replace("/", "_").upper()) is endpoint


def test_every_endpoint_is_a_method() -> None:
    """The 35 methods are the 35 endpoints, no more."""
    assert sorted(path for path, _ in METHODS) == sorted(ENDPOINTS)


@pytest.mark.parametrize(("path", "method"), METHODS, ids=[path for path, _ in METHODS])
def test_a_method_has_the_types_of_the_table(path: str, method: object) -> None:
    """What a method takes and gives, and its parameter for the address, are what the table says."""
    hints = typing.get_type_hints(method)
    endpoint = ENDPOINTS[path]
    assert hints.pop("return") == endpoint.gives
    assert hints.pop("request") == endpoint.takes
    names = {"pattern": "pattern", "format": "format", None: None}[endpoint.query]
    assert set(hints) == ({names} if names else set())


@pytest.mark.parametrize("endpoint", ENDPOINTS.values(), ids=list(ENDPOINTS))
def test_every_row_is_whole(endpoint: Call[Model, object]) -> None:
    """A sentence for people; by its action it reads, changes or deletes; what only reads may be repeated."""
    assert 10 < len(endpoint.does) < 100
    assert (endpoint.action in ("search", "query", "execute")) == (endpoint.effect == "reads")
    assert (endpoint.action == "delete") == endpoint.deletes
    if endpoint.effect in ("reads", "deletes", "changes"):
        assert endpoint.may_repeat({})


def test_what_may_be_repeated() -> None:
    """A creation may not, unless what it sets is found again: by its id, or by what it is about."""
    allowed = {
        path: (endpoint.may_repeat({"data": {}}), endpoint.may_repeat({"id": "1", "data": {"id": "1"}}))
        for path, endpoint in ENDPOINTS.items()
        if endpoint.effect in ("sets", "creates")
    }
    assert allowed == {
        "product/set": (False, True),
        "product_mapping/set": (True, True),
        "product_attribute/set": (True, True),
        "target/set": (True, True),
        "interval/set": (False, True),
        "intervals/set": (False, False),
        "interval_type/set": (False, True),
        "scrap_yield/set": (False, True),
        "quality_test/set": (False, True),
        "maintenance_work_order/set": (False, True),
    }
