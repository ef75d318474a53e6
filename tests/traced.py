"""`python -m tests.traced COMMAND...`: a command of the gateway to which a tracer may attach that is not its parent,
also where the kernel allows that to parents alone (yama)."""

import ctypes
import runpy
import sys

PR_SET_PTRACER = 0x59616D61
PR_SET_PTRACER_ANY = ctypes.c_ulong(-1)

if __name__ == "__main__":
    ctypes.CDLL(None).prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0)
    sys.argv[:] = ["oden-gateway", *sys.argv[1:]]
    runpy.run_module("gateway", run_name="__main__")
