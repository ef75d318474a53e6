"""A first configuration of one line, guessed from what its sources have: to be read and corrected. Pure."""

from collections.abc import Iterator, Mapping, Sequence

from gateway.config.model_files import yaml_scalar
from gateway.config.substitution import escaped
from gateway.live.offer import Offer, yaml_line

MOST_INPUTS = 30
"""Inputs that are written into a first configuration."""

_WORDS: Mapping[str, frozenset[str]] = {
    "state": frozenset({"state", "status"}),
    "order": frozenset({"order", "job", "workorder", "wo", "number"}),
    "product": frozenset({"product", "sku", "material", "article", "item"}),
    "scrap": frozenset({"scrap", "reject", "rejected", "rejects", "bad", "nok", "waste"}),
    "good": frozenset({"good", "ok", "parts", "count", "counter", "produced", "total", "output"}),
}
"""What each role of a line is called, in names of inputs; of two roles the first counts."""

_TURNS = {
    "Byte": "rollover: 256",
    "UInt8": "rollover: 256",
    "UInt16": "rollover: 65536",
    "UInt32": "rollover: 4294967296",
    "Int16": "signed: 16",
    "Int32": "signed: 32",
}
"""How a counter of a type goes on after its largest number."""


def first_configuration(
    sources: Mapping[str, Mapping[str, str]], offers: Sequence[Offer], factory: str, line: str, schema: str
) -> str:
    """The text of the file. `sources` are the keys of each source, `schema` is where the JSON Schema lies. There is at
    least one offer."""
    roles = _roles(offers)
    chosen = list(roles.values())
    chosen += [offer for offer in offers if offer not in chosen][: max(0, MOST_INPUTS - len(chosen))]
    return "\n".join([*_head(sources, schema), *_line(factory, line, roles, chosen, len(offers) - len(chosen)), ""])


def _head(sources: Mapping[str, Mapping[str, str]], schema: str) -> Iterator[str]:
    yield f"# yaml-language-server: $schema={schema}"
    yield "# A first configuration, guessed from what the sources have. Read it and correct it, then:"
    yield "#   oden-gateway check --live -c FILE     with this file's name"
    yield "oden:"
    yield "  token: ${secret:oden_token}  # the token itself is in the file secrets/oden_token beside this one"
    yield "sources:"
    for name, keys in sources.items():
        written = (f"{key}: {yaml_scalar(escaped(text), quoted=True)}" for key, text in keys.items())
        yield f"  {name}: {{{', '.join(written)}}}"


def _line(factory: str, line: str, roles: Mapping[str, Offer], chosen: Sequence[Offer], others: int) -> Iterator[str]:
    yield "lines:"
    yield f"  - factory: {yaml_scalar(escaped(factory), quoted=True)}  # as it is called at Oden"
    yield f"    line: {yaml_scalar(escaped(line), quoted=True)}"
    yield "    inputs:"
    counters = [roles[role] for role in ("good", "scrap") if role in roles]
    for offer in chosen:
        counter = f", counter: {{{_TURNS.get(offer.type, '')}}}" if offer in counters else ""
        yield f"    {yaml_line(offer, counter)}"
    if others:
        yield f"      # {others} more that were found: oden-gateway browse --yaml"
    yield from _tracks(roles, counters, chosen)


def _tracks(roles: Mapping[str, Offer], counters: Sequence[Offer], chosen: Sequence[Offer]) -> Iterator[str]:
    """What the line tells: runs where there is an order, output where something counts, and states."""
    order = roles.get("order")
    if order is not None:
        product = f"{{{roles['product'].name}}}" if "product" in roles else "Product"
        yield f'    run: {{key: {order.name}, name: "{{{order.name}}}", product: "{product}"}}'
    if counters and order is not None:
        yield "    scrap_yield:"
        yield "      entries:  # in the words of your factory's own scrap/yield schema at Oden"
        for offer in counters:
            word = "yield" if offer is roles.get("good") else "scrap"
            yield f'        - {{count: {offer.name}, raw_data: {{{word}: "{{n}}"}}}}'
    plain = next((each for each in chosen if each not in counters and each is not order), None)
    state = roles.get("state") or (plain if order is None else None)
    if state is None and order is None:
        state = chosen[0]
    if state is not None:
        yield from _states(state)


def _states(state: Offer) -> Iterator[str]:
    code: str | int = 1
    if isinstance(state.value, bool):
        code = "true" if state.value else "false"
    elif isinstance(state.value, str | int):
        code = state.value
    yield "    states:  # what each code means, in the categories and reasons that Oden knows"
    yield f"      input: {state.name}"
    yield f"      codes: {{{yaml_scalar(code, quoted=isinstance(code, str))}: {{category: Uptime}}}}"
    yield f'      other: {{category: Unplanned Downtime, reason: "Code {{{state.name}}}"}}'


def _roles(offers: Sequence[Offer]) -> dict[str, Offer]:
    """The first offer that is called like each role, and has a value that fits it."""
    roles: dict[str, Offer] = {}
    for role, words in _WORDS.items():
        for offer in offers:
            if offer in roles.values() or not words & {*offer.name.split("_")}:
                continue
            if _fits(role, offer):
                roles[role] = offer
                break
    return roles


def _fits(role: str, offer: Offer) -> bool:
    value = offer.value
    if isinstance(value, bool):
        return False
    if role in {"good", "scrap"}:
        return isinstance(value, int | float)
    return isinstance(value, str | int)
