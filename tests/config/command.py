"""What the tests of the configuration share: a file that is right, and the command that checks files."""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

EXAMPLES = Path(__file__).parents[2] / "config"
GOOD = (EXAMPLES / "gateway.yaml").read_text(encoding="utf-8")
TOKEN = "a-token-that-nobody-may-see"


@dataclass(frozen=True)
class Answer:
    """How the command ended; `problems` are the lines on standard error."""

    code: int
    output: str
    problems: list[str]


def environment(**variables: str) -> dict[str, str]:
    """The environment of this process without anything that the gateway looks at, and with `variables`."""
    ours = ("ODEN_GATEWAY_", "CREDENTIALS_DIRECTORY")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)} | variables


def written(folder: Path, content: str | bytes) -> Path:
    """A configuration file in `folder`, with the token's file beside it."""
    (folder / "secrets").mkdir(parents=True)
    (folder / "secrets" / "oden_token").write_text(f"{TOKEN}\n", encoding="utf-8")
    path = folder / "gateway.yaml"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def check(path: Path, *options: str, command: str = "check", variables: Mapping[str, str] | None = None) -> Answer:
    """Run `oden-gateway check`, or another command, on `path` as a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "gateway", command, "-c", path.name, *options],
        cwd=path.parent,
        env=environment(**(variables or {})),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return Answer(done.returncode, done.stdout, done.stderr.splitlines())
