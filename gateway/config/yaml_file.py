"""Reads a YAML file to its end, whether its syntax is right or not."""

from pathlib import Path

from gateway.config.tree import BrokenFileError, Finding, Node, Position, once_a_line
from gateway.config.yaml_tree import compose, without_other_documents


def read_yaml(text: str, file: Path) -> tuple[Node, list[Finding]]:
    """The tree of `text`, the content of `file`, and all that is wrong with it.

    What could not be read is left out, and the mapping or list around it is incomplete. No message repeats the text.
    """
    text, others = without_other_documents(text, file)
    root: Node | None
    try:
        root, faults = compose(text, file)
    except BrokenFileError:
        # The service, whose file is right, does not hold this in memory.
        from gateway.config.yaml_repair import repaired  # noqa: PLC0415

        root, faults = repaired(text, file)
    return root or Node(Position(1, 1, file), {}, incomplete=True), [*others, *once_a_line(faults)]
