"""The error tree. Library errors are translated into these at the boundary of each layer."""

from collections.abc import Sequence
from dataclasses import dataclass


class GatewayError(Exception):
    """Anything the gateway itself raises. The message is a sentence that a user can act on."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong in the configuration, and where.

    `where` is `file:line:column` or the name of an environment variable; `text` says what is wrong and
    what would be right.
    """

    where: str
    text: str

    def __str__(self) -> str:
        return f"{self.where}: {self.text}"


class ConfigError(GatewayError):
    """The configuration cannot be used. `problems` holds every one that was found, in file order."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class OutboxError(GatewayError):
    """The outbox directory cannot be used: unwritable, or held by another process."""


class OutboxFull(OutboxError):
    """There is no room for more: the size limit is reached, or the disk is full."""


class DamagedRow(OutboxError):
    """A row of the outbox is not as it was written."""


class CommitConflict(OutboxError):
    """A commit does not follow the last one, or has its number and other content: a fault of the program."""


class SourceError(GatewayError):
    """A source cannot be reached or answered with an error; it will be tried again."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong at one place of the configuration tree: `loc` as pydantic gives it, keys and indices from the root."""

    loc: tuple[str | int, ...]
    text: str


class FaultyConfig(GatewayError):
    """The configuration is well-formed but makes no sense; the loader turns `faults` into problems with positions."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(fault.text for fault in self.faults))
