"""What is counted on a line, when it is sent and to what it belongs, in sentences. Pure."""

from collections.abc import Iterator

from gateway.cli.phrases import pairs, quoted, span
from gateway.config.schema import Line
from gateway.config.schema_output import Entry, ScrapYield

BETWEEN_RUNS = {
    "next": "goes to the next run",
    "unassigned": 'gets a run of its own, named "Unassigned"',
    "report": "is not sent, but listed as a gap",
}
GAPS = {"start": "when the connection was lost", "end": "when it is back"}


def output(line: Line) -> Iterator[str]:
    """Each entry, the window, what is made between runs and over gaps."""
    given = line.scrap_yield
    if given is None:
        return
    for entry in given.entries:
        yield from _entry(line, entry, given)
    if given.codes:
        yield f"Codes: {'; '.join(f'{code} is {quoted(name)}' for code, name in given.codes.items())}."
    from_ = "the full hour" if given.align == "clock" else "the start of the run or batch"
    yield f"The times are counted from {from_}; what is left is sent when the run or batch ends."
    if any(entry.of == "run" for entry in given.entries):
        yield f"What is made while no run is on {BETWEEN_RUNS[given.between_runs]}."
    if any(entry.of == "batch" for entry in given.entries):
        between = "is not sent, but listed as a gap" if given.between_runs == "report" else "goes to the next batch"
        yield f"What is counted for batches while none is on {between}."
    yield f"What a counter has moved by over a gap belongs to what was on {GAPS[given.gaps]}."


def _entry(line: Line, entry: Entry, given: ScrapYield) -> Iterator[str]:
    what = entry.count
    name, *path = entry.count.split(".")
    source = line.inputs[name]
    if path:
        what = f"{entry.count}, an amount in each message,"
    elif source.edge is not None:
        what = f"{entry.count}, one for each event,"
    elif source.counter is not None:
        what = f"{entry.count}, counted in {source.counter.unit}," if source.counter.unit is not None else entry.count
    else:
        what = f"{entry.count}, {entry.each:g} for each message," if entry.each is not None else entry.count
    times = f" times {entry.factor:g}" if entry.factor != 1 else ""
    yield f"While a {entry.of} is on, {what} is sent{times} every {span(given.every)} as {pairs(entry.raw_data)}."
    if entry.min:
        yield f"Less than {entry.min:g} of {entry.count} waits for the next time."
