"""What stands in the README and the pages of docs/ to be typed or copied: commands, and blocks of code."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
BLOCK = re.compile(r"^ *```(\w*)\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
PIECE = re.compile(r"(?<!`)`([^`]+)`(?!`)")
PROGRAMS = (
    "oden-gateway make journalctl systemctl docker curl kill tar df date timedatectl openssl git apt pip python pytest "
    "install mkdir echo bash usermod strace gunzip"
)
COMMAND = re.compile(rf"^(?:[A-Z_]+=\S+ +)*(?:sudo )?(?:\S*/)?(?:{'|'.join(PROGRAMS.split())}) (?!=)\S")

BARE = re.compile(r"^(?:call|check|clock|explain|init|outbox|pki|record|rejects|replay|simulate|tail|test) [a-z-]")
"""A command of the gateway as a sentence abbreviates it: `outbox list`."""


@dataclass(frozen=True, slots=True)
class Block:
    """A block of code: the page, its kind (`sh`, `yaml`, empty for what is only shown), and what stands in it."""

    page: str
    kind: str
    text: str


def blocks() -> Iterator[Block]:
    """All of them, in their order. The changelog tells of what was."""
    for path in PAGES:
        if path.name != "CHANGELOG.md":
            for kind, text in BLOCK.findall(path.read_text()):
                yield Block(str(path.relative_to(ROOT)), kind, text)


def lines_of(text: str) -> Iterator[str]:
    """The commands of a block, without their remarks: a line each, or several lines that are continued."""
    for line in text.replace("\\\n", " ").splitlines():
        command = " ".join(re.sub(r"(?:^| {2,})#.*", "", line).split())
        if command:
            yield command


def commands() -> Iterator[tuple[str, str]]:
    """Each page and command of its blocks for the shell and of its sentences."""
    for block in blocks():
        if block.kind == "sh":
            yield from ((block.page, line) for line in lines_of(block.text))
    for path in PAGES:
        if path.name != "CHANGELOG.md":
            for piece in PIECE.findall(BLOCK.sub("", path.read_text())):
                command = " ".join(piece.split())
                if COMMAND.match(command):
                    yield str(path.relative_to(ROOT)), command
                elif BARE.match(command):
                    yield str(path.relative_to(ROOT)), f"oden-gateway {command}"
