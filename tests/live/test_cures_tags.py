"""What `check --live` finds of tags that a server treats in ways of its own is mended by doing what it says."""

import asyncio
import re
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from asyncua import ua
from asyncua.ua.status_codes import StatusCodes

from tests.live.person import Do, Person, all_done, setting, shown
from tests.live.test_check_live_peers import answering
from tests.peers import LINE, OpcuaServer

pytestmark = pytest.mark.asyncio(loop_scope="module")

A = "Factory A/Line 01"


class Manners:
    """How a server watches tags: `slow` are those of which it tells the first value late, in so many seconds, or never;
    `by_value` those that it tells of by their value alone."""

    def __init__(self, plc: OpcuaServer, slow: Mapping[str, float | None], by_value: set[str]) -> None:
        self._service: Any = plc.server.iserver.subscription_service
        self._watch = self._service.create_monitored_items
        self._slow, self._by_value = slow, by_value
        self._take_over()

    def _take_over(self) -> None:
        self._service.create_monitored_items = self._create

    async def _create(self, parameters: Any, *more: Any, **options: Any) -> Any:
        items = parameters.ItemsToCreate
        names = [str(each.ItemToMonitor.NodeId.Identifier) for each in items]
        late = [name in self._slow for name in names]
        refused = [name in self._by_value and _by_time(each) for name, each in zip(names, items, strict=True)]
        for each, is_late, is_refused in zip(items, late, refused, strict=True):
            if is_late or is_refused:
                each.MonitoringMode = ua.MonitoringMode.Disabled
        results = await self._watch(parameters, *more, **options)
        for name, result, is_refused in zip(names, results, refused, strict=True):
            if is_refused:
                result.StatusCode = ua.StatusCode(ua.UInt32(StatusCodes.BadMonitoredItemFilterUnsupported))
            seconds = self._slow.get(name)
            if seconds is not None:
                tell = self._tell(parameters.SubscriptionId, result.MonitoredItemId)
                asyncio.get_running_loop().call_later(seconds, asyncio.ensure_future, tell)
        return results

    async def _tell(self, subscription: int, item: int) -> None:
        own = self._service.subscriptions.get(subscription)
        if own is not None:
            await own.monitored_item_srv.set_monitoring_mode(ua.MonitoringMode.Reporting, [item])


def _by_time(item: Any) -> bool:
    filter_ = item.RequestedParameters.Filter
    return bool(getattr(filter_, "Trigger", None) == ua.DataChangeTrigger.StatusValueTimestamp)


async def value_by_value(person: Person, finding: Mapping[str, str]) -> None:
    """What the server does, as it is written there."""
    assert "write what the server does as" in finding["cure"]
    assert "`queue`" in finding["cure"]
    found = re.search(r"(\d+) values kept instead of 20000", finding["text"])
    assert found is not None, finding
    person.at(f"{A} kept")["queue"] = int(found[1])


async def where_it_listens(person: Person, finding: Mapping[str, str]) -> None:
    assert f"in `url` of {finding['about']} is where its OPC UA server listens" in finding["cure"]
    person.at(finding["about"])["url"] = person.at("plc")["url"]


async def any_type(person: Person, finding: Mapping[str, str]) -> None:
    assert f"`type` of {finding['about']}, or leave it out" in finding["cure"]
    del person.at(finding["about"])["type"]


CURES: Mapping[tuple[str, str], Do] = {
    ("watched_otherwise", "plc"): value_by_value,
    ("trigger_refused", f"{A} written"): setting,
    ("not_received", f"{A} raw"): shown("node", f"nsu={LINE};s=L01.Good"),
    ("type_missing", f"{A} cycle"): any_type,
    ("no_answer", "mute"): where_it_listens,
}


async def test_what_is_found_of_tags_that_are_watched_otherwise_is_gone_once_it_is_done(tmp_path: Path) -> None:
    person, plc = Person(tmp_path), OpcuaServer(ticks=True)

    async def silence(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    async with AsyncExitStack() as stack:
        mute = await stack.enter_async_context(answering(silence))
        stack.push_async_callback(plc.stop)
        await plc.start(L01__Good=1, L01__Kept=1, L01__Written=1, L01__Raw=b"\x01\x02")
        Manners(plc, {}, {"L01.Written"})
        index = await plc.server.get_namespace_index(LINE)
        press = await plc.server.nodes.objects.add_object(ua.NodeId(ua.String("Press"), ua.Int16(index)), "Press")
        await plc.server.get_event_generator(emitting_node=press.nodeid)
        person.config["sources"] |= {
            "plc": {"type": "opcua", "url": plc.url, "security": "none"},
            "mute": {"type": "opcua", "url": f"opc.tcp://{mute}", "security": "none"},
        }
        person.input("kept", source="plc", node=f"nsu={LINE};s=L01.Kept", queue=20_000)
        person.input("written", source="plc", node=f"nsu={LINE};s=L01.Written", trigger="timestamp")
        person.input("raw", source="plc", node=f"nsu={LINE};s=L01.Raw")
        person.input("cycle", source="plc", event=f"nsu={LINE};s=Press", type=f"/Types/EventTypes/nsu={LINE};Cycles")
        person.input("mute", source="mute", node=f"nsu={LINE};s=L01.Good")
        person.config["lines"][0]["states"] = {"input": "kept", "codes": {1: {"category": "Uptime"}}}
        await all_done(person, CURES, {("silent", f"{A} cycle")})


async def test_a_tag_of_which_nothing_comes_may_take_its_time_or_wants_a_restart(tmp_path: Path) -> None:
    """A server that tells the first value late does so while the printed command waits for it; one that never does is
    to be started anew."""
    person, plc = Person(tmp_path), OpcuaServer(ticks=True)
    slow: dict[str, float | None] = {"L01.Slow": 7.0, "L01.Deaf": None}
    place = ("silent", f"{A} slow")
    try:
        await plc.start(L01__Slow=7, L01__Deaf=8)
        Manners(plc, slow, set())
        person.config["sources"]["plc"] = {"type": "opcua", "url": plc.url, "security": "none"}
        person.input("slow", source="plc", node=f"nsu={LINE};s=L01.Slow")
        person.config["lines"][0]["states"] = {"input": "slow", "codes": {1: {"category": "Uptime"}}}
        person.config["oden"] = {"url": "http://127.0.0.1:1/v2", "token": "${secret:oden_token}"}
        found = await person.until(lambda found: place in found)
        assert found[place]["level"] == "wrong"
        said = await person.command(found[place])
        assert f"{A} slow = 7" in said
        assert "nothing heard" not in said
        person.at(f"{A} slow")["node"] = f"nsu={LINE};s=L01.Deaf"
        found = await person.until(lambda found: place in found)
        assert "the server tells nothing of it: restart it" in found[place]["cure"]
        await plc.stop()
        await plc.start(L01__Slow=7, L01__Deaf=8)
        await person.until(lambda found: found.keys() == {("oden_unreachable", "Oden")})
    finally:
        await plc.stop()
