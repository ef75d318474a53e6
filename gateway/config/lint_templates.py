"""What stands in a template as the text of one line, and is one of its parameters: the others would have it as well."""

import re
from collections.abc import Iterator, Mapping, Sequence

from gateway.config.schema_base import is_measure
from gateway.config.tree import Finding, Key, Node, quoted

_WORD = re.compile(r"[^\W_]+(?:[_-][^\W_]+)*")
_OF_A_MACHINE = re.compile(r"(?=.*[^\W\d_])(?=.*\d)..+")
"""Letters and digits, as machines are numbered: what has letters alone may be a word."""
_NOT_OF_LINES = frozenset({"defaults", "use", "with"})


def find_written_out(
    templates: Mapping[Key, Node], given: Mapping[Key, Sequence[Mapping[Key, Node]]]
) -> Iterator[Finding]:
    """Words in `templates` that are what one line gives as a parameter and others give otherwise. `given` are the
    parameters of each line that uses a template, by its name."""
    for name, uses in given.items():
        parameters = _that_differ(uses) if len(uses) > 1 else {}
        template = templates[name].value
        for key, node in template.items() if parameters and isinstance(template, dict) else ():
            if key not in _NOT_OF_LINES:
                yield from _in_texts(node, parameters)


def _that_differ(uses: Sequence[Mapping[Key, Node]]) -> Mapping[str, str]:
    """What is given for a machine in one of `uses` and not in all -> the name of the parameter."""
    values: dict[str, set[object]] = {}
    for arguments in uses:
        for key, node in arguments.items():
            values.setdefault(str(key), set()).add(node.value if isinstance(node.value, str) else None)
    return {
        value: key
        for key, given in values.items()
        for value in given
        if len(given) > 1 and isinstance(value, str) and _WORD.fullmatch(value) and _OF_A_MACHINE.fullmatch(value)
        if not is_measure(value)  # which is the same in several sections by chance
    }


def _in_texts(node: Node, parameters: Mapping[str, str]) -> Iterator[Finding]:
    for child in node.children():
        yield from _in_texts(child, parameters)
    text = node.value if isinstance(node.value, str) else ""
    for match in _WORD.finditer(text):
        key = parameters.get(match[0])
        if key is not None and f"${{{key}}}" not in text:
            said = f"{quoted(match[0])} is {quoted(key)} of one line, and all lines of this template have it here"
            yield Finding(node.position, f"{said}: is ${{{key}}} meant?", warning=True)
            return
