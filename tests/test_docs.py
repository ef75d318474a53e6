"""What the documents say can be done: commands, options, links and examples are all there."""

import argparse
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from gateway.__main__ import command_line

ROOT = Path(__file__).parent.parent
PARSER = command_line()
DOCS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
CODE = re.compile(r"```\w*\n(.*?)```|`([^`\n]+)`", re.DOTALL)
COMMAND = re.compile(r"^(?:sudo )?(?:\S*/)?oden-gateway (.*)$")
NO_MORE = re.compile(r"[|<>&;#…\[]|^\d?>")
"""What ends the words of a command: a pipe, a comment, an alternative, or what is left out."""
LINK = re.compile(r"\]\(([^)\s]*)\)")


def names(paths: list[Path]) -> list[str]:
    return [str(path.relative_to(ROOT)) for path in paths]


def lines_of_code(path: Path) -> Iterator[str]:
    """Each line of a block of code, and each piece of code in a sentence."""
    for block, piece in CODE.findall(path.read_text()):
        yield from (line.strip() for line in (block or piece).replace("\\\n", " ").splitlines())


def words_of(line: str) -> list[str]:
    """The words of a command as far as they are meant literally; none where the line is no such command."""
    match = COMMAND.match(line)
    words: list[str] = []
    for word in shlex.split(match[1], comments=True) if match and match[1].count("'") % 2 == 0 else ():
        if NO_MORE.search(word):
            break
        words.append(word)
    return words


def unknown(parser: argparse.ArgumentParser, words: list[str]) -> str | None:
    """The first word that is no subcommand or option, where one of these must stand."""
    for place, word in enumerate(words):
        subcommands = next((a.choices for a in parser._actions if isinstance(a, argparse._SubParsersAction)), None)
        if word.startswith("-") and word != "-":
            if word.partition("=")[0] not in parser._option_string_actions:
                return word
        elif subcommands is not None:
            return unknown(subcommands[word], words[place + 1 :]) if word in subcommands else word
    return None


def slug(heading: str) -> str:
    """The name by which a heading is linked to."""
    return re.sub(r"[^\w\- ]", "", heading.replace("`", "").strip().lower()).replace(" ", "-")


@pytest.mark.parametrize("path", DOCS, ids=names(DOCS))
def test_commands_and_options_are_there(path: Path) -> None:
    """In blocks of code and in sentences."""
    wrong = {line: unknown(PARSER, words_of(line)) for line in lines_of_code(path)}
    assert {line: word for line, word in wrong.items() if word is not None} == {}


@pytest.mark.parametrize("path", DOCS, ids=names(DOCS))
def test_links_lead_somewhere(path: Path) -> None:
    """To a file of the project, and to a heading in it where one is named."""
    for link in LINK.findall(re.sub(r"```.*?```", "", path.read_text(), flags=re.DOTALL)):
        if "://" in link:
            continue
        name, _, heading = link.partition("#")
        target = (path.parent / name).resolve() if name else path
        assert target.exists(), link
        if heading:
            headings = re.findall(r"^#+ (.*)$", target.read_text(), re.MULTILINE)
            assert heading in {slug(one) for one in headings}, link


@pytest.mark.parametrize("path", DOCS, ids=names(DOCS))
def test_examples_of_configuration_can_be_read(path: Path) -> None:
    """Each block is YAML, and no key stands in it twice."""
    for block in re.findall(r"^```yaml\n(.*?)^```", path.read_text(), re.DOTALL | re.MULTILINE):
        YAML(typ="safe").load(block)


def test_what_is_looked_for_is_found() -> None:
    """The commands of a sentence, of a pipe and of a block; a wrong one is seen."""
    assert words_of("sudo oden-gateway check -c FILE | head") == ["check", "-c", "FILE"]
    assert words_of("/opt/x/bin/oden-gateway outbox list --where dead # all") == ["outbox", "list", "--where", "dead"]
    assert unknown(PARSER, ["outbox", "retry", "--all"]) is None
    assert unknown(PARSER, ["outbox", "retrieve"]) == "retrieve"
    assert unknown(PARSER, ["check", "--quick"]) == "--quick"


def test_the_changelog_tells_each_item_once_and_whole() -> None:
    """Two branches that each add to it can leave one twice, or cut in two by another or by a blank line."""
    for section in (ROOT / "CHANGELOG.md").read_text().split("\n### ")[1:]:
        _, items = section.split("\n\n", 1)
        items = items.partition("\n## ")[0].rstrip("\n")
        assert "\n\n" not in items
        told = [re.sub(r"\s+", " ", item) for item in re.split(r"^\* ", items, flags=re.MULTILINE)[1:]]
        assert [item for item in told if not item.rstrip().endswith((".", ".)"))] == []
        beginnings = [item[:60] for item in told]
        assert [one for one in set(beginnings) if beginnings.count(one) > 1] == []
