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


class SourceError(GatewayError):
    """A source cannot be reached or answered with an error; it will be tried again."""
