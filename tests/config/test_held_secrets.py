"""P8, P10: what a secret's file holds is looked at as the token in the configuration is. No secret is ever shown."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.cli.startup import read_config
from gateway.config.environment import SecretError, read_secret
from gateway.errors import ConfigError
from tests.config.command import GOOD, TOKEN, check, written


@pytest.mark.parametrize(
    ("held", "told"),
    [
        (f"Token {TOKEN}", "leave the token alone there"),
        (f"bearer {TOKEN}", "leave the token alone there"),
        (f'"{TOKEN}"', "remove them"),
        (f"{TOKEN} # Oden", "a token has no blanks"),
        (f"token={TOKEN}", "as in a file of variables"),
        (f"export ODEN_TOKEN={TOKEN}", "as in a file of variables"),
        (f"api-key: {TOKEN}", "as in a file of variables"),
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


@pytest.mark.parametrize(("held", "is_named"), [("PLC_PASSWORD=s3cret", True), ("a=b", False), ("Key=", False)])
def test_p10_a_password_with_the_name_of_its_variable(held: str, is_named: bool, tmp_path: Path) -> None:
    """It may be the password, so that it is a warning, which does not repeat it."""
    right = 'floor: {type: mqtt, url: "mqtt://broker", client_id: e, username: edge, password: "${secret:broker}"}'
    path = written(tmp_path / "c", WITH_ONE.replace("floor: {}", right))
    for name, content in (("oden_token", TOKEN), ("broker", held)):
        (path.parent / "secrets" / name).write_text(content + "\n", encoding="utf-8")
        (path.parent / "secrets" / name).chmod(0o600)
    answer = check(path)
    told = [problem for problem in answer.problems if "as in a file of variables" in problem]
    assert (answer.code, len(told)) == (0, int(is_named)), answer.problems
    assert all("warning: " in problem and "s3cret" not in problem for problem in told)


def test_p10_the_path_of_a_secret_is_no_secret(tmp_path: Path) -> None:
    """A token that is the path of a file beside the configuration was never meant as the token."""
    path = written(tmp_path / "c", GOOD.replace("${secret:oden_token}", "secrets/oden_token"))
    answer = check(path)
    assert answer.code == 2
    assert [problem for problem in answer.problems if "this would be taken for the secret itself" in problem]


def place_of_the_token() -> str:
    before = GOOD[: GOOD.index("${secret:oden_token}")]
    return f"{before.count(chr(10)) + 1}:{len(before) - before.rindex(chr(10))}"


WITH_ONE = """
oden: {token: "${secret:oden_token}"}
sources:
  floor: {}
lines:
  - factory: Factory A
    line: Line 01
    inputs: {state: {source: floor, topic: a/b}}
    states: {input: state, codes: {1: {category: Uptime}}}
"""
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


@pytest.mark.parametrize("options", [(), ("--json",)])
@pytest.mark.parametrize("secret", ["tok-3f9a77c1e5d20b", f"eyJhbGciOi{'Jub2JvZHkifQ' * 30}"])
def test_p8_the_secret_itself_in_the_place_of_its_name_is_not_repeated(
    secret: str, options: tuple[str, ...], tmp_path: Path
) -> None:
    """Not even one that is too long for the name of a file."""
    answer = check(written(tmp_path / "c", GOOD.replace("oden_token}", f"{secret}}}")), *options)
    said = "\n".join((answer.output, *answer.problems))
    assert answer.code == 2
    assert "no secret has this name" in said
    assert secret not in said
    assert secret.upper().replace("-", "_") not in said


def test_p8_the_summary_shows_no_value_of_an_address(tmp_path: Path) -> None:
    url = "mqtt://broker.plant-a.local"
    answer = check(written(tmp_path / "c", GOOD.replace(url, f"wss://broker.plant-a.local/mqtt?token={PLANTED}")))
    assert "wss://broker.plant-a.local/mqtt?token=***" in answer.output
    assert PLANTED not in answer.output


def test_p8_the_secret_itself_is_not_repeated_where_its_folder_cannot_be_looked_into(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A name is, so that somebody can find the file."""

    def refused(path: Path, *_: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", refused)
    for named, said in (("tok-3f9a77c1e5d20b", "what is named here is in"), ("plc", "the secret 'plc' is in")):
        with pytest.raises(SecretError, match=said) as error:
            read_secret(named, tmp_path, {})
        assert "tok-" not in str(error.value)


@pytest.mark.parametrize(
    ("was", "becomes", "told"),
    [
        (
            'url: "mqtt://broker.plant-a.local"',
            f'ca: ca.pem, url: "ws://broker.plant-a.local/mqtt?token={PLANTED}"',
            "in place of 'ws://broker.plant-a.local/mqtt?token=***'",
        ),
        (
            "source: press_plc",
            f'source: "opc.tcp://edge:{PLANTED}@10.1.4.20:4840"',
            "unknown source 'opc.tcp://***@10.1.4.20:4840'",
        ),
    ],
)
def test_p8_what_is_said_of_an_address_shows_no_secret_in_it(was: str, becomes: str, told: str, tmp_path: Path) -> None:
    answer = check(written(tmp_path / "c", GOOD.replace(was, becomes, 1)))
    assert answer.code == 2
    assert told in "\n".join(answer.problems)
    assert PLANTED not in answer.output + "".join(answer.problems)
