"""The snapshot as Prometheus metrics: the one catalogue of their names."""

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import accumulate, islice
from typing import get_args

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from gateway.health import KindName
from gateway.status.snapshot import Histogram, Snapshot

MOST_INPUTS = 10_000
"""Inputs of which the age is exposed, the first of the configuration: a scrape has to stay bounded."""


class Metrics(Collector):
    """Answers a scrape from one snapshot taken for it; keeps no numbers of its own. What is known of the process
    (`process_...`: memory, CPU, open files, start) is the library's.
    """

    def __init__(self, snapshot: Callable[[], Snapshot]) -> None:
        self._snapshot = snapshot
        self._registry = CollectorRegistry()
        self._registry.register(self)
        ProcessCollector(registry=self._registry)

    def collect(self) -> Iterator[Metric]:
        yield from families(self._snapshot())

    def scrape(self, accept: str) -> tuple[bytes, str]:
        """The exposition and its content type, in the format that the header `accept` asks for."""
        encode, content_type = choose_encoder(accept)
        return encode(self._registry), content_type


def families(now: Snapshot) -> Iterator[Metric]:
    """Every metric of the gateway. The library adds `_total` to counters, `_info` to the info."""
    yield InfoMetricFamily("oden_gateway", "The gateway's version.", value={"version": now.version})
    yield from _health(now)
    yield from _ages(now)

    samples = CounterMetricFamily(
        "oden_gateway_samples", "Values and messages received from a source.", labels=["source", "quality"]
    )
    gaps = CounterMetricFamily(
        "oden_gateway_gaps", "Times in which data of a source may have been missed.", labels=["source"]
    )
    connected = GaugeMetricFamily("oden_gateway_source_connected", "1 while a source is connected.", labels=["source"])
    for source in now.sources:
        for quality, count in source.samples.items():
            samples.add_metric([source.name, quality], count)
        gaps.add_metric([source.name], source.gaps)
        connected.add_metric([source.name], int(source.connected))
    yield from (samples, gaps, connected)
    yield CounterMetricFamily(
        "oden_gateway_rejects", "Payloads that could not be used and were set aside.", value=now.rejects_total
    )
    yield GaugeMetricFamily(
        "oden_gateway_rejects_kept", "Messages that could not be used and are kept whole.", value=now.rejected.kept
    )
    unkept = CounterMetricFamily(
        "oden_gateway_rejects_unkept", "Messages that could not be used and are not kept (any more).", labels=["reason"]
    )
    unkept.add_metric(["made_room"], now.rejected.dropped)
    unkept.add_metric(["too_many"], now.rejected.left_out)
    yield unkept

    records = CounterMetricFamily("oden_gateway_records", "Records put into the outbox.", labels=["kind"])
    for kind, count in now.records_total.items():
        records.add_metric([kind], count)
    yield records
    yield CounterMetricFamily(
        "oden_gateway_merged", "Records merged into one that still waited.", value=now.merged_total
    )
    lost = CounterMetricFamily(
        "oden_gateway_lost", "Accepted data lost; stays 0 unless a losing policy was chosen.", labels=["reason"]
    )
    for reason, count in now.lost_total.items():
        lost.add_metric([reason], count)
    yield lost

    of_line = GaugeMetricFamily(
        "oden_gateway_line_records", "Records of a line that are not at Oden yet.", labels=["line"]
    )
    for line in now.lines:
        of_line.add_metric([line.key], line.waiting)
    yield of_line
    yield from _late(now)
    yield GaugeMetricFamily("oden_gateway_outbox_bytes", "Size of the outbox on disk.", value=now.outbox.bytes)
    yield GaugeMetricFamily(
        "oden_gateway_outbox_limit_bytes", "The size at which nothing more is taken in.", value=now.outbox.limit
    )
    waiting = GaugeMetricFamily("oden_gateway_outbox_records", "Records in the outbox.", labels=["state"])
    for state, count in now.outbox.records.items():
        waiting.add_metric([state], count)
    yield waiting
    oldest = now.outbox.oldest_at
    yield GaugeMetricFamily(
        "oden_gateway_outbox_oldest_seconds",
        "Age of the oldest record in the outbox, 0 where it is empty.",
        value=0.0 if oldest is None else max(0.0, now.now - oldest),
    )
    yield GaugeMetricFamily(
        "oden_gateway_outbox_drain_seconds",
        "How long the outbox takes to drain at the present pace.",
        value=now.outbox.drain_seconds,
    )
    yield GaugeMetricFamily(
        "oden_gateway_dead_letters", "Records that Oden refused.", value=now.outbox.records.get("dead", 0)
    )

    requests = CounterMetricFamily(
        "oden_gateway_requests", "Requests sent to Oden.", labels=["object", "action", "outcome"]
    )
    for key, count in now.oden.requests.items():
        requests.add_metric(key, count)
    yield requests
    yield _histogram("oden_gateway_request_seconds", "How long Oden took to answer.", now.oden.seconds)


def _late(now: Snapshot) -> Iterator[Metric]:
    """How late messages come, and what was corrected because of that."""
    corrections = CounterMetricFamily(
        "oden_gateway_corrections", "Times that what was told of a line was corrected.", labels=["line"]
    )
    delays = GaugeMetricFamily(
        "oden_gateway_message_delay_seconds",
        "How late messages come by their own times: half of them at most, 95 of 100, and all (quantile 1).",
        labels=["line", "input", "quantile"],
    )
    for line in now.lines:
        corrections.add_metric([line.key], line.corrections)
    for key, name, known in islice(
        ((line.key, name, known) for line in now.lines for name, known in line.lateness.items()), MOST_INPUTS
    ):
        for quantile, delay in (("0.5", known.p50), ("0.95", known.p95), ("1", known.worst)):
            delays.add_metric([key, name, quantile], delay)
    yield from (corrections, delays)


def _health(now: Snapshot) -> Iterator[Metric]:
    """Health as numbers: 1 for yes. A kind of problem that there is not has the value 0, so that an alert on it can
    end.
    """
    yield GaugeMetricFamily("oden_gateway_healthy", "1 while nothing at all is wrong.", value=int(now.healthy))
    yield GaugeMetricFamily(
        "oden_gateway_taking_in", "1 while data are taken in.", value=int(now.taking_in.state == "yes")
    )
    yield GaugeMetricFamily(
        "oden_gateway_delivering",
        "1 while records are delivered, or could be.",
        value=int(now.delivering.state == "yes"),
    )
    problems = GaugeMetricFamily("oden_gateway_problem", "Problems of a kind that there are.", labels=["kind"])
    numbers = Counter(problem.kind for problem in now.problems)
    for kind in get_args(KindName):
        problems.add_metric([kind], numbers[kind])
    yield problems


def _ages(now: Snapshot) -> Iterator[Metric]:
    """When something last came or went."""
    success = GaugeMetricFamily(
        "oden_gateway_last_success_timestamp_seconds", "When Oden last took something; absent before the first time."
    )
    if now.oden.last_success_at is not None:
        success.add_metric([], now.oden.last_success_at)
    yield success
    newest = GaugeMetricFamily(
        "oden_gateway_source_last_sample_timestamp_seconds",
        "When a source last said something; absent before the first time.",
        labels=["source"],
    )
    for source in now.sources:
        if source.last_sample_at is not None:
            newest.add_metric([source.name], source.last_sample_at)
    yield newest
    plant_time = GaugeMetricFamily(
        "oden_gateway_source_newest_value_timestamp_seconds",
        "The plant's own time of the newest value of a source; absent where values have none.",
        labels=["source"],
    )
    ends = GaugeMetricFamily(
        "oden_gateway_certificate_expiry_timestamp_seconds",
        "When the first of the certificates ends by which the connection to a source is protected.",
        labels=["source"],
    )
    for source in now.sources:
        if source.newest_at is not None:
            plant_time.add_metric([source.name], source.newest_at)
        if source.certificate_ends is not None:
            ends.add_metric([source.name], source.certificate_ends)
    yield from (plant_time, ends)
    ages = GaugeMetricFamily(
        "oden_gateway_input_age_seconds", "Age of an input's last value.", labels=["line", "input"]
    )
    inputs = ((line.key, name, known.at) for line in now.lines for name, known in line.inputs.items())
    for key, name, at in islice(inputs, MOST_INPUTS):
        if at is not None:
            ages.add_metric([key, name], max(0.0, now.now - at))
    yield ages


def _histogram(name: str, text: str, values: Histogram) -> Metric:
    bounds = [*map(str, values.bounds), "+Inf"]
    buckets = list(zip(bounds, accumulate(values.counts), strict=True))
    return HistogramMetricFamily(name, text, buckets=buckets, sum_value=values.sum)
