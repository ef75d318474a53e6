"""`python -m tests.quick_patience COMMAND...`: a command of the gateway that has as much patience with Oden in a second
as any other in a minute."""

import sys

from gateway import health
from gateway.__main__ import main
from gateway.status import findings

if __name__ == "__main__":
    findings.STANDS /= 60
    health.PATIENCE /= 60
    sys.exit(main())
