"""The exposition, read back with the parsers that a Prometheus server's behaviour is modelled on."""

import math
from dataclasses import replace

from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from gateway.health import KINDS, FlowHealth
from gateway.status.metrics import Metrics
from gateway.status.snapshot import Snapshot
from tests.status.conftest import NOW, problem

OPENMETRICS = "application/openmetrics-text; version=1.0.0"

CATALOGUE = {
    "oden_gateway_info": {"version"},
    "oden_gateway_samples_total": {"source", "quality"},
    "oden_gateway_records_total": {"kind"},
    "oden_gateway_outbox_records": {"state"},
    "oden_gateway_outbox_oldest_seconds": set(),
    "oden_gateway_outbox_drain_seconds": set(),
    "oden_gateway_requests_total": {"object", "action", "outcome"},
    "oden_gateway_request_seconds_bucket": {"le"},
    "oden_gateway_request_seconds_count": set(),
    "oden_gateway_request_seconds_sum": set(),
    "oden_gateway_merged_total": set(),
    "oden_gateway_dead_letters": set(),
    "oden_gateway_source_connected": {"source"},
    "oden_gateway_gaps_total": {"source"},
    "oden_gateway_lost_total": {"reason"},
    "oden_gateway_rejects_total": set(),
    "oden_gateway_rejects_kept": set(),
    "oden_gateway_rejects_unkept_total": {"reason"},
    "oden_gateway_healthy": set(),
    "oden_gateway_taking_in": set(),
    "oden_gateway_delivering": set(),
    "oden_gateway_problem": {"kind"},
    "oden_gateway_last_success_timestamp_seconds": set(),
    "oden_gateway_source_last_sample_timestamp_seconds": {"source"},
    "oden_gateway_source_newest_value_timestamp_seconds": {"source"},
    "oden_gateway_certificate_expiry_timestamp_seconds": {"source"},
    "oden_gateway_input_age_seconds": {"line", "input"},
    "oden_gateway_line_records": {"line"},
    "oden_gateway_corrections_total": {"line"},
    "oden_gateway_message_delay_seconds": {"line", "input", "quantile"},
    "oden_gateway_outbox_bytes": set(),
    "oden_gateway_outbox_limit_bytes": set(),
    "process_virtual_memory_bytes": set(),
    "process_resident_memory_bytes": set(),
    "process_start_time_seconds": set(),
    "process_cpu_seconds_total": set(),
    "process_open_fds": set(),
    "process_max_fds": set(),
}
"""Every name that a dashboard or an alert may rely on, with its labels."""


def scrape(snapshot: Snapshot, accept: str = "") -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    body, content_type = Metrics(lambda: snapshot).scrape(accept)
    parse = parse_openmetrics if content_type.startswith("application/openmetrics-text") else parse_text
    samples = [sample for family in parse(body.decode()) for sample in family.samples]
    values = {(sample.name, frozenset(sample.labels.items())): sample.value for sample in samples}
    assert len(values) == len(samples), "a series was exposed twice"
    return values


def value(snapshot: Snapshot, name: str, **labels: str) -> float:
    return scrape(snapshot)[name, frozenset(labels.items())]


def test_names_and_labels_are_the_catalogue(picture: Snapshot) -> None:
    """Exactly the catalogue is exposed, no `_created` beside it, in the old format and in OpenMetrics."""
    for accept in ("", OPENMETRICS):
        exposed: dict[str, set[str]] = {}
        for name, labels in scrape(picture, accept):
            exposed.setdefault(name, set()).update(key for key, _ in labels)
        assert exposed == CATALOGUE


def test_both_formats_say_the_same(picture: Snapshot) -> None:
    """What a scraper asks for changes the format, never a value."""
    plain, openmetrics = scrape(picture), scrape(picture, OPENMETRICS)
    assert plain.keys() == openmetrics.keys()
    assert {key: plain[key] for key in plain if key[0].startswith("oden_")} == {
        key: openmetrics[key] for key in openmetrics if key[0].startswith("oden_")
    }
    assert Metrics(lambda: picture).scrape(OPENMETRICS)[1].startswith("application/openmetrics-text")
    assert Metrics(lambda: picture).scrape("text/html, */*")[1].startswith("text/plain")


def test_values_are_the_snapshots(picture: Snapshot) -> None:
    """Each number of the snapshot arrives under its own name and labels."""
    assert value(picture, "oden_gateway_info", version="0.1.0") == 1
    assert value(picture, "oden_gateway_samples_total", source="press_plc", quality="bad") == 3
    assert value(picture, "oden_gateway_source_connected", source="press_plc") == 1
    assert value(picture, "oden_gateway_source_connected", source="floor") == 0
    assert value(picture, "oden_gateway_gaps_total", source="press_plc") == 2
    assert value(picture, "oden_gateway_records_total", kind="output") == 55
    assert value(picture, "oden_gateway_outbox_records", state="in_doubt") == 2
    assert value(picture, "oden_gateway_outbox_oldest_seconds") == 61.5
    assert value(picture, "oden_gateway_outbox_drain_seconds") == 19.0
    assert value(picture, "oden_gateway_dead_letters") == 3
    assert value(picture, "oden_gateway_merged_total") == 31
    assert value(picture, "oden_gateway_lost_total", reason="outbox_full") == 0
    assert value(picture, "oden_gateway_rejects_total") == 7
    assert value(picture, "oden_gateway_outbox_bytes") == 4_096
    assert value(picture, "oden_gateway_outbox_limit_bytes") == 1_000_000
    assert value(picture, "oden_gateway_line_records", line="Factory A/Line 01") == 5
    assert value(picture, "oden_gateway_corrections_total", line="Factory A/Line 01") == 7
    late = {"line": "Factory A/Line 01", "input": "order"}
    assert value(picture, "oden_gateway_message_delay_seconds", quantile="0.95", **late) == 40
    assert value(picture, "oden_gateway_message_delay_seconds", quantile="1", **late) == 61.5
    assert value(picture, "oden_gateway_last_success_timestamp_seconds") == NOW - 2
    assert value(picture, "oden_gateway_source_last_sample_timestamp_seconds", source="press_plc") == NOW - 1
    assert value(picture, "oden_gateway_source_newest_value_timestamp_seconds", source="press_plc") == NOW - 3
    assert value(picture, "oden_gateway_certificate_expiry_timestamp_seconds", source="press_plc") == NOW + 86_400
    assert value(picture, "oden_gateway_input_age_seconds", line="Factory A/Line 02", input="good") == 0.25
    requests = {"object": "scrap_yield", "action": "set", "outcome": "in_doubt"}
    assert value(picture, "oden_gateway_requests_total", **requests) == 2


def test_the_histogram_is_cumulative(picture: Snapshot) -> None:
    """Each bucket counts all that were at most as slow, as Prometheus wants it; the last one counts all."""
    buckets = {
        bound: value(picture, "oden_gateway_request_seconds_bucket", le=bound) for bound in ("0.1", "0.5", "1.0")
    }
    assert buckets == {"0.1": 5, "0.5": 35, "1.0": 41}
    assert value(picture, "oden_gateway_request_seconds_bucket", le="+Inf") == 42
    assert value(picture, "oden_gateway_request_seconds_count") == 42
    assert value(picture, "oden_gateway_request_seconds_sum") == 17.25


def test_health_as_numbers(picture: Snapshot) -> None:
    """Healthy, taking in and delivering are 1; each kind of problem is counted, those that there are not as 0."""
    names = ("oden_gateway_healthy", "oden_gateway_taking_in", "oden_gateway_delivering")
    assert [value(picture, name) for name in names] == [1, 1, 1]
    ill = replace(
        picture, problems=(problem("a"), problem("b")), taking_in=FlowHealth("no"), delivering=FlowHealth("waiting")
    )
    assert [value(ill, name) for name in names] == [0, 0, 0]
    assert value(ill, "oden_gateway_problem", kind="source_away") == 2
    assert {value(ill, "oden_gateway_problem", kind=kind) for kind in KINDS if kind != "source_away"} == {0}


def test_what_never_was_is_absent(picture: Snapshot) -> None:
    """A time of something that never happened would be a lie: there is no sample of it."""
    floor = picture.sources[1]
    names = {name for name, _ in scrape(replace(picture, oden=replace(picture.oden, last_success_at=None)))}
    assert "oden_gateway_last_success_timestamp_seconds" not in names
    key = "oden_gateway_source_last_sample_timestamp_seconds", frozenset({("source", floor.name)})
    assert key not in scrape(picture)


def test_an_empty_and_a_stuck_outbox(picture: Snapshot) -> None:
    """Empty: the oldest record is 0 s old. Not draining: the time to drain is infinite."""
    empty = replace(picture, outbox=replace(picture.outbox, oldest_at=None, records={}))
    assert value(empty, "oden_gateway_outbox_oldest_seconds") == 0
    assert value(empty, "oden_gateway_dead_letters") == 0
    stuck = replace(picture, outbox=replace(picture.outbox, drain_seconds=math.inf))
    assert value(stuck, "oden_gateway_outbox_drain_seconds") == math.inf


def test_each_scrape_looks_anew(picture: Snapshot) -> None:
    """A scrape shows the gateway as it is then, not as it was when the server started."""
    pictures = iter((picture, replace(picture, merged_total=32)))
    metrics = Metrics(lambda: next(pictures))
    assert b"oden_gateway_merged_total 31.0" in metrics.scrape("")[0]
    assert b"oden_gateway_merged_total 32.0" in metrics.scrape("")[0]
