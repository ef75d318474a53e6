"""Reads a YAML file to its end, whether its syntax is right or not."""

from pathlib import Path
from typing import Any

from gateway.config.places import fits
from gateway.config.tree import BrokenFileError, Finding, Node, Position, once_a_line
from gateway.config.yaml_tree import compose, without_other_documents


def read_yaml(text: str, file: Path, annotation: Any = None) -> tuple[Node, list[Finding]]:
    """The tree of `text`, the content of `file`, and all that is wrong with it.

    What could not be read is left out, and the mapping or list around it is incomplete. No message repeats the text.
    Of a file that holds what the schema has at `annotation`, where that is known, and does not fit it, lines that are
    moved are put back.
    """
    text, others = without_other_documents(text, file)
    root: Node | None
    # The service, whose file is right, does not hold in memory what mends one.
    try:
        root, faults = compose(text, file)
    except BrokenFileError:
        from gateway.config.yaml_repair import repaired  # noqa: PLC0415

        root, faults = repaired(text, file, annotation)
    else:
        if annotation is not None and (faults or (root is not None and not fits(root, annotation))):
            from gateway.config.yaml_repair import put_in_order  # noqa: PLC0415

            root, faults = put_in_order(text, file, annotation) or (root, faults)
    return root or Node(Position(1, 1, file), {}, incomplete=True), [*others, *once_a_line(faults)]
