"""P8, P10: what a secret's file holds is looked at as the token in the configuration is, and never shown."""

from pathlib import Path

import pytest

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
