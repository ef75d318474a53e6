"""Puts the commit that a wheel is built from into it, where git knows it; an image's build has written it before. What
is tagged as a version is built as that version, or not at all."""

import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

TAGS = ("git", "tag", "--points-at", "HEAD", "v[0-9]*")
DESCRIBE = ("git", "describe", "--tags", "--always", "--dirty")


class CommitHook(BuildHookInterface):  # type: ignore[type-arg]  # hatchling's own parameter says nothing here
    """Adds `gateway/COMMIT`."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Nothing is added to an editable installation: git is asked there. Raises ValueError at another's tag."""
        root = Path(self.root)
        if version == "editable" or (root / "gateway/COMMIT").exists() or not (root / ".git").exists():
            return
        tags = _said(TAGS, root).split()
        if tags and f"v{self.metadata.version}" not in tags:
            raise ValueError(f"this commit is tagged {' '.join(tags)}, and pyproject.toml says {self.metadata.version}")
        if commit := _said(DESCRIBE, root):
            with tempfile.NamedTemporaryFile("w", delete=False) as file:
                file.write(commit)
            build_data["force_include"][file.name] = "gateway/COMMIT"


def _said(command: tuple[str, ...], root: Path) -> str:
    """What git says; nothing where it cannot."""
    with suppress(OSError, subprocess.SubprocessError):
        done = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True, timeout=30.0)  # noqa: S603
        return done.stdout
    return ""
