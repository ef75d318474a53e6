"""Oden gateway: PLC tags and line events in; runs, states and scrap/yield at Oden, exactly once."""

from importlib.metadata import version

__version__ = version("oden-gateway")
