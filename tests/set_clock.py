"""`python -m tests.set_clock FILE COMMAND...`: a command of the gateway on a machine whose wall clock is ahead, by as
many seconds as FILE says at the moment. The file `boot` beside it, where there is one, names the machine's start. Only
this process sees it."""

import runpy
import sys
import time
from pathlib import Path

from gateway import ntp

if __name__ == "__main__":
    right, ahead = time.time, Path(sys.argv[1])
    time.time = lambda: right() + float(ahead.read_text())
    if (boot := ahead.with_name("boot")).exists():
        ntp.boot = boot.read_text
    sys.argv[:] = ["oden-gateway", *sys.argv[2:]]
    runpy.run_module("gateway", run_name="__main__")
