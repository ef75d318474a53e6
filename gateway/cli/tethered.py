"""`python -m gateway.cli.tethered PARENT COMMAND...`: a command of ours that cannot outlive the process PARENT.

The demo starts its parts this way, so that nothing stays behind even when it is killed with SIGKILL.
"""

import ctypes
import os
import runpy
import signal
import sys

PR_SET_PDEATHSIG = 1
"""prctl(2): the signal that a process gets when the thread that started it ends."""


def tie(parent: int) -> None:
    """Have this process killed when its parent ends; end it now where that has happened already."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:
        sys.exit(1)


if __name__ == "__main__":
    tie(int(sys.argv[1]))
    sys.argv[:] = ["oden-gateway", *sys.argv[2:]]
    runpy.run_module("gateway", run_name="__main__")
