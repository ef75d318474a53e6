"""`python -m tests.set_clock FILE COMMAND...`: a command of the gateway on a machine whose wall clock is ahead, by as
many seconds as FILE says at the moment. Only this process sees it."""

import runpy
import sys
import time
from pathlib import Path

if __name__ == "__main__":
    right, ahead = time.time, Path(sys.argv[1])
    time.time = lambda: right() + float(ahead.read_text())
    sys.argv[:] = ["oden-gateway", *sys.argv[2:]]
    runpy.run_module("gateway", run_name="__main__")
