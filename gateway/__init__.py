"""Oden gateway: PLC tags and line events in; runs, states and scrap/yield at Oden, exactly once."""

import sys
from importlib.metadata import version

if "rich" not in sys.modules:
    # Where it is installed, structlog imports it for coloured tracebacks, which cost memory and show local variables.
    sys.modules["rich"] = None  # type: ignore[assignment]
    import structlog  # noqa: F401

    del sys.modules["rich"]

__version__ = version("oden-gateway")
