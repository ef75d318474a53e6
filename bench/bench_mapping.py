"""What mapping costs: samples a second of the processor, one by one, and memory for a plant of 40 lines with 25 inputs
each, in one process, with what is remembered for messages that come late; and what one of these costs.

Ratios come from one run: the whole plant against a single line, a line with derived inputs against one without, orders
that come 60 s late and messages that are shuffled within 15 s against all in order, and what is remembered of a line
after an hour against after six minutes. Exits with 1 where a ratio is above its WORST. Garbage is collected as seldom
as in a gateway that runs.
"""

import gc
import random
import statistics
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from silence import silent

from gateway.cli.run import UNREACHABLE
from gateway.config.schema import Line
from gateway.frozen import replace
from gateway.mapping.again import at_once
from gateway.mapping.compile import LinePlan, compile_line
from gateway.mapping.feeder import feed, settled
from gateway.mapping.line import LineState, dump, step
from gateway.mapping.trail import Feed
from gateway.model import Moment, Sample

REPEATS = 3
LINES = 40
INPUTS = 25
ROUNDS = 20
T0 = 1_767_592_800.0
SECONDS = 600
"""How long a line is heard whose messages come late."""
WORST = {"plant": 2.0, "derived": 3.0, "growth": 1.5, "orders late": 1.5, "a minute": 1.5, "shuffled": 4.0}


def plan(number: int, *, derived: bool = False) -> LinePlan:
    """A line with a state, an order by MQTT, eight counters and thirteen other tags; five of them derived if wanted."""

    def tag(name: str, **more: Any) -> dict[str, Any]:
        return {"source": "plc", "node": f"L{number}.{name}", **more}

    inputs = {f"tag{place}": tag(f"Tag{place}") for place in range(8 if derived else 13)}
    inputs |= {
        f"derived{place}": {"expr": f"tag{place} * 0.1 > 5 && state == 1"} for place in range(5 if derived else 0)
    }
    inputs |= {
        f"good{place}": tag(f"Good{place}", counter={"rollover": 65536, "max_rate": "50/s"}) for place in range(8)
    }
    inputs |= {
        "state": tag("State"),
        "beat": tag("Beat", heartbeat="60s"),
        "order": {"source": "mes", "topic": f"L{number}/order", "field": "number", "time": "at"},
        "product": {"source": "mes", "topic": f"L{number}/order", "field": "sku"},
    }
    assert len(inputs) == INPUTS
    given = {
        "factory": "Factory A",
        "line": f"Line {number}",
        "inputs": inputs,
        "run": {"key": "order", "product": "{product}", "end": {"when": "state == 0", "for": "30m"}},
        "states": {"input": "state", "codes": {1: {"category": "Uptime"}, 2: {"category": "Jam"}}, "hold": "5s"},
        "scrap_yield": {
            "entries": [{"count": f"good{place}", "raw_data": {f"part{place}": "{n}"}} for place in range(8)]
        },
    }
    return compile_line(Line.model_validate(given), ("lines", number))


def recording(plans: list[LinePlan], rounds: int, *, first: int = 0) -> Iterator[tuple[LinePlan, Sample]]:
    """Each second each tag of each line has another value; the order changes every 200 s, the state every 40 s."""
    for second in range(first, first + rounds):
        now = T0 + second
        for plan in plans:
            for (source, address), fed in plan.subscriptions.items():
                name = fed[0].name
                if source == "mes":
                    if second % 200 == 0:
                        yield (
                            plan,
                            Sample(source, address, {"number": second // 200 + 1, "sku": "FILM", "at": now}, now),
                        )
                    continue
                value: object = second * 7 % 65536 if name.startswith("good") else second
                yield (
                    plan,
                    Sample(source, address, 1 + second // 40 % 2 if name == "state" else value, now, source_time=now),
                )


def mapped(plans: list[LinePlan], rounds: int) -> float:
    """Samples a second of the processor, the median of some goes."""
    samples = [*recording(plans, rounds)]
    rates = []
    for _ in range(REPEATS):
        lines = {plan.key: Feed(LineState()) for plan in plans}
        begun = time.process_time()
        for plan, sample in samples:
            lines[plan.key], _ = feed(plan, lines[plan.key], sample)
        rates.append(len(samples) / (time.process_time() - begun))
    return statistics.median(rates)


def memory() -> tuple[float, float, int]:
    """MiB of all plans, MiB of all lines after ROUNDS seconds, and the bytes of one state as text."""
    tracemalloc.start()
    plans = [plan(number) for number in range(LINES)]
    of_plans = tracemalloc.get_traced_memory()[0]
    lines = {plan.key: Feed(LineState()) for plan in plans}
    for one, sample in recording(plans, ROUNDS):
        lines[one.key], _ = feed(one, lines[one.key], sample)
    of_lines = tracemalloc.get_traced_memory()[0] - of_plans
    tracemalloc.stop()
    return of_plans / 2**20, of_lines / 2**20, len(dump(lines[plans[0].key].state))


def late() -> Iterator[tuple[float, float]]:
    """How many seconds it takes to put an order in its place that comes so many seconds late."""
    one, line = plan(0), Feed(LineState())
    for _, sample in recording([one], 900):
        line, _ = feed(one, line, sample)
    for seconds in (1.0, 15.0, 60.0, 120.0):
        said = T0 + 899.0 - seconds
        order = Sample("mes", "L0/order", {"number": "late", "sku": "FILM", "at": said}, T0 + 899.0)
        begun = time.process_time()
        at_once(settled(one, feed(one, line, order)[0]))
        yield seconds, time.process_time() - begun


def by_moments() -> float:
    """Samples a second of the processor where those of one time come together."""
    one, moments = plan(0), dict[float, list[Sample]]()
    for _, sample in recording([one], ROUNDS * LINES):
        moments.setdefault(sample.received, []).append(sample)
    events = [Moment(tuple(samples)) for samples in moments.values()]
    return sum(map(len, moments.values())) / fed(one, events)


def fed(one: LinePlan, events: Sequence[Sample | Moment]) -> float:
    """Seconds of the processor for the events, the least of some goes."""
    costs = []
    for _ in range(REPEATS):
        line, begun = Feed(LineState()), time.process_time()
        for event in events:
            line, _ = feed(one, line, event)
        at_once(settled(one, line))
        costs.append(time.process_time() - begun)
    return min(costs)


def of_messages() -> LinePlan:
    """A line of which all is said in messages with times of their own: 24 counters, and the order."""
    inputs: dict[str, dict[str, Any]] = {
        f"good{place}": {"source": "mes", "topic": f"good{place}", "field": "n", "time": "at", "counter": {}}
        for place in range(INPUTS - 1)
    }
    inputs["order"] = {"source": "mes", "topic": "order", "field": "number", "time": "at"}
    entries = [{"count": name, "raw_data": {f"part {name}": "{n}"}} for name in inputs if name != "order"]
    given = {
        "factory": "Factory A",
        "line": "Line 0",
        "inputs": inputs,
        "run": {"key": "order", "product": "FILM"},
        "scrap_yield": {"entries": entries},
    }
    return compile_line(Line.model_validate(given), ("lines", 0))


def heard(every: int) -> list[Sample]:
    """25 messages a second, and an order so often."""
    messages: list[Sample] = []
    for second in range(SECONDS):
        at = T0 + second
        said = {f"good{place}": {"n": second, "at": at + place / 100} for place in range(INPUTS - 1)}
        said |= {"order": {"number": second // every + 1, "at": at + 0.5}} if second % every == 0 else {}
        messages += [Sample("mes", topic, value, value["at"]) for topic, value in said.items()]
    return messages


def disorder() -> dict[str, float]:
    """How many times as much it costs that the order of every 200 s, or of every minute, comes 60 s late; and that each
    of 25 messages a second comes late by up to 15 s."""
    one, chances = of_messages(), random.Random(1)

    def late(messages: Sequence[Sample], delay: Callable[[Sample], float]) -> float:
        came = [replace(message, received=message.received + delay(message)) for message in messages]
        return fed(one, sorted(came, key=lambda message: message.received)) / fed(one, messages)

    def of_order(message: Sample) -> float:
        return 60.0 if message.address == "order" else 0.0

    return {
        "orders late": late(heard(200), of_order),
        "a minute": late(heard(60), of_order),
        "shuffled": late(heard(200), lambda _: chances.uniform(0, 15)),
    }


def growth() -> float:
    """How much longer a line's memory is as text after an hour than after six minutes."""
    one, state, lengths = plan(0), LineState(), []
    for first in (0, 360, 3240):
        for _, sample in recording([one], 360, first=first):
            state = step(one, state, sample).state
        lengths.append(len(dump(state)))
    return lengths[-1] / lengths[0]


def main() -> int:
    silent()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*UNREACHABLE)
    single = mapped([plan(0)], ROUNDS * LINES)
    plant = mapped([plan(number) for number in range(LINES)], ROUNDS)
    derived = mapped([plan(0, derived=True)], ROUNDS * LINES)
    of_plans, of_states, text = memory()
    ratios = {"plant": single / plant, "derived": single / derived, "growth": growth(), **disorder()}
    print(f"one line with {INPUTS} inputs: {single:,.0f} samples/s; {INPUTS} at once: {by_moments():,.0f} samples/s")
    print(
        f"{LINES} lines with {INPUTS} inputs: {plant:,.0f} samples/s; "
        f"a sample costs {ratios['plant']:.2f} times as much"
    )
    print(f"with five derived inputs: {derived:,.0f} samples/s; a sample costs {ratios['derived']:.2f} times as much")
    print(
        f"memory of {LINES} lines: plans {of_plans:.1f} MiB, states with trails {of_states:.1f} MiB, "
        f"{text / 1024:.1f} KiB a line on disk"
    )
    print(f"a line's memory after an hour of counting: {ratios['growth']:.2f} times that after six minutes")
    print(
        f"{INPUTS} messages a second, an order every 200 s: orders 60 s late cost {ratios['orders late']:.2f} times as "
        f"much as in order ({ratios['a minute']:.2f} times with one a minute), all shuffled within 15 s "
        f"{ratios['shuffled']:.2f} times"
    )
    costs = ", ".join(f"{seconds:g} s late {1000 * cost:.1f} ms" for seconds, cost in late())
    print(f"one order, at 25 samples a second: {costs}")
    return 0 if all(ratio <= WORST[name] for name, ratio in ratios.items()) else 1


sys.exit(main())
