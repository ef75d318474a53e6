"""The ledger of the Oden stand-in: every request that reached it, one JSON object a line.

`received_at` is when the request arrived, in seconds since 1970; `path` such as `/v2/interval/set`; `body` the JSON
of the request as it was understood (of equal keys the first), or its text where it is not JSON; `status` what it was
answered with. Where a request took effect, the status is that of the effect, whatever became of the answer on its way.
It is 0 where the request had no effect and was cut off unanswered, or answered with a success by something in between.

Lines stand in the order in which requests took effect, which need not be the order of arrival. A line is written
before its request is answered, whole: a kill leaves at most the last line incomplete, and such a line is no entry.
The token is never in it.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from gateway.errors import GatewayError
from gateway.simulator.oden_body import read_json
from gateway.simulator.oden_model import READS, OdenModel, Plant


class LedgerError(GatewayError):
    """A file is not a ledger, or is damaged elsewhere than at its end."""


@dataclass(frozen=True, slots=True)
class Request:
    """One line of the ledger."""

    received_at: float
    path: str
    body: object
    status: int

    @property
    def took_effect(self) -> bool:
        return 200 <= self.status < 300


def understood(body: bytes) -> object:
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
        self._file.truncate(_complete(path))

    def append(self, request: Request) -> None:
        self._file.write(json.dumps(asdict(request)).encode() + b"\n")

    def close(self) -> None:
        self._file.close()


def _complete(path: Path) -> int:
    """How many bytes of the file are whole lines."""
    with path.open("rb") as file:
        return sum(len(line) for line in file if line.endswith(b"\n"))


def requests(path: Path) -> Iterator[Request]:
    """The entries of the ledger at `path`, also while it is being written. LedgerError where a line is damaged."""
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.endswith(b"\n"):
                return
            try:
                yield Request(**json.loads(line))
            except (ValueError, TypeError):
                raise LedgerError(f"{path}:{number}: this line is not an entry of a ledger") from None


def replay(path: Path, plant: Plant) -> OdenModel:
    """A model of `plant` in which everything that took effect by the ledger at `path` has happened again; see `go_on`."""
    model = OdenModel(plant)
    go_on(model, path)
    return model


def go_on(model: OdenModel, path: Path, after: int = 0) -> None:
    """Let everything that took effect by the ledger at `path` after so many of its lines happen to `model`.

    LedgerError where something that took effect is refused: then the ledger is of another plant.
    """
    for number, request in enumerate(requests(path), start=1):
        if number > after and request.took_effect and not request.path.partition("?")[0].endswith(READS):
            answer = model.answer(request.path, json.dumps(request.body).encode())
            if answer.status != 200:
                why = f"what took effect then is refused now ({answer.status}): is the plant another one?"
                raise LedgerError(f"{path}:{number}: {why}")
