"""All 35 endpoints through the client's methods, against the stand-in: one day in the life of a plant."""

import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from gateway.oden.client import OdenClient
from gateway.oden.endpoints import ENDPOINTS, Call, Gives, Takes
from gateway.oden.errors import NotFound
from gateway.oden.models import (
    CustomMetadata,
    DashboardExecuteRange,
    DashboardExecuteRequest,
    DashboardRef,
    Factory,
    Interval,
    IntervalBulkCreate,
    IntervalBulkDelete,
    IntervalBulkUpdate,
    IntervalType,
    IntervalTypeSet,
    Line,
    MaintenanceWorkOrder,
    MaintenanceWorkOrderSearch,
    MetricGroup,
    OQLQuery,
    Product,
    ProductAttribute,
    ProductMapping,
    QualitySchema,
    QualityTest,
    QualityTestsDelete,
    RunMetadata,
    ScrapYieldData,
    ScrapYieldSearch,
    ScrapYieldSet,
    Target,
)
from gateway.oden.pace import Pace
from gateway.simulator.oden import store as stand_in
from gateway.simulator.oden.model import OdenModel
from gateway.simulator.oden.server import listening, make_app
from gateway.simulator.oden.store import Organization
from tests.oden.wire import SECRET
from tests.peers import PATIENCE

ROOT = Path(__file__).parents[2]
BEGIN = datetime(2026, 11, 2, 8, tzinfo=UTC)
HOUR = timedelta(hours=1)
FACTORY = Factory(name="Factory A")
LINE = Line(name="Line 01", factory=FACTORY)
RUN = IntervalType(name="RUN")
FILM = Product(name="Film 20")

BOARD = stand_in.Dashboard(
    "Runs", (stand_in.Module("All runs", "SELECT name FROM RUN"), stand_in.Module("Wrong", "nonsense"))
)
PLANT = Organization(
    metric_groups=(stand_in.MetricGroup("Line speed"),),
    quality_schemas=(stand_in.QualitySchema("66", "Factory A"),),
    dashboards=(BOARD,),
)


class Recording(OdenClient):
    """A client that keeps which endpoints were called."""

    def __init__(self, url: str) -> None:
        super().__init__(url, lambda: SECRET, 5.0, Pace(0.0, -0.01))
        self.called: set[str] = set()

    async def call(self, endpoint: Call[Takes, Gives], request: Takes, query: str | None = None) -> Gives:
        self.called.add(endpoint.path)
        return await super().call(endpoint, request, query)


@asynccontextmanager
async def oden() -> AsyncIterator[Recording]:
    async with listening(make_app(OdenModel(PLANT), SECRET), "127.0.0.1", 0) as url, Recording(url) as client:
        yield client


def ids(answer: object) -> list[Any]:
    """The ids of the entries of an answer that the document leaves open."""
    assert isinstance(answer, list)
    return [entry["id"] for entry in answer]


async def found(search: Any, request: Any) -> list[Any]:
    """What a search finds; both ways of saying "none" are none."""
    try:
        answer = await search(request)
    except NotFound:
        return []
    assert isinstance(answer, list)
    return answer


async def test_every_endpoint() -> None:
    """Whatever is set is found by the search for it, changed by its update, and gone when it was deleted; no endpoint
    is left out."""
    async with oden() as client:
        await places_and_products(client)
        run = await intervals(client)
        await bulk_and_types(client)
        await output(client, run)
        await quality(client, run)
        await targets(client)
        await work_orders(client)
        await questions(client)
        assert client.called == set(ENDPOINTS)


async def places_and_products(client: OdenClient) -> None:
    """Factories and lines are there; products, mappings and attributes are what was set."""
    assert FACTORY.name in [one.name for one in await client.factory.search(Factory(match="all"))]
    (line,) = await client.line.search(LINE)
    assert line.name == LINE.name
    await client.product.set(FILM)
    (product,) = await client.product.search(FILM)
    await client.product.set(Product(id=product.id, name="Film 25"))
    (renamed,) = await client.product.search(Product(id=product.id))
    assert renamed.name == "Film 25"
    await client.product_mapping.set(ProductMapping(product=Product(id=product.id), line=LINE))
    mappings = await client.product_mapping.search(ProductMapping(line=LINE, match="all"))
    assert "Film 25" in [one.product.name for one in mappings if one.product]
    attribute = ProductAttribute(product=Product(id=product.id), name="color", display_name="Color", value="Red")
    await client.product_attribute.set(attribute)
    attributes = await client.product_attribute.search(ProductAttribute(product=Product(id=product.id)))
    assert "Red" in [one.value for one in attributes]
    await client.product.delete(Product(id=product.id))
    assert await found(client.product.search, Product(id=product.id)) == []


async def intervals(client: OdenClient) -> Interval:
    """A run is created, found, updated; another one is deleted."""
    run = Interval(type=RUN, line=LINE, name="4711", start_time=BEGIN, metadata=RunMetadata(product=FILM))
    (made,) = await client.interval.set(run)
    assert made.id is not None
    this = Interval(id=made.id, type=RUN, line=LINE)
    await client.interval.update(Interval(id=made.id, type=RUN, line=LINE, end_time=BEGIN + HOUR))
    (now,) = await client.interval.search(this)
    assert (now.name, now.start_time, now.end_time) == ("4711", BEGIN, BEGIN + HOUR)
    assert isinstance(now.metadata, RunMetadata)
    (second,) = await client.interval.set(
        Interval(type=RUN, line=LINE, start_time=BEGIN + 2 * HOUR, metadata=RunMetadata(product=FILM))
    )
    await client.interval.delete(Interval(id=second.id, type=RUN, line=LINE))
    assert await found(client.interval.search, Interval(id=second.id, type=RUN, line=LINE)) == []
    return this


async def bulk_and_types(client: OdenClient) -> None:
    """A custom type and intervals of it, many at once."""
    made = await client.interval_type.set(IntervalTypeSet(name="operator id"))
    kind = IntervalType(name="operator id")
    assert [one.name for one in await client.interval_type.search(kind)] == ["operator id"]
    times = [BEGIN + number * HOUR for number in range(3)]
    items = [
        Interval(name="Kim", start_time=at, end_time=at + HOUR, metadata=CustomMetadata.model_validate({"shift": 1}))
        for at in times
    ]
    created = await client.intervals.set(IntervalBulkCreate(type=kind, line=LINE, intervals=items))
    assert len(created) == 3
    updates = [Interval(id=created[0], name="Lee"), Interval(id="no such id", name="Nobody")]
    updated = await client.intervals.update(IntervalBulkUpdate(type=kind, line=LINE, intervals=updates))
    assert (updated.num_updated, updated.num_failed) == (1, 1)
    everything = Interval(type=kind, line=LINE, start_time=BEGIN, end_time=BEGIN + 9 * HOUR, match="all")
    assert sorted(one.name or "" for one in await client.interval.search(everything)) == ["Kim", "Kim", "Lee"]
    deleted = await client.intervals.delete(
        IntervalBulkDelete(type=kind, line=LINE, start_time=BEGIN, end_time=BEGIN + 9 * HOUR)
    )
    assert deleted.num_deleted == 3
    assert await found(client.interval.search, everything) == []
    await client.interval_type.delete(IntervalType(id=made.id))
    assert await found(client.interval_type.search, kind) == []


async def output(client: OdenClient, run: Interval) -> None:
    """Two records of output, one of which is deleted."""
    for number in (100, 50):
        data = ScrapYieldData(raw_data={"scrap": number, "yield": 1}, timestamp=BEGIN + timedelta(minutes=number))
        await client.scrap_yield.set(ScrapYieldSet(data=data, interval=run), "exact")
    wanted = ScrapYieldSearch(interval=run, data=ScrapYieldData(match="all"))
    first, second = ids(await client.scrap_yield.search(wanted))
    await client.scrap_yield.delete(ScrapYieldSearch(data=ScrapYieldData(id=first), interval=run))
    assert ids(await client.scrap_yield.search(wanted)) == [second]


async def quality(client: OdenClient, run: Interval) -> None:
    """Three quality tests, deleted one by one and together."""
    schemas = ids(await client.quality_schema.search(QualitySchema(factory=FACTORY, match="all")))
    for minute in range(3):
        test = QualityTest(
            interval=run,
            quality_schema=QualitySchema(id=str(schemas[0])),
            raw_data={"thickness": 20 + minute},
            timestamp=BEGIN + timedelta(minutes=minute),
        )
        await client.quality_test.set(test)
    every = QualityTest(interval=run, match="all")
    first, second, third = ids(await client.quality_test.search(every))
    await client.quality_test.delete(QualityTest(id=first))
    assert ids(await client.quality_test.search(every)) == [second, third]
    await client.quality_tests.delete(QualityTestsDelete(ids=[second]))
    assert ids(await client.quality_test.search(every)) == [third]


async def targets(client: OdenClient) -> None:
    """A target for one of the metric groups that are there."""
    (group, *_) = await client.metric_group.search(MetricGroup(match="all"))
    target = Target(line=LINE, product=FILM, metric_group=MetricGroup(id=group.id), lsl=1, target_value=2.5, usl=3)
    assert (await client.target.set(target)).target_value == 2.5
    wanted = Target(line=LINE, product=FILM, metric_group=MetricGroup(name=group.name))
    assert [one.usl for one in await client.target.search(wanted)] == [3]


async def work_orders(client: OdenClient) -> None:
    """A work order is created, changed in part, and deleted."""
    order = MaintenanceWorkOrder(
        name="Oil", line=LINE, external_id="MWO-1", started_at=BEGIN, metadata={"technician": "Kim"}
    )
    made = await client.maintenance_work_order.set(order)
    changed = await client.maintenance_work_order.set(MaintenanceWorkOrder(id=made.id, completed_at=BEGIN + HOUR))
    assert (changed.name, changed.completed_at) == ("Oil", BEGIN + HOUR)
    wanted = MaintenanceWorkOrderSearch(line=LINE, start_time=BEGIN - HOUR, end_time=BEGIN + HOUR, match="all")
    assert [one.external_id for one in await client.maintenance_work_order.search(wanted)] == ["MWO-1"]
    await client.maintenance_work_order.delete(MaintenanceWorkOrder(external_id="MWO-1", line=LINE))
    assert await found(client.maintenance_work_order.search, wanted) == []


async def questions(client: OdenClient) -> None:
    """A query in all its forms, and a dashboard, one module of which fails by itself."""
    query = OQLQuery(query="SELECT name FROM RUN")
    assert await client.oql.query(query) == [{"name": "4711"}]
    assert await client.oql.query(query, "jsonextended") != []
    assert await client.oql.query(query, "csv") == "name\r\n4711\r\n"
    request = DashboardExecuteRequest(
        dashboard=DashboardRef(id=BOARD.id),
        range=DashboardExecuteRange(start=BEGIN - HOUR, end=BEGIN + 9 * HOUR),
    )
    good, bad = await client.dashboard.execute(request)
    assert (good.rows, good.error) == ([{"name": "4711"}], None)
    assert bad.rows is None
    assert bad.error


def test_the_example_of_the_documentation(tmp_path: Path) -> None:
    """The program in docs/oden-client.md runs as it stands, but for the address, and creates a run."""
    text = (ROOT / "docs" / "oden-client.md").read_text(encoding="utf-8")
    (program,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    with subprocess.Popen(
        [sys.executable, "-m", "gateway", "simulate", "oden", "--port", "0", "--token", SECRET],
        stdout=subprocess.PIPE,
        text=True,
    ) as stand_in:
        try:
            assert stand_in.stdout is not None
            url = stand_in.stdout.readline().split()[-1]
            (tmp_path / "program.py").write_text(program.replace("https://api.oden.app/v2", url))
            done = subprocess.run(
                [sys.executable, tmp_path / "program.py"],
                capture_output=True,
                text=True,
                env=os.environ | {"ODEN_TOKEN": SECRET, "PYTHONPATH": str(ROOT)},
                timeout=PATIENCE,
                check=False,
            )
        finally:
            stand_in.kill()
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(r"[0-9a-f]+\n", done.stdout)
