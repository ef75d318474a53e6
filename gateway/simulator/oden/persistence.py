"""The two files by which a stand-in starts again where it ended: the ledger of its requests, and what it holds.

The ledger has every request that reached the stand-in, one JSON object a line: `received_at` is when the request
arrived, in seconds since 1970; `path` such as `/v2/interval/set`; `body` the JSON of the request as it was understood
(of equal keys the first), or its text where it is not JSON; `status` what it was answered with. Where a request took
effect, the status is that of the effect, whatever became of the answer on its way. It is 0 where the request had no
effect and was cut off unanswered, or answered with a success by something in between. Lines stand in the order in which
requests took effect, which need not be the order of arrival. A line is written before its request is answered, whole: a
kill leaves at most the last line incomplete, and such a line is no entry. The token is never in it.

The state file is one JSON object, `{"version": 1, "ledger": lines, "holds": {...}}`, with `holds` as in `snapshot`, and
`ledger` how many lines of the ledger it contains. It is replaced as a whole: after a power cut it is the old one or the
new one. With both files, the state is where the ledger goes on from: what the ledger holds after so many lines happens
again, so nothing is lost by a kill. A ledger that does not exist is begun anew. Without ledger, what happened since the
last save is lost by a kill.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from gateway.errors import GatewayError
from gateway.simulator.oden.bodies import ErrorAnswer, Fields, read_json
from gateway.simulator.oden.model import OdenModel, only_reads
from gateway.simulator.oden.snapshot import SnapshotError
from gateway.simulator.oden.store import Organization

VERSION = 1
"""Of the state file."""


class LedgerError(GatewayError):
    """A file is not a ledger, or is damaged elsewhere than at its end."""


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One line of the ledger."""

    received_at: float
    path: str
    body: object
    status: int

    @property
    def took_effect(self) -> bool:
        return 200 <= self.status < 300


def readable_body(body: bytes) -> object:
    """The body of a request as the ledger holds it."""
    try:
        return read_json(body.decode())
    except ValueError:
        return body.decode(errors="backslashreplace")


class Ledger:
    """Appends to the ledger at `path`; creates it, and cuts an incomplete last line off. One writer at a time."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Unbuffered: each line reaches the kernel in one write, so it survives the process from then on.
        self._file = path.open("ab", buffering=0)
        self._file.truncate(_length_of_whole_lines(path))

    def append(self, entry: LedgerEntry) -> None:
        self._file.write(json.dumps(asdict(entry)).encode() + b"\n")

    def close(self) -> None:
        self._file.close()


def _length_of_whole_lines(path: Path) -> int:
    """The length of the file in bytes, without an incomplete last line."""
    with path.open("rb") as file:
        return sum(len(line) for line in file if line.endswith(b"\n"))


def read_ledger(path: Path) -> Iterator[LedgerEntry]:
    """The entries of the ledger at `path`, also while it is being written. LedgerError where a line is damaged."""
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.endswith(b"\n"):
                return
            try:
                yield LedgerEntry(**json.loads(line))
            except (ValueError, TypeError):
                raise LedgerError(f"{path}:{number}: this line is not an entry of a ledger") from None


def replay(path: Path, organization: Organization) -> OdenModel:
    """A new model of `organization`, with what took effect by the ledger at `path`; see `replay_into`."""
    model = OdenModel(organization)
    replay_into(model, path)
    return model


def replay_into(model: OdenModel, path: Path, after: int = 0) -> None:
    """Let everything that took effect by the ledger at `path`, after so many of its lines, happen to `model`.

    LedgerError where something that took effect is refused: then the ledger is of another organization.
    """
    for number, entry in enumerate(read_ledger(path), start=1):
        if number > after and entry.took_effect and not only_reads(entry.path):
            answer = model.answer(entry.path, json.dumps(entry.body).encode())
            if answer.status != 200:
                why = f"what took effect then is refused now ({answer.status}): is the plant another one?"
                raise LedgerError(f"{path}:{number}: {why}")


def resume(organization: Organization, state: Path | None, ledger: Path | None) -> tuple[OdenModel, int]:
    """The model as these files have it, a new one where there are none, and how many lines of the ledger it contains.

    SnapshotError or LedgerError where one cannot be used, or where they do not belong together.
    """
    model, lines = OdenModel(organization), 0
    if state is not None and state.exists():
        lines = _read_state(state, model)
    if ledger is None:
        return model, lines
    if not ledger.exists():
        return model, 0
    held = sum(1 for _ in read_ledger(ledger))
    if held < lines:
        why = f"it holds {held} lines, and the state {state} contains {lines} of it: is it another ledger?"
        raise LedgerError(f"The ledger {ledger} cannot be used: {why}")
    replay_into(model, ledger, after=lines)
    return model, held


def save(path: Path, model: OdenModel, lines: int) -> None:
    """Write what `model` holds to the file at `path`; SnapshotError where it cannot be written."""
    new = path.with_name(f"{path.name}.new")
    try:
        with new.open("w", encoding="ascii") as file:
            json.dump({"version": VERSION, "ledger": lines, "holds": model.snapshot()}, file)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise SnapshotError(f"The state {path} cannot be written: {error.strerror}.") from None


def _read_state(path: Path, model: OdenModel) -> int:
    try:
        value = json.loads(path.read_bytes())
        fields = Fields(value if isinstance(value, dict) else {})
        if fields.integer("version") != VERSION:
            raise fields.invalid("version", f"must be {VERSION}")
        lines = fields.integer("ledger")
        if lines is None or lines < 0:
            raise fields.invalid("ledger", "must be a number of lines")
        model.restore(fields.required("holds").values)
    except OSError as error:
        raise SnapshotError(f"The state {path} cannot be read: {error.strerror}.") from None
    except (ValueError, RecursionError):
        raise SnapshotError(f"The state {path} cannot be used: it is not JSON.") from None
    except (ErrorAnswer, SnapshotError) as error:
        raise SnapshotError(f"The state {path} cannot be used: {error}.") from None
    return lines
