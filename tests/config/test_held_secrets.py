"""P8, P10: what a secret's file holds is looked at as the token in the configuration is. No secret is ever shown."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.cli.startup import read_config
from gateway.errors import ConfigError
from tests.config.command import GOOD, TOKEN, check, written


@pytest.mark.parametrize(
    ("held", "told"),
    [
        (f"Token {TOKEN}", "leave the token alone there"),
        (f"bearer {TOKEN}", "leave the token alone there"),
        (f'"{TOKEN}"', "remove them"),
        (f"{TOKEN} # Oden", "a token has no blanks"),
        (f"{TOKEN}ä", "a token has no blanks, and no letters but"),
    ],
)
def test_p10_what_the_file_of_the_token_holds_is_no_token(held: str, told: str, tmp_path: Path) -> None:
    path = written(tmp_path / "c", GOOD)
    (path.parent / "secrets" / "oden_token").write_text(held + "\n", encoding="utf-8")
    (path.parent / "secrets" / "oden_token").chmod(0o600)
    answer = check(path)
    assert answer.code == 2
    (problem,) = answer.problems
    assert told in problem
    assert TOKEN not in answer.output + problem
    assert problem.split(": ")[0] == f"gateway.yaml:{place_of_the_token()}"


def test_p10_the_path_of_a_secret_is_no_secret(tmp_path: Path) -> None:
    """A token that is the path of a file beside the configuration was never meant as the token."""
    path = written(tmp_path / "c", GOOD.replace("${secret:oden_token}", "secrets/oden_token"))
    answer = check(path)
    assert answer.code == 2
    assert [problem for problem in answer.problems if "this would be taken for the secret itself" in problem]


def place_of_the_token() -> str:
    before = GOOD[: GOOD.index("${secret:oden_token}")]
    return f"{before.count(chr(10)) + 1}:{len(before) - before.rindex(chr(10))}"


WITH_SECRETS = """
oden: {{url: "http://127.0.0.1:1/v2", token: {token}, proxy: {proxy}}}
sources:
  plc: {{type: opcua, url: "opc.tcp://plc", security: none, username: edge, password: {plc}}}
  floor: {{type: mqtt, url: "mqtt://broker", client_id: edge-01, username: edge, password: {broker}}}
lines:
  - factory: Factory A
    line: Line 01
    inputs: {{state: {{source: plc, node: "ns=2;s=State"}}, order: {{source: floor, topic: a/b}}}}
    states: {{input: state, codes: {{1: {{category: Uptime}}}}}}
outbox: {{directory: outbox}}
status: {{token: {page}, actions_token: {actions}}}
"""
PLACES = ("token", "proxy", "plc", "broker", "page", "actions")
PLANTED = "PlantedX7"
FORMS: tuple[Callable[[str], str], ...] = (
    str,
    json.dumps,
    "'{}'".format,
    lambda secret: f"[{json.dumps(secret)}]",
    lambda secret: f"{{a: {json.dumps(secret)}}}",
)
ODD = (
    *(
        "{}",
        '"{}"',
        "{}'",
        "{}%0A%22",
        "{}\n{}",
        "http://u:{}@h:1",
        "${{}}",
        "${secret:{}}x",
        "{{}}",
        "{}: x",
        "# {}",
    ),
    *(
        "TODO {}",
        "{}：",
        "1.000{}",
        " {} ",
        "/etc/{}",
        "{}ä",
        "Bearer {}",
        "${sceret:{}}",
        "secrets/{}",
        "{}\x00",
        "[{}",
    ),
    *("{{}, {}}", "{{{}}}", '{"{}": 1, "{}": 2}', "{a: {{}: 1, {}: 1}}", "[{{}, {}}]", "{ {{}}, {} }", "{{}: , {}: }"),
    *("&{}", "*{}", "!{}", "{}==4", "{} && x", "%{}", "`{}`", "{}, {}", "{}\t", "\u202e{}", "{}=", "<{}>"),
)


@pytest.mark.parametrize("place", [*PLACES, "all"])
def test_p8_no_secret_is_shown_however_it_is_written(place: str, tmp_path: Path) -> None:
    """With quotes and without, as a list or a mapping, right or wrong, under a key that is misspelt: neither what is
    wrong shows it, nor the configuration written out, nor a traceback's words."""
    path = written(tmp_path / "c", "")
    right = dict.fromkeys(PLACES, "longer-than-sixteen") | {"proxy": '"http://a:1"'}
    for odd in ODD:
        for form in FORMS if place == "all" else FORMS[:1]:
            planted = {name: form(odd.replace("{}", f"{PLANTED}{name}")) for name in PLACES if place in (name, "all")}
            text = WITH_SECRETS.format(**right | planted)
            for wrong in (text, text.replace("password:", "passwort:").replace("token:", "tokn:")):
                path.write_text(wrong)
                assert [said for said in all_said(path) if PLANTED in said] == [], wrong


def all_said(path: Path) -> list[str]:
    try:
        loaded, _ = read_config(path, {})
    except ConfigError as error:
        return [*map(str, (*error.diagnostics, *error.warnings)), repr(error)]
    return [*map(str, loaded.warnings), json.dumps(loaded.expanded()), repr(loaded)]


def test_p8_the_warning_repeats_nothing_of_what_stands_behind_the_host_of_a_broker(tmp_path: Path) -> None:
    """That there is something is told."""
    url = "mqtt://broker.plant-a.local"
    answer = check(written(tmp_path / "c", GOOD.replace(url, f"{url}/a?password={PLANTED}")))
    (warning,) = answer.problems
    assert "mqtt:// has no path" in warning
    assert PLANTED not in warning
