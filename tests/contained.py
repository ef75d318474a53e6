"""`python -m tests.contained FILE COMMAND...`: as `tests.set_clock`, in a container: the kernel does not tell whether
NTP has synchronised the clock, and there is no systemd to ask."""

import os
import runpy
from pathlib import Path

from gateway import ntp
from tests.refused_calls import CLOCK, refuse

if __name__ == "__main__":
    refuse(CLOCK)
    os.environ["PATH"] = ""
    ntp.TIMESYNC = Path(os.devnull) / "synchronized"
    runpy.run_module("tests.set_clock", run_name="__main__")
