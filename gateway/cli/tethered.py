"""`python -m gateway.cli.tethered PARENT COMMAND...`: a command of the gateway that dies with the process PARENT.

The demo starts its parts this way, so that no process stays behind even when the demo is killed with SIGKILL.
"""

import ctypes
import os
import runpy
import signal
import sys

PR_SET_PDEATHSIG = 1
"""The option of prctl(2) for the signal that a process gets when the thread that started it ends."""


def tie(parent: int) -> None:
    """Have this process killed when its parent ends. Where the parent has ended already, end it now."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:
        sys.exit(1)


if __name__ == "__main__":
    tie(int(sys.argv[1]))
    sys.argv[:] = ["oden-gateway", *sys.argv[2:]]
    runpy.run_module("gateway", run_name="__main__")
