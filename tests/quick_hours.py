"""`python -m tests.quick_hours COMMAND...`: a command of the gateway to whose log an hour is a second."""

import sys

from gateway.__main__ import main
from gateway.status import journal

if __name__ == "__main__":
    journal.HOUR = 1.0
    sys.exit(main())
