"""A test that fails has failed alone, whatever it has left open."""

import subprocess
import sys
from pathlib import Path

from tests.conftest import SLOWEST
from tests.peers import PATIENCE

FAILING = """
import asyncio, gc, pytest

LOOPS = [pytest.param(scope, marks=pytest.mark.asyncio(loop_scope=scope)) for scope in ("function", "module")]

@pytest.mark.parametrize("loop", LOOPS)
async def test_fails(loop):
    server = await asyncio.start_server(lambda _, __: None, "127.0.0.1", 0)
    _, writer = await asyncio.open_connection("127.0.0.1", server.sockets[0].getsockname()[1])
    held = [server, writer]
    held.append(held)
    pytest.fail("it fails")

def test_of_its_module():
    gc.collect()
"""


def test_what_a_failed_test_has_left_open_fails_no_other(tmp_path: Path) -> None:
    """Neither one that follows in its module nor, where tests of a module share a loop, one of the next."""
    (tmp_path / "test_a.py").write_text(FAILING)
    (tmp_path / "test_b.py").write_text("import gc\ndef test_of_another_module():\n    gc.collect()\n")
    root = Path(__file__).parents[1]
    options = ("-q", "-c", str(root / "pyproject.toml"), "-p", "tests.conftest", "-o", f"cache_dir={tmp_path}")
    command = [sys.executable, "-m", "pytest", *options, str(tmp_path)]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert "2 failed, 2 passed" in done.stdout, done.stdout + done.stderr


def test_the_files_that_begin_first_are_there() -> None:
    """Else one that has another name by now would begin last again, and nobody would see it."""
    root = Path(__file__).parents[1]
    assert [name for name in SLOWEST if not (root / name).is_file()] == []
