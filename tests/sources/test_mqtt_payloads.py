"""Made payloads on made topics: each is mapped or rejected."""

import os
import random
import tracemalloc
from typing import Any

from gateway.config.schema import Line
from gateway.config.schema_messages import Form
from gateway.mapping.compile import compile_line
from gateway.mapping.line import LineState, step
from gateway.mapping.values import flaw
from gateway.model import Moment, Output, Sample
from gateway.rejects import payload_of
from gateway.sources.mqtt_forms import LARGEST, MOST_PARTS, Topics
from tests.sources.test_mqtt_forms import SHOTS, TABLE

FORMS = {
    "plain": Form(),
    "lines": Form("lines"),
    "table": TABLE,
    "shots": SHOTS,
    "elements": Form("elements"),
    "raw": Form(raw=True),
    "named/+a/+b": Form(),
    "split/+a": Form("lines"),
}
SEEDS = (
    b'{"qty": 3, "code": "Gel", "at": "2026-11-30T10:15:30Z"}',
    b'{"at": 1, "press": {"shots": [{"qty": 1}, {"qty": 2}]}}',
    b"[1, 2, [3, {}], null]",
    b"at;qty;code\n1;2;3\n",
    b'{"a": {"b": {"c": "\\ud83d"}}}',
    b"1e999",
    b"\xef\xbb\xbf5",
    b"[" * 2_000,
    b'{"qty": 123456789012345678901234567890}',
    b"<xml/>",
    b"",
)


def rubbish(rng: random.Random) -> bytes:
    """A payload that nobody would send, or a true one with some bytes changed, cut, doubled."""
    payload = bytearray(rng.choice(SEEDS) if rng.random() < 0.8 else rng.randbytes(rng.randrange(200)))
    for _ in range(rng.randrange(6)):
        place = rng.randrange(len(payload) + 1)
        match rng.randrange(4):
            case 0:
                payload[place : place + 1] = rng.randbytes(1)
            case 1:
                payload[place:place] = rng.choice((b'"', b"{", b"]", b"\n", b";", b"\\", b"\x00", b"9" * 30, b"null"))
            case 2:
                del payload[place : place + rng.randrange(20)]
            case _:
                payload += payload[:place]
    return bytes(payload)


def topic(rng: random.Random) -> str:
    known = rng.choice([*FORMS]).replace("+a", rng.choice(("", "x", "\u00e4", "+", "a b"))).replace("+b", "y")
    return known if rng.random() < 0.9 else known + rng.choice(("/", "/x", "\x00", "\ud800"))


def test_p12_any_payload_on_any_topic_is_mapped_or_rejected() -> None:
    """Nothing raises but what says why, what is read can be kept, and memory does not grow with the number of messages
    (`make payloads` tries more of them)."""
    rng = random.Random(1)
    topics, lines = Topics(FORMS), {}
    for address, form in FORMS.items():
        inputs: dict[str, Any] = {"split": form.split} if form.split is not None else {}
        inputs |= {"binary": {"type": "int16"}} if form.raw else {}
        lines[address] = compile_line(_any_line(address, inputs), ("lines", 0))
    states = dict.fromkeys(lines, LineState())
    mapped = rejected = unwanted = 0
    most = int(os.environ.get("ODEN_PAYLOADS", "3000"))
    held = 0
    tracemalloc.start()
    for number in range(most):
        if number == most // 3:
            held, _ = tracemalloc.get_traced_memory()
        where, payload = topic(rng), rubbish(rng)
        if not topics.wants(where):
            unwanted += 1
            continue
        try:
            parts = [*topics.parts(where, payload)]
        except ValueError:
            rejected += 1
            continue
        assert len(parts) <= MOST_PARTS
        for part in parts:
            if part.flaw:
                rejected += 1
                continue
            sample = Sample("floor", part.address, part.value, 1_800_000_000.0 + number, part=part.place)
            result = step(lines[part.address], states[part.address], Moment((sample,)))
            states[part.address] = result.state
            for refused in result.refused:
                assert len(payload_of(refused.sample.value)) <= 2 * LARGEST
            made = any(isinstance(record, Output) for record in result.records)
            rejected, mapped = rejected + bool(result.notices), mapped + (made or not result.notices)
            for memory in result.state.inputs.values():
                assert flaw(memory.value) is None
    grown = tracemalloc.get_traced_memory()[0] - held
    tracemalloc.stop()
    assert grown < 4 * 2**20
    assert min(mapped, rejected, unwanted) > 0


def _any_line(address: str, more: dict[str, Any]) -> Line:
    inputs: dict[str, Any] = {"x": {"source": "floor", "topic": address, **more}}
    if "binary" not in more:
        inputs["y"] = {"source": "floor", "topic": address, "field": "qty", "time": "at", **more}
    count = [{"count": "x.qty", "raw_data": {"scrap": "{n}"}}, {"count": "sum(x.qty)", "raw_data": {"sum": "{n}"}}]
    whole: dict[str, Any] = {"factory": "F", "line": "L", "inputs": inputs, "run": {"key": "x", "product": "P"}}
    return Line.model_validate({**whole, **({} if "binary" in more else {"scrap_yield": {"entries": count}})})
