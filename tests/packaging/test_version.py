"""The version of what is built: it comes from the tag, and from nowhere else, also where git is not at hand."""

import importlib.util
import itertools
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from email.parser import Parser
from pathlib import Path
from types import ModuleType

import pytest

from tests.peers import PATIENCE

ROOT = Path(__file__).parents[2]
ARCHIVED = "$Format:%(describe:tags=true,match=v[0-9]*)$\n$Format:%h$\n"
"""What git replaces in an archive: where these tests are in one, it has."""
GIT = ("git", "-c", "user.name=a", "-c", "user.email=a@b", "-c", "tag.gpgSign=false")


def as_hatchling_loads(path: Path) -> ModuleType:
    """The module of what is asked for the version."""
    spec = importlib.util.spec_from_file_location("hatch_build", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


RULES = as_hatchling_loads(ROOT / "hatch_build.py")


def version(folder: Path) -> str:
    """What hatchling would say the version is."""
    return str(RULES.version(folder))


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone of three commits with what a build needs, and no tag yet."""
    folder = tmp_path / "clone"
    (folder / "config").mkdir(parents=True)
    (folder / "gateway").mkdir()
    for name in (
        "pyproject.toml",
        "hatch_build.py",
        "README.md",
        "LICENSE",
        ".gitattributes",
        ".gitignore",
    ):
        shutil.copy(ROOT / name, folder / name)
    (folder / ".archived").write_text(ARCHIVED)
    (folder / "gateway/__init__.py").touch()
    (folder / "config/a.yaml").touch()
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", ".")
    for number in range(3):
        git(folder, "commit", "-q", "--allow-empty", "-m", f"{number}")
    return folder


def git(folder: Path, *words: str) -> str:
    command = [*GIT, *words]
    done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True, timeout=PATIENCE)
    return done.stdout.strip()


def built(folder: Path, target: str = "wheel") -> Path:
    """What is built in `folder`."""
    command = [sys.executable, "-m", "hatchling", "build", "--target", target, "--directory", "dist"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=PATIENCE)
    (made,) = (folder / "dist").iterdir()
    return made


def told(wheel: Path) -> tuple[str, str | None]:
    """The version that a wheel has, and the commit that it names."""
    with zipfile.ZipFile(wheel) as archive:
        (metadata,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        names = archive.namelist()
        assert names.count("gateway/COMMIT") <= 1
        commit = archive.read("gateway/COMMIT").decode().strip() if "gateway/COMMIT" in names else None
        said = Parser().parsestr(archive.read(metadata).decode())["Version"]
        assert wheel.name.startswith(f"oden_gateway-{said}-")
        return said, commit


@pytest.mark.parametrize(
    ("tag", "at_it", "after_it"),
    [
        ("v0.2.0", "0.2.0", "0.2.1.dev1"),
        ("v1.0.0", "1.0.0", "1.0.1.dev1"),
        ("v0.2.0rc1", "0.2.0rc1", "0.2.0rc2.dev1"),
        ("monday", "0.1.1.dev3", "0.1.1.dev4"),
    ],
)
def test_the_tag_is_the_version(tag: str, at_it: str, after_it: str, clone: Path) -> None:
    """And what follows is on the way to the next; a tag that does not begin like a version says nothing."""
    assert version(clone) == "0.1.1.dev3"
    git(clone, "tag", tag)
    assert version(clone) == at_it
    short = git(clone, "rev-parse", "--short", "HEAD")
    assert told(built(clone)) == (at_it, tag if tag != "monday" else f"v0.1.0-3-g{short}")
    (clone / "README.md").write_text("changed")
    os.utime(clone / "README.md", (1_800_000_000, 1_800_000_000))
    assert version(clone) == after_it.replace(".dev1", ".dev0").replace(".dev4", ".dev3") + "+1800000000"
    git(clone, "commit", "-q", "-a", "-m", "after")
    assert version(clone) == after_it
    git(clone, "tag", "-a", "-m", "later", "v2.0.0")
    assert version(clone) == "2.0.0"


def test_a_tag_that_only_begins_like_a_version_is_built_as_none(clone: Path) -> None:
    """Rather than as something that nobody meant."""
    git(clone, "tag", "v2-new-page")
    with pytest.raises(subprocess.CalledProcessError) as caught:
        built(clone)
    assert b"v2-new-page: a tag that begins like a version is one" in caught.value.stderr + caught.value.stdout


def test_an_archive_knows_its_version(clone: Path, tmp_path: Path) -> None:
    """Git writes it into what it archives, as hosts of repositories do for releases; there is no .git in it."""
    for tag, expected in ((None, "0.1.1.dev0"), ("v0.3.0", "0.3.0")):
        if tag:
            git(clone, "tag", tag)
        folder = tmp_path / f"archive-{tag}"
        folder.mkdir()
        git(clone, "archive", "--output", str(tmp_path / "a.tar"), "HEAD")
        with tarfile.open(tmp_path / "a.tar") as archive:
            archive.extractall(folder, filter="data")
        assert told(built(folder)) == (expected, tag or git(clone, "rev-parse", "--short", "HEAD"))


def test_an_archive_of_an_older_git_that_lies_in_another_clone_says_its_own_commit(clone: Path) -> None:
    """Such a git leaves the words that ask for a tag; the commits of the other clone do not count."""
    folder = clone / "unpacked"
    shutil.copytree(clone, folder, ignore=shutil.ignore_patterns(".git", "unpacked"))
    (folder / ".archived").write_text("%(describe:tags=true,match=v[0-9]*)\n0123abc\n")
    assert told(built(folder)) == ("0.1.1.dev0", "0123abc")


@pytest.mark.parametrize("tagged", [True, False])
@pytest.mark.parametrize("changed", [True, False])
def test_a_source_distribution_carries_its_version(clone: Path, tmp_path: Path, *, tagged: bool, changed: bool) -> None:
    """What is built from it says the same as what it was made from, the commit and the code too: the package of another
    Debian is built so, and is as new as the one that is built here."""
    if tagged:
        git(clone, "tag", "v0.3.0")
    git(clone, "commit", "-q", "--allow-empty", "-m", "after")
    if changed:
        (clone / "gateway/__init__.py").write_text("changed")
    expected, commit, code = version(clone), RULES.described(clone), RULES.code(clone)
    assert expected.startswith("0.3.1.dev1" if tagged else "0.1.1.dev4")
    assert ("+" in expected) == changed
    folder = tmp_path / "unpacked"
    with tarfile.open(built(clone, "sdist")) as archive:
        archive.extractall(folder, filter="data")
    (root,) = folder.iterdir()
    wheel = built(root)
    assert told(wheel) == (expected, commit)
    assert zipfile.ZipFile(wheel).read("gateway/CODE").decode() == code


def test_a_build_is_told_from_one_of_other_code_whatever_its_version(clone: Path) -> None:
    """Without a history, too: a copy says that it is no version, an image's build knows the commit alone."""
    shutil.rmtree(clone / ".git")
    (clone / "requirements.lock").touch()
    said = [zipfile.ZipFile(built(clone)).read("gateway/CODE")]
    for name in ("gateway/COMMIT", "README.md", "gateway/__init__.py", "requirements.lock", "gateway/more.html"):
        shutil.rmtree(clone / "dist")
        (clone / name).write_text("0123abc\n")
        said.append(zipfile.ZipFile(built(clone)).read("gateway/CODE"))
    assert said[0] == said[1] == said[2]
    assert len({*said}) == 4
    shutil.move(clone / "gateway/more.html", clone / "gateway/less.html")
    assert RULES.code(clone).encode() not in said


def packages(clone: Path) -> Iterator[str]:
    """The versions of Debian packages that are built one after another, each from a later state of the clone."""

    def now() -> str:
        return debian(version(clone))

    def change(at: int) -> None:
        (clone / "README.md").write_text(f"changed at {at}")
        os.utime(clone / "README.md", (at, at))

    yield from ("0.0.8", "0.1.0~dev2", "0.1.0")  # as they were before the version came from the tag
    yield now()
    for name in (None, "v0.2.0a1", "v0.2.0b1", "v0.2.0rc1", "v0.2.0rc2", "v0.2.0", "v0.2.1b1", "v0.2.1", "v0.10.0"):
        if name:
            git(clone, "tag", name)
            yield now()
        change(1_800_000_000)
        yield now()
        change(1_800_000_007)
        yield now()
        git(clone, "commit", "-q", "-a", "-m", f"after {name}")
        yield now()
        git(clone, "rm", "-q", "README.md")
        yield now()
        git(clone, "commit", "-q", "-m", "a file less")
        yield now()
        shutil.copy(ROOT / "README.md", clone / "README.md")
        git(clone, "add", ".")
        git(clone, "commit", "-q", "-m", "and back")


def debian(said: str) -> str:
    """As the package calls itself."""
    command = [str(ROOT / "packaging/debian-version"), said]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=PATIENCE)
    return done.stdout.strip()


def test_apt_takes_each_later_build_for_newer(clone: Path) -> None:
    """By dpkg's own comparison: no tag, before and after each kind of tag, and with files that were changed since."""
    built = [*packages(clone)]
    assert len(built) > 40
    for earlier, later in itertools.pairwise(built):
        command = ["dpkg", "--compare-versions", earlier, "lt", later]
        assert subprocess.run(command, check=False, timeout=PATIENCE).returncode == 0, f"{earlier}, then {later}"


def test_no_package_is_made_of_what_cannot_be_put_in_order(clone: Path, tmp_path: Path) -> None:
    """A clone without its history, an archive between two releases: the version says so, and `packaging/deb` looks."""
    shallow = tmp_path / "shallow"
    git(tmp_path, "clone", "-q", "--depth", "1", f"file://{clone}", str(shallow))
    assert version(shallow) == "0.1.1.dev0"
    assert "\n  *.dev0 | *unknown)\n" in (ROOT / "packaging/deb").read_text()
    git(clone, "tag", "v0.1.0")
    with pytest.raises(ValueError, match=r"v0\.1\.0: there are packages 0\.1\.0 from before the first tag"):
        version(clone)


def test_a_copy_of_the_files_is_built_all_the_same(clone: Path) -> None:
    """Nobody knows its version, and it says so; whoever knows says it in a file, as an image's build does."""
    shutil.rmtree(clone / ".git")
    assert told(built(clone)) == ("0+unknown", None)
    shutil.rmtree(clone / "dist")
    (clone / "gateway/COMMIT").write_text("v0.4.0-2-g0123abc\n")
    assert told(built(clone)) == ("0.4.1.dev2", "v0.4.0-2-g0123abc")


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("detached", [True, False])
def test_it_is_known_where_git_is_not_installed(
    clone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, packed: bool, detached: bool
) -> None:
    """In the build of an image there are a few of git's files and no git: they say tag and commit."""
    kept = tmp_path / "image"

    def here() -> str:
        """The version in a folder with just these files."""
        if packed:
            git(clone, "pack-refs", "--all")
        git(clone, "checkout", "-q", *(["--detach"] if detached else ["main"]))
        shutil.rmtree(kept, ignore_errors=True)
        (kept / ".git").mkdir(parents=True)
        for name in ("HEAD", "packed-refs"):
            if (clone / ".git" / name).exists():
                shutil.copy(clone / ".git" / name, kept / ".git" / name)
        shutil.copytree(clone / ".git/refs", kept / ".git/refs")
        with monkeypatch.context() as bare:
            bare.setenv("PATH", str(tmp_path))
            return version(kept)

    assert here() == "0.1.1.dev0"
    for tag in ("v0.9.0", "v0.10.0rc1", "v0.10.0", "vendor"):
        git(clone, "tag", tag)
    assert here() == version(clone) == "0.10.0"
    git(clone, "commit", "-q", "--allow-empty", "-m", "after")
    assert (here(), version(clone)) == ("0.10.1.dev0", "0.10.1.dev1")
    if packed:
        git(clone, "tag", "-a", "-m", "with a text", "v0.11.0")
        assert here() == version(clone) == "0.11.0"


def test_without_git_the_commit_is_told(clone: Path) -> None:
    """As git would shorten it."""
    commit = git(clone, "rev-parse", "--short=8", "HEAD")
    assert RULES.by_files(clone / ".git") == commit
    git(clone, "tag", "v0.2.0")
    git(clone, "commit", "-q", "--allow-empty", "-m", "after")
    assert RULES.by_files(clone / ".git") == f"v0.2.0-0-g{git(clone, 'rev-parse', '--short=8', 'HEAD')}"
    assert RULES.by_files(clone / "nothing") == ""


def test_nothing_else_names_a_version() -> None:
    """The project's file leaves it to the tag."""
    text = (ROOT / "pyproject.toml").read_text()
    assert 'dynamic = ["version"]' in text
    assert "\nversion = " not in text
    if (ROOT / ".git").exists():
        assert (ROOT / ".archived").read_text() == ARCHIVED
    assert (ROOT / ".gitattributes").read_text() == ".archived export-subst\n"
