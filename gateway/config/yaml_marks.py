"""Parts of a tree by where they stand: what is marked in it where a line of the file could not be read."""

from collections.abc import Iterator

from gateway.config.yaml_tree import Node


def all_of(node: Node) -> Iterator[Node]:
    """`node` and all that is in it, each once, also where an alias repeats it."""
    seen: set[int] = set()
    waiting = [node]
    while waiting:
        one = waiting.pop()
        if id(one) not in seen:
            seen.add(id(one))
            yield one
            waiting += one.children()


def mark_values(node: Node, number: int) -> None:
    """Mark the values of the keys in line `number`."""
    children = node.value.items() if isinstance(node.value, dict) else ()
    for key, child in children:
        if node.keys[key].line == number:
            child.incomplete = True
        mark_values(child, number)
    for child in node.value if isinstance(node.value, list) else ():
        mark_values(child, number)


def innermost(node: Node, number: int) -> Node:
    """The innermost mapping or list that begins before line `number` and was not over before it."""
    items = node.value.items() if isinstance(node.value, dict) else enumerate(node.children())
    lines = [(node.keys.get(key, child.position).line, child) for key, child in items]
    last = max((each for each in lines if each[0] <= number), key=lambda each: each[0], default=(0, None))[1]
    return node if last is None or isinstance(last.value, str | int | float | None) else innermost(last, number)
