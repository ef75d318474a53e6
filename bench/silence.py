"""The gateway's code logs nothing in programs that print figures: a line for each record would be most of the time."""

import logging

import structlog


def silent() -> None:
    """Log nothing from now on that is no failure beyond repair."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
