"""What the gateway does with a line, in plain sentences for the person who configured it. Pure.

Each part of a line's configuration has a function that says what becomes of it. A new part is a new row of PARTS.
"""

from collections.abc import Callable, Iterator, Mapping

from gateway.cli.summary_inputs import inputs
from gateway.cli.summary_output import output
from gateway.cli.summary_rules import rules
from gateway.cli.summary_states import states
from gateway.cli.summary_tracks import batches, intervals, runs
from gateway.config.schema import Line

PARTS: Mapping[str, Callable[[Line], Iterator[str]]] = {
    "Inputs": inputs,
    "Runs": runs,
    "Batches": batches,
    "States": states,
    "Intervals": intervals,
    "Scrap and yield": output,
    "Rules": rules,
}
"""Heading -> what is said below it; nothing where the line has no such part."""


def summary(line: Line) -> dict[str, list[str]]:
    """The sentences about a line, by the headings that have any."""
    said = {heading: list(part(line)) for heading, part in PARTS.items()}
    if not any(sentences for heading, sentences in said.items() if heading != "Inputs"):
        said["Inputs"].append("Nothing becomes of these inputs: say under 'run', 'states' and the like what they mean.")
    return {heading: sentences for heading, sentences in said.items() if sentences}
