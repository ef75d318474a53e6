"""The status page in Debian's Chromium (`make page`): what people see, touch, hear and do there; and its server, asked
by its OpenAPI document.

`ODEN_PICTURES=FOLDER make page` also writes a picture of each view there, to be looked at.
"""

import asyncio
import json
import os
import re
import sys
from contextlib import AsyncExitStack
from datetime import datetime
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from gateway.status.actions import HEADER
from tests.page import pictures, plants
from tests.peers import PATIENCE, Mosquitto, free_port, wait_until
from tests.processes import status_json

ROOT = Path(__file__).parents[2]
PICTURES = os.environ.get("ODEN_PICTURES")
SIZES = {"phone": (390, 844), "tablet": (820, 1180), "desktop": (1280, 900), "wall": (1920, 1080)}
SCHEMES = ("light", "dark")


async def look(*views: dict[str, object]) -> list[Any]:
    """What is seen of each view, which names its plant by `lines` and `faulty`; see `node/look.mjs`."""
    async with AsyncExitStack() as serving:
        urls: dict[tuple[object, object], str] = {}
        asked = []
        for view in views:
            lines, faulty = int(str(view["lines"])), bool(view["faulty"])
            if (lines, faulty) not in urls:
                server = plants.server(lines, faulty=faulty)
                urls[lines, faulty] = (await serving.enter_async_context(server)).url
            width, height = SIZES[str(view["size"])]
            path = "/wall" if view["size"] == "wall" else "/"
            name = f"{view['size']}-{view['scheme']}-{lines}-{'faulty' if faulty else 'healthy'}"
            picture = {"picture": f"{PICTURES}/{name}.png"} if PICTURES else {}
            place = {"url": urls[lines, faulty] + path, "width": width, "height": height}
            asked.append({**view, "name": name, **place, **picture})
        return await browse(*asked)


async def browse(*views: dict[str, object]) -> list[Any]:
    """What is seen of the views, as `node/look.mjs` takes and tells them."""
    process = await asyncio.create_subprocess_exec(
        *("node", str(Path(__file__).with_name("node") / "look.mjs"), str(ROOT / ".peers/page")),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(PATIENCE):
        said, _ = await process.communicate(json.dumps(views).encode())
    assert process.returncode == 0
    seen: list[Any] = json.loads(said)
    return seen


@pytest.mark.parametrize("size", SIZES)
async def test_the_page_is_for_everybody(size: str) -> None:
    """For eyes that see little, fingers and screen readers (axe finds nothing); nothing comes from elsewhere, nothing
    runs out of the screen, and the browser has nothing to complain of.
    """
    views = [
        {"size": size, "scheme": scheme, "lines": lines, "faulty": faulty}
        for scheme, lines, faulty in product(SCHEMES, (1, 6, 40), (False, True))
    ]
    for seen in await look(*views):
        small = [] if size == "wall" else seen["small"]  # nobody touches it
        faults = seen["violations"] + seen["errors"] + seen["foreign"] + small
        assert (seen["name"], faults, seen["overflow"]) == (seen["name"], [], 0)


def view(script: str, size: str = "desktop", *, lines: int = 6) -> dict[str, object]:
    """A faulty plant, with what is done there."""
    return {"size": size, "scheme": "light", "lines": lines, "faulty": True, "script": script}


async def test_a_keyboard_is_enough() -> None:
    """The way past the head, a filter, the field by its key, and back to all by Esc; where one is can be seen."""
    [seen] = await look(view("keyboard"))
    assert seen["result"] == {
        "first": "To the lines",
        "skipped": "lines",
        "outline": "solid",
        "pressed": "stopped",
        "filtered": 1,
        "found": ["Line 02 "],
        "all": 6,
    }


async def test_what_can_be_done_is_done() -> None:
    """The token is asked for once, a wrong one is said, what cannot be undone is asked for twice, and the browser keeps
    nothing of it; with axe content on what is open then.
    """
    [seen] = await look(view("actions", "phone"))
    assert seen["result"] == {
        "asked": True,
        "field": "password",
        "retried": "1 record will be sent once more.",
        "warned": "This gives up 1 dead letter, and 14 records that depend on it. They will never be at Oden.",
        "focused": "Cancel",
        "closed": True,
        "paused": "Delivery is paused, by the page.",
        "stored": 0,
    }
    assert (seen["violations"], seen["errors"]) == ([], [])


async def test_a_pause_is_seen_where_it_works() -> None:
    """In the head, with the way on, and at the outbox."""
    async with plants.server(6, faulty=False, paused=True) as server:
        place = {
            "url": f"{server.url}/",
            "width": 1280,
            "height": 900,
            "scheme": "dark",
            "name": "",
            "script": "paused",
        }
        [seen] = await browse(place)
    assert seen["result"]["offered"] == ["Resume delivery", "Resume delivery"]
    assert seen["result"]["mark"].startswith("paused since ")
    assert seen["result"]["done"] == "Delivery goes on."
    assert (seen["violations"], seen["errors"]) == ([], [])


async def test_a_bar_says_until_when_it_is_known() -> None:
    """Where its changes have to wait for their share of the rate: what is on is drawn until then only. What is asked
    for afterwards is what has changed since.
    """
    [seen] = await look(view("timeline"))
    result = seen["result"]
    assert (result["fresh"], result["again"], result["asked"]) == ("now", "now", ["?since=0"])
    assert re.fullmatch(r"as of \d\d:\d\d", result["late"])
    assert 705.0 < result["drawn"] < 715.0, "ten minutes of twelve hours are ten of 720"
    assert (seen["violations"], seen["errors"]) == ([], [])


async def test_who_does_not_see_is_not_told_each_second() -> None:
    """While ages and counts move, what is spoken stays as it is."""
    [seen] = await look(view("spoken"))
    assert len(seen["result"]) == 1
    assert seen["result"][0].startswith(
        "3 problems: Oden cannot be reached (connection refused); 1,204 records are safe"
    )
    assert "tried again" not in seen["result"][0]


async def test_a_line_that_is_not_heard_is_grey_whatever_it_was() -> None:
    """Its colour is that of no state, it says since when, and its bar is hatched; the others have the colours that the
    configuration gives their categories.
    """
    [seen] = await look(view("lines"))
    edges: dict[str, set[str]] = {}
    for line in seen["result"]:
        edges.setdefault(line["tone"].split()[0], set()).add(line["edge"])
        assert ("Unknown since" in line["text"], line["gaps"] > 0) == (line["tone"] == "unknown",) * 2
    assert {*edges} == {"stopped", "unknown", "planned", "running"}
    assert len(set.union(*edges.values())) == len(edges)


async def test_what_is_wrong_comes_first_and_what_is_alike_is_one_entry() -> None:
    """However many sources are away, it is one problem with the others behind it; the strip counts every line once,
    by how it is, and lines that need somebody come before those that run."""
    async with plants.server(40, faulty=True, away=12) as server:
        at = {"url": f"{server.url}/", "width": 1280, "height": 900, "scheme": "light", "name": ""}
        problems, lines = await browse({**at, "script": "problems"}, {**at, "script": "lines"})
    held, away, letters = problems["result"]["entries"]
    assert (held["text"], held["more"], letters["more"]) == ("", "", ""), "the headline says it already"
    assert away["text"].startswith("Source floor is not connected")
    assert (away["more"], len(away["others"])) == ("and 11 more like it", 11)
    assert away["others"][-1].startswith("Source hall12 is not connected")
    strip = [re.split(r"\s+", text.strip(), maxsplit=1) for text in problems["result"]["tallies"]]
    counted = {name: int(number) for number, name in strip}
    assert next(iter(counted)) == "lines"
    assert counted.pop("lines") == sum(counted.values()) == 40
    tones = [line["tone"].split()[0] for line in lines["result"]]
    assert {name: counted[name] for name in ("stopped", "unknown", "running")} == {
        name: tones.count(name) for name in ("stopped", "unknown", "running")
    }
    waiting_for_a_person = [place for place, tone in enumerate(tones) if tone in ("unknown", "stopped")]
    assert max(waiting_for_a_person) < tones.index("running")
    assert problems["violations"] == lines["violations"] == []


@pytest.mark.parametrize("size", ["wall", "tablet"])
async def test_no_word_is_torn_and_what_was_made_can_be_read(size: str) -> None:
    """Neither on the wall nor on a tablet, with few lines and many; the wall has room for the run's good and scrap of
    each line that is heard, and with up to six lines for the shift's. Nothing that is said of a line is cut, long names
    of states, products and lines neither."""
    views = [
        {"size": size, "scheme": "light", "lines": lines, "faulty": faulty, "script": "words"}
        for lines, faulty in ((1, False), (6, False), (40, True))
    ]
    one, few, many = (seen["result"] for seen in await look(*views))
    assert [(seen["torn"], seen["cut"]) for seen in (one, few, many)] == [([], [])] * 3
    made = {"run": r"[\d,]+ good, \d+ scrap", "shift": r"Shift: [\d,]+ good, \d+ scrap"}
    if size == "wall":
        for run, shift in (*one["made"], *few["made"]):
            assert re.fullmatch(made["run"], run), run
            assert re.fullmatch(made["shift"], shift), shift
        heard = [parts for parts in many["made"] if parts]
        assert len(heard) == 30, "of 40 lines ten are not heard"
        assert all(re.fullmatch(made["run"], run) for run, *_ in heard)


@pytest.mark.parametrize("size", ["phone", "desktop", "wall"])
async def test_lines_may_be_called_what_they_want(size: str) -> None:
    """Like markup, like each other, two hundred characters long, from right to left: each is shown as it is written,
    and what its line does can be seen."""
    async with plants.server(40, faulty=True, odd=True) as server:
        width, height = SIZES[size]
        path = "wall" if size == "wall" else ""
        at = {"url": f"{server.url}/{path}", "width": width, "height": height, "scheme": "light", "name": size}
        [seen] = await browse({**at, "script": "rows"})
    assert {name for name, _ in seen["result"]} == {*plants.NAMES}
    assert [name for name, rows in seen["result"] if not {"h3", "state"} <= {*rows}] == []
    heard = [rows for _, rows in seen["result"] if "unknown" not in rows]
    assert len(heard) == 30
    assert all({"h3", "state", "run", "made"} <= {*rows} for rows in heard)
    assert (seen["violations"], seen["errors"], seen["foreign"], seen["overflow"]) == ([], [], [], 0)


@pytest.mark.parametrize(
    ("at", "said"),
    [
        ("2026-10-25T03:10:00+01:00", "since Oct 24, 05:56 · 22 h 13 min"),
        ("2027-03-28T03:10:00+02:00", "since Mar 27, 03:56 · 22 h 13 min"),
        ("2026-11-12T00:10:00+01:00", "since Nov 11, 01:56 · 22 h 13 min"),
    ],
)
async def test_over_midnight_and_the_change_of_summer_time(at: str, said: str) -> None:
    """Times are those where the browser is, with the day where it is another, and how long ago that is is true."""
    async with plants.server(1, faulty=False, at=datetime.fromisoformat(at).timestamp()) as server:
        place = {"url": f"{server.url}/", "width": 1280, "height": 900, "scheme": "light", "name": ""}
        [seen] = await browse({**place, "zone": "Europe/Berlin", "script": "times"})
    assert seen["result"].count(said) == 2, "both sources"


async def test_the_server_answers_as_its_document_says(tmp_path: Path) -> None:
    """Whatever schemathesis makes of the document: wrong bodies, methods, types and headers, with the token of the
    actions. That some bodies fit the schema and not the action is what 400 is for; `/api/changes` has no end.
    """
    server = plants.server(6, faulty=False)
    async with server:
        process = await asyncio.create_subprocess_exec(
            *(str(ROOT / ".peers/schemathesis/bin/schemathesis"), "run", f"{server.url}/api/openapi.json"),
            *("--exclude-path", "/api/changes", "--exclude-checks", "positive_data_acceptance"),
            *("-H", f"{HEADER}:{plants.TOKEN}", "-n", "60", "--no-color", "--request-timeout", str(PATIENCE)),
            stdout=asyncio.subprocess.PIPE,
            cwd=tmp_path,
        )
        async with asyncio.timeout(PATIENCE * 2):
            said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()


CONFIG = """
oden: {{url: "http://127.0.0.1:{oden}/v2", token: t0k3n}}
sources: {{floor: {{type: mqtt, url: "{broker}", client_id: page}}}}
templates:
  press:
    inputs:
      state: {{source: floor, topic: "plant/${{n}}", field: s, fresh: "${{fresh}}"}}
    states: {{input: state, codes: {{1: {{category: Lauf}}, 2: {{category: Not Running}}, 3: {{category: Pause}}}}}}
lines:
  - {{factory: Werk A, line: Presse 1, id: l1, use: press, with: {{n: "1", fresh: 1h}}}}
  - {{factory: Werk A, line: Presse 2, id: l2, use: press, with: {{n: "2", fresh: 1h}}}}
  - {{factory: Werk A, line: Presse 3, id: l3, use: press, with: {{n: "3", fresh: 1h}}}}
  - {{factory: Werk A, line: Presse 4, id: l4, use: press, with: {{n: "4", fresh: 2s}}}}
outbox: {{directory: {folder}/outbox, min_free: 0%}}
status: {{listen: "127.0.0.1:{status}", categories: {{Lauf: running, Not Running: stopped}}}}
"""


NOTHING = {"sources": [{"connected": False}]}


async def tones(url: str) -> dict[str, tuple[str, bool]]:
    """By line, how a browser shows it, and whether it says since when it is unknown."""
    at = {"url": url, "width": 1280, "height": 900, "scheme": "light", "name": "", "script": "lines"}
    [seen] = await browse(at)
    return {
        line["text"].split("\n")[0].strip(): (line["tone"].split()[0], "Unknown since" in line["text"])
        for line in seen["result"]
    }


async def test_a_real_gateway_shows_what_its_configuration_says(tmp_path: Path) -> None:
    """Colours are those of the configuration and of no English word; a line whose input is quiet, or whose source is
    away, is grey and says since when, whatever it was.
    """
    status, told = free_port(), {"Presse 1": 1, "Presse 2": 2, "Presse 3": 3, "Presse 4": 1}
    with Mosquitto(tmp_path) as broker:
        text = CONFIG.format(oden=free_port(), broker=broker.url, folder=tmp_path, status=status)
        (tmp_path / "gateway.yaml").write_text(text)
        gateway = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gateway", "run", "-c", str(tmp_path / "gateway.yaml")),
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:

            def known(field: str) -> list[object]:
                return [line[field] for line in (status_json(status) or {"lines": []})["lines"]]

            await wait_until(lambda: (status_json(status) or NOTHING)["sources"][0]["connected"])
            for line, code in told.items():
                await broker.publish(f"plant/{line[-1]}", json.dumps({"s": code}))
            await wait_until(lambda: known("state") and all(known("state")))
            await wait_until(lambda: known("unknown_since")[3:] not in ([], [None]))
            url = f"http://127.0.0.1:{status}/"
            assert await tones(url) == {
                "Presse 1": ("running", False),
                "Presse 2": ("stopped", False),
                "Presse 3": ("neutral", False),
                "Presse 4": ("unknown", True),
            }
            broker.stop()
            await wait_until(lambda: known("unknown_since") and all(known("unknown_since")))
            assert {*(await tones(url)).values()} == {("unknown", True)}
        finally:
            gateway.terminate()
            await gateway.wait()


def test_the_pictures_of_the_docs_can_be_taken_anew(tmp_path: Path) -> None:
    """Each that docs/operations.md shows, and no other."""
    shown = re.findall(r"\(images/([\w-]+)\.webp\)", (ROOT / "docs/operations.md").read_text(encoding="utf-8"))
    asyncio.run(pictures.take(tmp_path))
    assert sorted(path.stem for path in tmp_path.iterdir()) == sorted(shown)
    assert all(path.read_bytes()[8:12] == b"WEBP" for path in tmp_path.iterdir())
