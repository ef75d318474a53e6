"""`python -m tests.full_disk FILE COMMAND...`: a command of the gateway on a disk of which that share is free that FILE
says at the moment. Only this process sees it."""

import os
import runpy
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

if __name__ == "__main__":
    right, share = os.statvfs, Path(sys.argv[1])

    def full(path: Any) -> Any:
        """What is free, as FILE has it."""
        disk = right(path)
        available = int(disk.f_blocks * float(share.read_text()))
        return SimpleNamespace(f_bavail=available, f_frsize=disk.f_frsize, f_blocks=disk.f_blocks)

    os.statvfs = full
    sys.argv[:] = ["oden-gateway", *sys.argv[2:]]
    runpy.run_module("gateway", run_name="__main__")
