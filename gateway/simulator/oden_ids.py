"""Ids that a plant file gives to what it lists, in the place of those that follow from names.

One id may belong to things of several kinds: in a request it is told by where it stands which is meant.
"""

from collections.abc import Mapping

from gateway.simulator.oden_body import Fields

_KINDS = {
    "factory": "factory",
    "line": "line",
    "lines": "line",
    "type": "interval_type",
    "product": "product",
    "metric_group": "metric_group",
    "data": "scrap_yield",
    "dashboard": "dashboard",
}
"""What stands in a field of a request, whatever the request is about."""


def meant(body: Fields, about: str, ids: Mapping[tuple[str, str], str]) -> Fields:
    """The body of a request about objects of the kind `about`, with the ids that the store knows."""
    if not ids:
        return body
    values = _inside(body.values, about, ids)
    return Fields(values if isinstance(values, dict) else {}, body.where)


def shown(answer: object, ids: Mapping[tuple[str, str], str]) -> object:
    """An answer with the ids that things shall have."""
    if not ids:
        return answer
    given = {made: wanted for (_, wanted), made in ids.items()}
    return _shown(answer, given)


def _inside(value: object, kind: str, ids: Mapping[tuple[str, str], str]) -> object:
    if isinstance(value, Mapping):
        inside = {
            name: _inside(item, _KINDS.get(name, kind if name == "ids" else ""), ids) for name, item in value.items()
        }
        wanted = value.get("id")
        if isinstance(wanted, str):
            inside["id"] = ids.get((kind, wanted), wanted)
        return inside
    if isinstance(value, list):
        return [_inside(item, kind, ids) for item in value]
    return ids.get((kind, value), value) if isinstance(value, str) else value


def _shown(value: object, given: Mapping[str, str]) -> object:
    if isinstance(value, dict):
        return {
            name: given.get(item, item) if name == "id" and isinstance(item, str) else _shown(item, given)
            for name, item in value.items()
        }
    return [_shown(item, given) for item in value] if isinstance(value, list) else value
