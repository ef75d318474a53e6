"""The plant and the judge of the story `upgrade`, with this version's own broker and stand-in.

`events.py broker PORT` serves; `events.py say PORT run W1 scrap 3 …` publishes events; `events.py compare LEDGER W1=3
…` waits until Oden has each of these runs once with so much scrap, and says what it has.
"""

import asyncio
import json
import sys
import time
from pathlib import Path

WAITS = 300.0
"""Seconds until what Oden has must be right."""


async def broker(port: int) -> None:
    """Serve until killed."""
    from gateway.simulator.broker import Broker  # noqa: PLC0415 - each of the three needs something else

    await Broker(port).start()
    await asyncio.Event().wait()


def say(port: int, words: list[str]) -> None:
    """Publish each event once, and wait until the broker has it."""
    import paho.mqtt.client as mqtt  # noqa: PLC0415

    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
    client.connect("127.0.0.1", port)
    client.loop_start()
    for kind, value in zip(words[::2], words[1::2], strict=True):
        payload = {"number": value} if kind == "run" else {"qty": int(value)}
        client.publish(f"plant/{kind}", json.dumps(payload), qos=1).wait_for_publish()
        time.sleep(1.2)  # runs begin in different seconds
    client.disconnect()


def compare(ledger: Path, expected: list[tuple[str, float]]) -> int:
    """0 as soon as Oden has exactly that, and still has it a little later; else 1."""
    from gateway.simulator.oden.model import OdenModel  # noqa: PLC0415
    from gateway.simulator.oden.persistence import replay  # noqa: PLC0415
    from gateway.simulator.oden.store import Organization  # noqa: PLC0415

    def at_oden() -> list[tuple[str, float]]:
        model: OdenModel = replay(ledger, Organization())
        runs = model.intervals("RUN", "Factory A", "Line 01")
        return sorted((run.name or "", sum(float(str(e.raw_data["scrap"])) for e in model.output(run))) for run in runs)

    until = time.monotonic() + WAITS
    while time.monotonic() < until:
        if ledger.exists() and at_oden() == expected:
            time.sleep(20.0)
            break
        time.sleep(1.0)
    sys.stdout.write(f"Oden has {at_oden()}\n")
    return int(at_oden() != expected)


if __name__ == "__main__":
    command, target, *rest = sys.argv[1:]
    if command == "broker":
        asyncio.run(broker(int(target)))
    elif command == "say":
        say(int(target), rest)
    else:
        sys.exit(compare(Path(target), sorted((name, float(n)) for name, n in (word.split("=") for word in rest))))
