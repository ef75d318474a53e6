"""The lock files and docs/dependencies.md against pyproject.toml."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())

RUNTIME: list[str] = PYPROJECT["project"]["dependencies"]
EXTRAS: list[str] = [text for extra in PYPROJECT["project"]["optional-dependencies"].values() for text in extra]
BUILD: list[str] = PYPROJECT["dependency-groups"]["build"]
SBOM: list[str] = PYPROJECT["dependency-groups"]["sbom"]

LOCKS = ["requirements.lock", "requirements-dev.lock", "requirements-build.lock", "requirements-sbom.lock"]


def pins(lock: str) -> dict[str, Requirement]:
    """What `lock` pins, by canonical name."""
    lines = (ROOT / lock).read_text().splitlines()
    found = (Requirement(line.removesuffix(" \\")) for line in lines if line and line[0] not in " #")
    return {canonicalize_name(requirement.name): requirement for requirement in found}


def direct(texts: list[str]) -> dict[str, Requirement]:
    return {canonicalize_name(requirement.name): requirement for requirement in map(Requirement, texts)}


def version(pin: Requirement) -> str:
    (specifier,) = pin.specifier
    assert specifier.operator == "==", f"{pin} is no exact version"
    return specifier.version


@pytest.mark.parametrize(
    ("lock", "declared"),
    [
        ("requirements.lock", RUNTIME),
        ("requirements-dev.lock", RUNTIME + EXTRAS + BUILD),
        ("requirements-build.lock", BUILD),
        ("requirements-sbom.lock", SBOM),
    ],
)
def test_each_lock_pins_what_pyproject_declares(lock: str, declared: list[str]) -> None:
    """Every declared dependency is locked, in a version that its declaration admits."""
    pinned = pins(lock)
    missing_or_wrong = [
        str(requirement)
        for name, requirement in direct(declared).items()
        if name not in pinned or not requirement.specifier.contains(version(pinned[name]))
    ]
    assert not missing_or_wrong, f"run `make lock`: {missing_or_wrong}"


def test_the_backend_that_builds_is_the_one_that_is_locked() -> None:
    """The build backend named in [build-system] is among the locked build dependencies."""
    assert direct(PYPROJECT["build-system"]["requires"]).keys() <= pins("requirements-build.lock").keys()


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-build.lock"])
def test_the_locks_agree(lock: str) -> None:
    """What is tested (requirements-dev.lock) has the versions of what is run and what is built with."""
    tested = pins("requirements-dev.lock")
    assert {name: version(pin) for name, pin in pins(lock).items()} == {
        name: version(tested[name]) for name in pins(lock)
    }


@pytest.mark.parametrize("lock", LOCKS)
def test_every_pin_has_hashes_and_no_address(lock: str) -> None:
    """Each pin is followed by at least one sha256, and nothing in the file names an index, a host or a folder."""
    text = (ROOT / lock).read_text()
    blocks = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]
    assert len(blocks) == len(pins(lock))
    assert [block.split()[0] for block in blocks if not re.search(r"--hash=sha256:[0-9a-f]{64}\b", block)] == []
    assert re.findall(r"://|--index|--find-links|--extra|\s/", text) == []


def test_the_docs_give_a_reason_for_each_direct_dependency() -> None:
    """The first columns of the tables in docs/dependencies.md are exactly the direct dependencies."""
    rows = re.findall(r"^\| (`.*?`) \|", (ROOT / "docs/dependencies.md").read_text(), flags=re.MULTILINE)
    documented = {canonicalize_name(name) for row in rows for name in re.findall(r"`([^`]+)`", row)}
    assert documented == direct(RUNTIME + EXTRAS + BUILD + SBOM).keys()


@pytest.mark.parametrize("lock", LOCKS)
def test_the_docs_name_everything_that_comes_along(lock: str) -> None:
    """Every package that a lock installs on Linux is named in docs/dependencies.md, also the indirect ones."""
    words = {canonicalize_name(word) for word in re.findall(r"[\w.-]*\w", (ROOT / "docs/dependencies.md").read_text())}
    linux = {name for name, pin in pins(lock).items() if "win32" not in str(pin.marker)}
    assert linux - words == set()
