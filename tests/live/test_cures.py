"""What `check --live` finds at a broker and a server, and that it is gone once its cure is done as it is written."""

from pathlib import Path

from asyncua.ua.status_codes import StatusCodes

from tests.live.site import Site
from tests.live.test_check_live import configure, found, stand_in
from tests.peers import Mosquitto, OpcuaServer

LINES = """
  web: {type: mqtt, url: "mqtt://WEB", client_id: edge-web}
lines:
  - factory: Factory A
    line: Line 01
    inputs:
      good: {source: plc, node: "nsu=urn:acme:line;s=L01.Good", counter: {}UNCERTAIN}
      order: {source: floor, topic: plant-a/L01/order, field: number}
      other: {source: web, topic: plant-a/L01/other}
      device: {source: floor, device: "Plant/Line/Press", metric: Counts/Good}
    run: {key: order, product: Film}
    scrap_yield: {every: 60s, entries: [{count: good, raw_data: {yield: "{n}"}}]}
"""
LINE = "Factory A/Line 01"


async def test_what_is_found_is_gone_once_its_cure_is_done(tmp_path: Path) -> None:
    """A broker that grants less than is asked, an address that is none of a broker's, a value that is not used,
    and an edge node that is away."""
    site, server = Site(tmp_path), OpcuaServer(ticks=True)
    await server.start(L01__Good=5)
    await server.write("L01.Good", 5, status=StatusCodes.UncertainLastUsableValue)
    broker = Mosquitto(tmp_path / "broker", ["max_qos 0"])
    broker.start()
    try:
        oden = await stand_in(site)
        wrong = LINES.replace("WEB", f"127.0.0.1:{oden}").replace("UNCERTAIN", "")
        configure(site, server, broker, oden, wrong)
        findings = found(await site.run("check", "-c", "gateway.yaml", "--live", "--seconds", "5", "--json"))
        cures = {
            ("topic_qos", f"{LINE} order"): "let the broker grant QoS 1 for plant-a/L01/order",
            ("not_mqtt", "web"): f"correct `url` of web: another service answers at 127.0.0.1:{oden}",
            ("uncertain", f"{LINE} good"): f"`uncertain: use` at {LINE} good",
            ("device_away", f"{LINE} device"): "browse -c gateway.yaml floor --births --seconds 60",
        }
        assert cures.keys() <= findings.keys(), (cures.keys() - findings.keys(), findings)
        for place, words in cures.items():
            assert words in findings[place]["cure"], findings[place]
        broker.stop()
        broker.settings.clear()
        broker.start()
        await broker.publish("plant-a/L01/order", '{"number": "4711"}', retain=True)
        await broker.publish("plant-a/L01/other", "1", retain=True)
        right = LINES.replace("WEB", f"127.0.0.1:{broker.port}").replace("UNCERTAIN", ", uncertain: use")
        configure(site, server, broker, oden, right)
        left = found(await site.run("check", "-c", "gateway.yaml", "--live", "--seconds", "5", "--json"))
        assert {kind for kind, _ in left} == {"device_away", "uncertain_used"}
    finally:
        await site.end()
        broker.stop()
        await server.stop()
