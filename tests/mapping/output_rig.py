"""Lines that are all run and output, for what tests of output need."""

from tests.mapping.recording import LINE, plan

LINE_01 = plan(states=None, run={**LINE["run"], "end": None})
