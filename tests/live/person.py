"""A person who has a configuration, asks `check --live` what is wrong, and does what it says, to the letter.

What is to be done is read out of the finding: the setting with its value and place, the name that is meant, a command.
"""

import asyncio
import io
import json
import re
import shlex
import sys
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

from gateway.__main__ import main
from tests.config.command import TOKEN, environment
from tests.peers import PATIENCE, free_port

Findings = dict[tuple[str, str], dict[str, str]]
Do = Callable[["Person", Mapping[str, str]], Awaitable[object]]
SETTING = re.compile(r"`(\w+): ([^`]+)` (?:beside `node` of|at) ([^;:,]+)")
MEANT = re.compile(r"did you mean (.+)\?")
COMMAND = re.compile(r"oden-gateway (.+?)(?:;|$)")


class Person:
    """Has a configuration, asks what is wrong, and does what is said."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "gateway.yaml"
        (folder / "secrets").mkdir()
        self.token(TOKEN)
        self.config: dict[str, Any] = {
            "outbox": {"directory": "outbox", "size_limit": "100 MB", "min_free": "0%"},
            "status": {"listen": f"127.0.0.1:{free_port()}"},
            "sources": {},
            "lines": [{"factory": "Factory A", "line": "Line 01", "inputs": {}}],
        }
        self.outside: dict[str, Callable[[], Awaitable[object]]] = {}
        """What can be done at what is not the gateway's, by name."""

    def token(self, text: str) -> None:
        (self.file.parent / "secrets" / "oden_token").write_text(f"{text}\n")

    def input(self, name: str, **keys: Any) -> None:
        self.config["lines"][0]["inputs"][name] = keys

    def saves(self) -> None:
        """The file is the old one or the new one, never half of it: a gateway that runs may read it at any moment."""
        new = self.file.with_suffix(".new")
        new.write_text(json.dumps(self.config))
        new.replace(self.file)

    async def asks(self, seconds: float = 5) -> Findings:
        self.saves()
        code, said = await self.types("check", "-c", str(self.file), "--live", "--seconds", str(seconds), "--json")
        assert '"findings"' in said, said
        found = {(each["kind"], each["about"]): each for each in json.loads(said[said.index("{") :])["findings"]}
        assert code == any(each["level"] == "wrong" for each in found.values())
        return found

    async def until(self, shows: Callable[[Findings], bool]) -> Findings:
        """What is found, asked as often as it takes until it `shows` what it must: how much comes in some seconds
        depends on what else the machine has to do."""
        deadline = time.monotonic() + PATIENCE
        while not shows(found := await self.asks()):
            assert time.monotonic() < deadline, found
        return found

    async def types(self, *words: str) -> tuple[int, str]:
        """A command of the gateway: how it ends, and all that it says."""
        said = io.StringIO()
        with redirect_stdout(said), redirect_stderr(said):
            code = await asyncio.to_thread(main, words)
        return code, said.getvalue()

    async def command(self, finding: Mapping[str, str]) -> str:
        """What the command of a finding says."""
        found = COMMAND.search(finding["cure"]) or COMMAND.search(finding["text"])
        assert found is not None, finding
        return (await self.types(*shlex.split(found[1])))[1]

    async def shell(self, line: str) -> str:
        """What a line typed into a shell prints, which must succeed. Who types it is root, and has installed the
        gateway."""
        installed = f'oden-gateway() {{ {shlex.quote(sys.executable)} -m gateway "$@"; }}; sudo() {{ "$@"; }}'
        process = await asyncio.create_subprocess_exec(
            *("bash", "-c", f"{installed}\n{line}"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=self.file.parent,
            env=environment(),
        )
        said, wrong = await process.communicate()
        assert process.returncode == 0, (line, wrong.decode())
        return said.decode()

    def at(self, place: str) -> dict[str, Any]:
        """The section that a finding names."""
        sections: dict[str, dict[str, Any]] = {**self.config["sources"]}
        for line in self.config["lines"]:
            about = f"{line['factory']}/{line['line']}"
            sections |= {about: line, **{f"{about} {name}": given for name, given in line["inputs"].items()}}
        return sections[place]


async def setting(person: Person, finding: Mapping[str, str]) -> None:
    """The setting, with the value that is said, where it is said."""
    found = SETTING.search(finding["cure"])
    assert found is not None, finding
    person.at(found[3])[found[1]] = int(found[2]) if found[2].isdigit() else found[2]


def written(key_: str, value: Any) -> Do:
    """The setting that is named, with a value that a person knows."""

    async def do(person: Person, finding: Mapping[str, str]) -> None:
        assert re.search(rf"`{key_}(: NAME)?`", finding["cure"]), finding
        person.at(finding["about"])[key_] = value

    return do


def meant(key_: str) -> Do:
    """What is said to be meant."""

    async def do(person: Person, finding: Mapping[str, str]) -> None:
        found = MEANT.search(finding["text"])
        assert found is not None, finding
        assert f"write `{key_}` as it is at Oden" in finding["cure"]
        person.at(finding["about"])[key_] = found[1]

    return do


def shown(key_: str, right: str) -> Do:
    """What the command of the finding shows that is meant."""

    async def do(person: Person, finding: Mapping[str, str]) -> None:
        said = await person.command(finding)
        assert right in said, (finding, said)
        person.at(finding["about"])[key_] = right

    return do


def outside(name: str, words: str) -> Do:
    """Somebody does at a device, server or broker what is said in these `words`."""

    async def do(person: Person, finding: Mapping[str, str]) -> None:
        assert words in finding["cure"], finding
        await person.outside[name]()

    return do


def said_of(name: str, right: str, wrong: str = "") -> Do:
    """A value that a person knows for the setting that is named at the source that is named."""

    async def do(person: Person, finding: Mapping[str, str]) -> None:
        assert f"`{name}` of {finding['about']}" in finding["cure"], finding
        section = person.at(finding["about"])
        section[name] = section[name].replace(wrong, right) if wrong else right

    return do


async def topic_like_it(person: Person, finding: Mapping[str, str]) -> None:
    person.at(finding["about"])["topic"] = (
        finding["text"].partition("the broker has what is like it: ")[2].split(", ")[0]
    )


async def field_of_messages(person: Person, finding: Mapping[str, str]) -> None:
    assert "correct `field`" in finding["cure"]
    assert "see what its messages say" in finding["cure"]
    person.at(finding["about"])["field"] = "number"


async def all_done(
    person: Person,
    cures: Mapping[tuple[str, str], Do],
    left: set[tuple[str, str]],
    known: Mapping[str, str] | None = None,
    wrong: Collection[tuple[str, str]] = (),
) -> None:
    """Each of `cures` is found; once all is done as it is said, only what is `left` is, and no more of it is wrong but
    what of that is `wrong`. `known` are the values that a person has for words in the settings."""
    await all_done_in_stages(person, [cures], left, known, wrong)


async def all_done_in_stages(
    person: Person,
    stages: Sequence[Mapping[tuple[str, str], Do]],
    left: set[tuple[str, str]] | None = None,
    known: Mapping[str, str] | None = None,
    wrong: Collection[tuple[str, str]] = (),
) -> None:
    """As `all_done`, where one thing hides the next: each stage is found once that before is done."""
    nothing_there = {"oden": {"url": f"http://127.0.0.1:{free_port()}/v2", "token": "${secret:oden_token}"}}
    nobody = {("oden_unreachable", "Oden")} if "oden" not in person.config else set()
    person.config = {**nothing_there, **person.config}
    before: set[tuple[str, str]] = set()
    for stage in stages:
        found = await person.until(lambda found, stage=stage: stage.keys() <= found.keys())  # type: ignore[misc]
        assert not before & found.keys()
        for place, do in stage.items():
            await do(person, found[place])
        for section in person.config["sources"].values():
            section.update({name: known[text] for name, text in section.items() if known and text in known})
        before |= stage.keys()
    after = await person.until(lambda found: found.keys() - nobody == (left or set()))
    assert {place for place, each in after.items() if each["level"] == "wrong"} == {*wrong, *nobody}
