"""Arguments of a command line: what is wrong with them is said by the very command that they are of, with its usage."""

import argparse
import sys
from collections.abc import Sequence
from typing import Any

HELP = frozenset({"-h", "--help"})


class CommandParser(argparse.ArgumentParser):
    """A command, or one of its subcommands. The library's own leaves what none of them knows to the first, whose usage
    names no option."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._has_commands = False

    def add_subparsers(self, **options: Any) -> Any:
        """As the library's."""
        self._has_commands = True
        return super().add_subparsers(**options)

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """All of them, or the end of the process with what is wrong."""
        given = sys.argv[1:] if args is None else args
        if self._has_commands and given and given[0].startswith("-") and given[0] not in HELP:
            option = given[0].partition("=")[0]
            self.error(f"{option} stands behind the command: {self.prog} COMMAND {option} …")
        known, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(f"{self.prog} takes no {' '.join(unknown)}: see {self.prog} --help")
        return known, unknown
