"""Puts the commit that a wheel is built from into it, where git knows it; an image's build has written it before."""

import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

DESCRIBE = ("git", "describe", "--tags", "--always", "--dirty")


class CommitHook(BuildHookInterface):  # type: ignore[type-arg]  # hatchling's own parameter says nothing here
    """Adds `gateway/COMMIT`."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Nothing is added to an editable installation: git is asked there."""
        root = Path(self.root)
        if version == "editable" or (root / "gateway/COMMIT").exists() or not (root / ".git").exists():
            return
        with suppress(OSError, subprocess.SubprocessError):
            done = subprocess.run(DESCRIBE, cwd=root, check=True, capture_output=True, text=True, timeout=30.0)  # noqa: S603
            with tempfile.NamedTemporaryFile("w", delete=False) as file:
                file.write(done.stdout)
            build_data["force_include"][file.name] = "gateway/COMMIT"
