"""A folder in which commands of the pages are typed: only what `Rig.words` says is another word than on the page."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.docs_chapters import Typed
from tests.docs_pages import ROOT
from tests.peers import PATIENCE, free_port
from tests.processes import next_line


@dataclass(slots=True)
class Rig:
    """A folder in which commands are typed, with what they find there, and what a page's words mean in it."""

    folder: Path
    words: Mapping[str, str]
    environment: dict[str, str] = field(default_factory=dict)
    processes: list[subprocess.Popen[str]] = field(default_factory=list)

    def meant(self, command: str) -> str:
        for word, other in self.words.items():
            command = command.replace(word, other)
        return command

    def type(self, typed: Typed) -> str | None:
        """What is wrong with how the command went; None where nothing is. One that listens for some seconds is typed
        again until it has heard what it is to say: how much that is depends on what else the machine has to do."""
        command = self.meant(typed.command)
        deadline = time.monotonic() + PATIENCE
        while (wrong := self._type(typed, command)) and LISTENS.search(command) and time.monotonic() < deadline:
            pass
        return wrong

    def _type(self, typed: Typed, command: str) -> str | None:
        if typed.goes_on:
            process = self.go_on(command)
            said = next_line(process)
            return None if said and typed.says in said else f"{command}: it ended with {process.wait(PATIENCE)}"
        done = self.run(command)
        said = done.stdout + done.stderr
        if done.returncode != typed.code or typed.says not in said:
            return f"{command}: exit code {done.returncode}\n{said[-600:]}"
        return None

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        """How a command goes that is typed as it is."""
        return subprocess.run(
            ["bash", "-c", command],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    def go_on(self, command: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            ["bash", "-c", f"exec env {command}"],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.processes.append(process)
        return process

    def end(self) -> None:
        """End what goes on."""
        while self.processes:
            process = self.processes.pop()
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()


def program(folder: Path, name: str, text: str) -> None:
    """A program of the test's own."""
    path = folder / name
    path.write_text(text)
    path.chmod(0o755)


CURL = """
import sys, urllib.request as u
words, data, method = sys.argv[1:], None, None
while words[0].startswith("-"):
    if words[0] == "-d":
        data = words[1].encode()
    else:
        method = words[1]
    words = words[2:]
headers = {"Content-Type": "application/json"}
sys.stdout.write(u.urlopen(u.Request(words[0], data, headers, method=method)).read().decode())
"""
JOURNALCTL = """
import argparse, re, sys
parser = argparse.ArgumentParser()
parser.add_argument("-u", required=True, choices=["oden-gateway"])
parser.add_argument("-o", choices=["cat"])
parser.add_argument("-p", default="debug")
parser.add_argument("--since", choices=["today"])
names = ["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"]
highest = names.index(parser.parse_args().p)
for line in open(JOURNAL, encoding="utf-8").read().splitlines(True):
    priority, text = re.fullmatch("(?:<([0-7])>)?(.*)\\n?", line).groups()
    if int(priority or 6) <= highest and line.endswith("\\n"):
        print(text)
"""
"""What systemd's does with the lines of the service, of which each that says no priority has that of `info`."""
ENDS = (
    ("--for 8h", "--for 2s"),
    ("--for 1m", "--for 1s"),
    ("--seconds 60", "--seconds 2"),
    ("--live", "--live --seconds 2"),
)
"""What a person ends by Ctrl-C, or waits for longer than a test should."""


LISTENS = re.compile(r" (browse|check|tail) .*--(for|seconds) \d+s?\b")


def rig_in(place: Path) -> Rig:
    """An empty folder in `place`, and the programs that a page calls."""
    bin_ = place / "bin"
    bin_.mkdir()
    program(bin_, "oden-gateway", f'#!/bin/sh\nexec {sys.executable} -m gateway "$@"\n')
    program(bin_, "sudo", '#!/bin/sh\nexec "$@"\n')
    program(bin_, "systemctl", f'#!/bin/sh\n[ "$1" = reload ] && kill -HUP $(cat {place}/pid)\n')
    program(bin_, "curl", f"#!{sys.executable}\n{CURL}")
    program(bin_, "journalctl", f"#!{sys.executable}\nJOURNAL = {str(place / 'journal')!r}\n{JOURNALCTL}")
    folder = place / "here"
    folder.mkdir()
    words = {port: str(free_port()) for port in ("48400", "18800", "8400", "8401")}
    words["plant --at-once"] = f"plant --at-once --opcua-port {free_port()} --mqtt-port {free_port()}"
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ODEN_")}
    return Rig(folder, words, {**kept, "PATH": f"{bin_}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)})
