"""Which version this is, of which commit, and what tells its code from any other: what git says of the tag `vVERSION`,
here or where the archive or image was made. Nothing else names a version. hatchling asks `version()`, and puts the rest
into what it builds.

Of two builds of one branch the later has the greater version, also where it is of files that were changed since the
commit. Where the history is not at hand that cannot be: such a version ends with `.dev0`, and no package is made of it.
"""

import hashlib
import re
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from packaging.version import Version

BEFORE = "0.1.0"
"""What packages called themselves before there were tags: the first tag is a later one, and until then all is on the
way from here."""
UNKNOWN = "0+unknown"
"""The version of a copy of the files that nobody can say anything of."""
TAGS = ("--tags", "--match", "v[0-9]*")
VERSION = re.compile(r"v(\d+(?:\.\d+)*(?:(?:a|b|rc)\d+)?)")
DESCRIBED = re.compile(rf"{VERSION.pattern}(?:-(\d+)-g[0-9a-f]+)?(-dirty(?:\.(\d+))?)?")


class CommitHook(BuildHookInterface):  # type: ignore[type-arg]  # hatchling's own parameter says nothing here
    """Adds `gateway/COMMIT`, what `described()` says, and to what runs `gateway/CODE`, what `code()` says."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Nothing is added to an editable installation: git is asked there."""
        root = Path(self.root)
        if version == "editable":
            return
        said = {} if (root / "gateway/COMMIT").exists() else {"gateway/COMMIT": described(root)}
        if self.target_name == "wheel":
            said["gateway/CODE"] = code(root)
        for name, text in said.items():
            if text:
                with tempfile.NamedTemporaryFile("w", delete=False) as file:
                    file.write(text)
                build_data["force_include"][file.name] = name


def version(root: Path = Path(__file__).parent) -> str:
    """The version of the files in `root`. Raises ValueError where what the tag says is none."""
    said = described(root)
    if not said:
        return UNKNOWN
    if found := DESCRIBED.fullmatch(said):
        tag, since, dirty, changed = found.groups()
        if Version(tag) < Version(BEFORE) or said == f"v{BEFORE}":
            raise ValueError(f"{said}: there are packages {BEFORE} from before the first tag; take a later version")
        return f"{following(tag)}.dev{since or 0}{f'+{changed}' if changed else ''}" if since or dirty else tag
    if re.match(r"v\d", said):
        raise ValueError(f"{said}: a tag that begins like a version is one, v1.2.3 or v1.2.3rc1")
    return f"{following(BEFORE)}.dev0"


def code(root: Path) -> str:
    """What tells this code from any other, also without git: a digest of all that runs, the libraries' versions too."""
    digest = hashlib.blake2b(digest_size=8)
    files = (path for path in (root / "gateway").rglob("*") if "__pycache__" not in path.parts)
    for path in sorted([*files, root / "requirements.lock"]):
        if path.is_file() and path != root / "gateway/COMMIT":
            digest.update(f"{path.relative_to(root)}\n{path.stat().st_size}\n".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def following(tag: str) -> str:
    """The version after that of `tag`, as far as anybody can know: 0.2.1 after 0.2.0, 0.2.0rc2 after 0.2.0rc1."""
    *_, last = re.finditer(r"\d+", tag)
    return f"{tag[: last.start()]}{int(last.group()) + 1}"


def described(root: Path) -> str:
    """The version's tag, commits since and the commit, as `git describe` writes them; empty where nobody knows.

    An image's build is told it, or has those of git's files that say it; an archive that git made has it written in.
    Where there is no tag yet, BEFORE counts as one, before the first commit. Where files were changed since, it says
    when they were last.
    """
    with suppress(OSError):
        return (root / "gateway/COMMIT").read_text().strip()
    if (root / ".git").exists():
        return by_git(root) or by_files(root / ".git")
    with suppress(OSError):
        written = (root / ".archived").read_text().split()
        # What is left as it stood, git did not write; before 2.35 it leaves the words that ask for a tag.
        return next((word for word in written if not {"$", "%"} & {*word}), "")
    return ""


def by_git(root: Path) -> str:
    """`described()`, of git; empty where it cannot say. A clone without its whole history is not counted."""
    said = git(root, "describe", *TAGS, "--always", "--dirty")
    if re.match("[0-9a-f]", said) and git(root, "rev-parse", "--is-shallow-repository") == "false":
        said = f"v{BEFORE}-{git(root, 'rev-list', '--count', 'HEAD')}-g{said}"
    if said.endswith("-dirty"):
        changed = git(root, "diff", "--name-only", "--relative", "-z", "HEAD").rstrip("\0").split("\0")
        there = [next(path for path in (root / name, *(root / name).parents) if path.exists()) for name in changed]
        said += f".{max(int(path.stat().st_mtime) for path in there)}"
    return said


def git(root: Path, *words: str) -> str:
    """What git says; nothing where it cannot. Whose clone it is does not matter: its code runs here anyway."""
    with suppress(OSError, subprocess.SubprocessError):
        command = ["git", "-c", "safe.directory=*", *words]
        done = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True, timeout=30.0)  # noqa: S603
        return done.stdout.strip()
    return ""


def by_files(folder: Path) -> str:
    """The same without git: the tag, or the newest tag and the commit.

    How many commits there are since is not said by these files: 0 stands for that. A tag with a text of its own that
    was fetched into an older clone cannot be followed.
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
    return f"{newest[-1]}-0-g{commit}" if newest and commit else commit
