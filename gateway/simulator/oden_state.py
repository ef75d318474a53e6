"""The state file of the Oden stand-in: everything that it holds, as one JSON object.

`{"version": 1, "ledger": lines, "holds": {...}}`, with `holds` as in `oden_saved`, and `ledger` how many lines of the
ledger it contains. With both files, the state is where the ledger goes on from: what the ledger holds after so many lines
happens again, so nothing is lost by a kill. A ledger that does not exist is begun anew. Without ledger, what happened since
the last save is lost by a kill.

The file is replaced as a whole: after a power cut it is the old one or the new one.
"""

import json
import os
from pathlib import Path

from gateway.simulator.oden_body import Fields, OdenError
from gateway.simulator.oden_ledger import LedgerError, go_on, requests
from gateway.simulator.oden_model import OdenModel, Plant
from gateway.simulator.oden_saved import StateError

VERSION = 1


def resume(plant: Plant, state: Path | None, ledger: Path | None) -> tuple[OdenModel, int]:
    """The model as these files have it, fresh where there are none, and how many lines of the ledger it contains.

    StateError or LedgerError where one cannot be used, or where they do not belong together.
    """
    model, lines = OdenModel(plant), 0
    if state is not None and state.exists():
        lines = _load(state, model)
    if ledger is None:
        return model, lines
    if not ledger.exists():
        return model, 0
    there = sum(1 for _ in requests(ledger))
    if there < lines:
        why = f"it holds {there} lines, and the state {state} contains {lines} of it: is it another ledger?"
        raise LedgerError(f"The ledger {ledger} cannot be used: {why}")
    go_on(model, ledger, after=lines)
    return model, there


def save(path: Path, model: OdenModel, lines: int) -> None:
    """Write what `model` holds to the file at `path`; StateError where it cannot be written."""
    new = path.with_name(f"{path.name}.new")
    try:
        with new.open("w", encoding="ascii") as file:
            json.dump({"version": VERSION, "ledger": lines, "holds": model.saved()}, file)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise StateError(f"The state {path} cannot be written: {error.strerror}.") from None


def _load(path: Path, model: OdenModel) -> int:
    try:
        value = json.loads(path.read_bytes())
        read = Fields(value if isinstance(value, dict) else {})
        if read.whole("version") != VERSION:
            raise read.bad("version", f"must be {VERSION}")
        lines = read.whole("ledger")
        if lines is None or lines < 0:
            raise read.bad("ledger", "must be a number of lines")
        model.load(read.required("holds").values)
    except OSError as error:
        raise StateError(f"The state {path} cannot be read: {error.strerror}.") from None
    except (ValueError, RecursionError):
        raise StateError(f"The state {path} cannot be used: it is not JSON.") from None
    except (OdenError, StateError) as error:
        raise StateError(f"The state {path} cannot be used: {error}.") from None
    return lines
