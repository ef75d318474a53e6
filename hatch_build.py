"""Which version this is, and of which commit: what git says of the tag `vVERSION`, here or where the archive or image
was made. Nothing else names a version. hatchling asks `version()`, and puts the rest into what it builds."""

import re
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from packaging.version import Version

FIRST = "0.1.0"
"""What all is on the way to until there is a first tag."""
UNKNOWN = "0+unknown"
"""The version of a copy of the files that nobody can say anything of."""
TAGS = ("--tags", "--match", "v[0-9]*")
VERSION = re.compile(r"v(\d+(?:\.\d+)*(?:(?:a|b|rc)\d+)?)")
DESCRIBED = re.compile(rf"{VERSION.pattern}(?:-(\d+)-g[0-9a-f]+)?(-dirty)?")


class CommitHook(BuildHookInterface):  # type: ignore[type-arg]  # hatchling's own parameter says nothing here
    """Adds `gateway/COMMIT`: what `described()` says."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Nothing is added to an editable installation: git is asked there."""
        root = Path(self.root)
        if version == "editable" or (root / "gateway/COMMIT").exists():
            return
        if said := described(root):
            with tempfile.NamedTemporaryFile("w", delete=False) as file:
                file.write(said)
            build_data["force_include"][file.name] = "gateway/COMMIT"


def version(root: Path = Path(__file__).parent) -> str:
    """The version of the files in `root`. Raises ValueError where what the tag says is none."""
    said = described(root)
    if not said:
        return UNKNOWN
    if found := DESCRIBED.fullmatch(said):
        tag, since, dirty = found.groups()
        return f"{following(tag)}.dev{since or 0}" if since or dirty else tag
    if re.match(r"v\d", said):
        raise ValueError(f"{said}: a tag that begins like a version is one, v1.2.3 or v1.2.3rc1")
    # An archive may lie in another's clone, whose commits are none of ours.
    commits = git(root, "rev-list", "--count", "HEAD") if (root / ".git").exists() else ""
    return f"{FIRST}.dev{commits or 0}"


def following(tag: str) -> str:
    """The version after that of `tag`, as far as anybody can know: 0.2.1 after 0.2.0, 0.2.0rc2 after 0.2.0rc1."""
    *_, last = re.finditer(r"\d+", tag)
    return f"{tag[: last.start()]}{int(last.group()) + 1}"


def described(root: Path) -> str:
    """The version's tag, commits since and the commit, as `git describe` writes them; empty where nobody knows.

    An image's build is told it, or has those of git's files that say it; an archive that git made has it written in.
    """
    with suppress(OSError):
        return (root / "gateway/COMMIT").read_text().strip()
    if (root / ".git").exists():
        return git(root, "describe", *TAGS, "--always", "--dirty") or by_files(root / ".git")
    with suppress(OSError):
        written = (root / ".archived").read_text().split()
        # What is left as it stood, git did not write; before 2.35 it leaves the words that ask for a tag.
        return next((word for word in written if not {"$", "%"} & {*word}), "")
    return ""


def git(root: Path, *words: str) -> str:
    """What git says; nothing where it cannot."""
    with suppress(OSError, subprocess.SubprocessError):
        done = subprocess.run(["git", *words], cwd=root, check=True, capture_output=True, text=True, timeout=30.0)  # noqa: S603, S607
        return done.stdout.strip()
    return ""


def by_files(folder: Path) -> str:
    """The same without git, or where it does not trust who owns the clone: the tag, or the newest tag and the commit.

    How many commits there are since is not said by these files: one, at least. A tag with a text of its own that was
    fetched into an older clone cannot be followed.
    """
    refs: dict[str, set[str]] = {}
    last: set[str] = set()
    with suppress(OSError):
        for line in (folder / "packed-refs").read_text().splitlines():
            commit, _, name = line.partition(" ")
            if name and not line.startswith("#"):
                last = refs.setdefault(name, set())
                last.add(commit)
            elif line.startswith("^"):  # the commit of the tag in the line before
                last.add(line[1:])
    for path in folder.glob("refs/**/*"):
        if path.is_file():
            refs[str(path.relative_to(folder))] = {path.read_text().strip()}
    try:
        head = (folder / "HEAD").read_text().strip()
    except OSError:
        return ""
    commits = refs.get(head.removeprefix("ref: "), set()) if head.startswith("ref: ") else {head}
    tags = {name.removeprefix("refs/tags/"): at for name, at in refs.items() if name.startswith("refs/tags/v")}
    tags = {name: at for name, at in tags.items() if VERSION.fullmatch(name)}
    newest = sorted(tags, key=Version)
    if here := [name for name in newest if tags[name] & commits]:
        return here[-1]
    commit = min(commits, default="")[:8]
    return f"{newest[-1]}-1-g{commit}" if newest and commit else commit
