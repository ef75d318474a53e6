"""Every command and block of the README and docs/ has a home: a test or a story that runs it.

The commands of an installation run on a machine that is made for them: `packaging/stories`, which `make package`
boots, and one of which `make image` tells to a container engine.
"""

import importlib.util
import re

import pytest

from gateway.__main__ import main
from tests.docs_chapters import CHAPTERS
from tests.docs_pages import ROOT, blocks, commands, lines_of
from tests.mapping.test_mapping_page import examples

STORIES = {
    "sudo apt install ./": "install",
    "sudo apt remove oden-gateway": "install",
    "systemctl status oden-gateway": "install",
    "systemctl status": "install",
    "sudo systemctl reload oden-gateway": "install",
    "sudo systemctl restart oden-gateway": "install",
    "sudo usermod -aG oden-gateway NAME": "install",
    "journalctl -u oden-gateway": "lib",
    "pip install": "by-hand",
    **dict.fromkeys(
        (
            "docker compose up -d",
            "docker compose --profile broker up -d",
            "docker compose up -d --build",
            "docker compose run --rm gateway check",
            "docker compose exec gateway oden-gateway outbox stats",
            "docker compose exec gateway oden-gateway version",
            "docker compose logs gateway",
            "docker compose kill --signal HUP gateway",
            "docker compose restart gateway",
            "docker exec",
            "docker kill --signal HUP",
        ),
        "docker",
    ),
}
"""Commands in sentences that a story of packaging/stories runs, and which; `follow PAGE SECTION` there runs blocks."""
MAKE = re.compile(r"(?:[A-Z_]+=\S+ )?make ([a-z]+)(?: [A-Z]+=\S+)*")
"""tests/packaging/test_makefile.py has make plan each target; what it runs is what the target is for."""
DEVELOPING = re.compile(r"(?:bash|(?:\.venv/bin/)?(?:python|pytest -q -n0))(?: -m)? (\S+)(?: .*)?")
"""Whoever changes the code calls these: that they are there is looked at."""


def steps_of(story: str) -> set[str]:
    """The commands of the sections of docs/ that a story follows."""
    text = (ROOT / "packaging" / "stories" / story).read_text()
    found: set[str] = set()
    for page, section in re.findall(r'^(?:follow|commands) (\S+) "([^"]+)"', text, re.MULTILINE):
        part = re.split(rf"^#+ {re.escape(section)}$", (ROOT / "docs" / page).read_text(), flags=re.MULTILINE)[1]
        for block in re.findall(
            r"^```sh\n(.*?)^```", re.split(r"^#+ ", part, flags=re.MULTILINE)[0], re.DOTALL | re.MULTILINE
        ):
            found.update(lines_of(block))
    if "docs/log.md" in text:
        found.update(line for block in blocks() if block.page == "docs/log.md" for line in lines_of(block.text))
    return found


def test_no_line_of_a_block_looks_like_a_heading() -> None:
    """The stories end a section at the next heading: the commands below such a line would be left out in silence."""
    for block in blocks():
        assert block.kind != "sh" or not re.search("^ *#", block.text, re.MULTILINE), block


def names_of_commands() -> list[str]:
    """What a sentence says of a command by its name alone: no option, no value."""
    typed = {one.command for chapter in CHAPTERS.values() for one in chapter}
    plain = re.compile(r"oden-gateway(?: [a-z][a-z-]*)+")
    return sorted({command for _, command in commands() if plain.fullmatch(command)} - typed)


@pytest.mark.parametrize("command", names_of_commands())
def test_a_command_that_is_named_says_how_it_is_used(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """`oden-gateway outbox`, for instance: its help begins with it."""
    with pytest.raises(SystemExit) as ended:
        main([*command.split()[1:], "--help"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: {command} ")


def test_every_command_has_a_home() -> None:
    """A test that types it, a story that runs it, or a target of make; and nothing here is on no page."""
    found = {command for _, command in commands()}
    typed = {one.command for chapter in CHAPTERS.values() for one in chapter}
    told = {step for story in ("install", "by-hand", "upgrade", "next") for step in steps_of(story)}
    homes = typed | told | STORIES.keys() | set(names_of_commands())
    homeless = {one for one in found - homes if not MAKE.fullmatch(one) and not DEVELOPING.fullmatch(one)}
    assert homeless == set()
    assert (typed | STORIES.keys()) - found == set()


@pytest.mark.parametrize("command", STORIES)
def test_a_story_has_the_command(command: str) -> None:
    """Without `sudo`, as root types it there."""
    text = (ROOT / "packaging" / "stories" / STORIES[command]).read_text()
    assert command.removeprefix("sudo ").removesuffix(" NAME").replace("apt remove", "apt-get remove -y") in (
        text.replace("apt-get install -y --reinstall --allow-downgrades ./", "apt install ./")
    )


def test_what_developers_call_is_there() -> None:
    """The module or file that each command names."""
    for page, command in commands():
        if named := DEVELOPING.fullmatch(command):
            assert (ROOT / named[1]).exists() or importlib.util.find_spec(named[1]), f"{page}: {command}"


BLOCKS = {
    ("README.md", ""): "a picture",
    ("README.md", "yaml"): "tests/config/test_readme.py::test_the_example_in_the_readme_is_right",
    ("docs/log.md", "json"): "tests/test_whole_path.py::test_an_event_can_be_followed_to_oden_in_the_log",
    ("docs/mapping.md", "yaml"): "tests/mapping/test_mapping_page.py::test_example_can_be_copied",
    ("docs/templates.md", "yaml"): "tests/config/test_templates.py::test_the_page_about_templates_is_right",
    ("docs/templates.md", "csv"): "tests/config/test_templates.py::test_the_page_about_templates_is_right",
    ("docs/oden-client.md", "python"): "tests/oden/test_objects.py::test_the_example_of_the_documentation",
    ("docs/opcua.md", "yaml"): "tests/test_docs_commands.py::test_the_examples_of_the_page_about_opc_ua_are_right",
    ("docs/simulator.md", "yaml"): "tests/test_docs_commands.py::test_the_plant_of_the_page_about_the_stand_in_is_one",
    ("docs/trying.md", "yaml"): "tests/test_docs_commands.py::test_what_the_page_about_trying_says_can_be_typed",
    ("docs/trying.md", ""): "tests/test_docs_commands.py::test_what_check_is_shown_to_say_is_what_it_says",
}
"""By page and kind, the test of each block that is not for the shell, all of that kind on the page."""


def test_every_block_has_a_home() -> None:
    """Blocks for the shell are commands, which have theirs; each other kind on a page has a test that is there."""
    others = {(block.page, block.kind) for block in blocks() if block.kind != "sh"}
    assert others == BLOCKS.keys()
    for home in BLOCKS.values():
        path, _, name = home.partition("::")
        assert home == "a picture" or f"def {name}(" in (ROOT / path).read_text(), home
    mapping = [block for block in blocks() if (block.page, block.kind) == ("docs/mapping.md", "yaml")]
    assert len(mapping) == len(examples()), "a section of docs/mapping.md that its test does not know"
