"""A first configuration of one line, guessed from what its sources have: to be read and corrected. Pure.

What a name can tell is written as it is. What only somebody who knows the line can say is marked with TODO, which
`check` lists; nothing is told to Oden of it until then.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import NamedTuple

from gateway.config.model_files import yaml_scalar
from gateway.config.substitution import escaped
from gateway.live.findings import alike
from gateway.live.offer import Offer, one_line, words_of, yaml_line

_NUMBER = re.compile(r"\d+")
_SHARE = 0.5
"""Machines hold at least this part of what a source has: zones of one machine, which are numbered too, hold less."""

MOST_INPUTS = 30
"""Inputs that are written into a first configuration."""


class Branch(NamedTuple):
    """What one machine has of what was found. `name` is what it is called, `others` are the names of those like it;
    without those, all that was found is one machine."""

    offers: Sequence[Offer]
    name: str = ""
    others: Sequence[str] = ()


def one_branch(offers: Sequence[Offer], favoured: Collection[str] = ()) -> Branch:
    """The first machine, or that which is called like one of `favoured` but for capitals, signs and leading zeros."""
    for above, members in _numbered(offers):
        held = [offer for offer in offers if offer.path[: len(above)] == above and _at(offer, above) in members]
        if len(members) < 2 or len(held) < _SHARE * len(offers):
            continue
        wanted = {alike(each) for each in favoured}
        name = next((each for each in members if alike(each) in wanted), members[0])
        kept = [offer for offer in offers if offer not in held or _at(offer, above) == name]
        return Branch(kept, name, [each for each in members if each != name])
    return Branch(offers)


def _at(offer: Offer, above: tuple[str, ...]) -> str:
    """What stands in its path below `above`; empty where that is the value itself."""
    return offer.path[len(above)] if len(offer.path) > len(above) + 1 else ""


def _where(offer: Offer) -> Sequence[str]:
    """What it stands in. What is in one message is of one machine, however its parts are numbered."""
    return offer.path[: offer.keys["topic"].count("/") + 1] if "field" in offer.keys else offer.path[:-1]


def _numbered(offers: Sequence[Offer]) -> Iterator[tuple[tuple[str, ...], Sequence[str]]]:
    """Names that differ by their number alone and have something in common below them, with what stands above them;
    those nearest to the root first."""
    groups: dict[tuple[tuple[str, ...], str], dict[str, set[tuple[str, ...]]]] = {}
    for offer in offers:
        for place, name in enumerate(_where(offer)):
            if _NUMBER.search(name):
                members = groups.setdefault((offer.path[:place], _NUMBER.sub("#", name)), {})
                members.setdefault(name, set()).add(offer.path[place + 1 :])
    for (above, _), members in sorted(groups.items(), key=lambda group: len(group[0][0])):
        first = next(iter(members.values()))
        yield above, [name for name, below in members.items() if first & below]


def _set_of(words: str) -> frozenset[str]:
    return frozenset(words.split())


_WORDS: Mapping[str, frozenset[str]] = {
    "state": _set_of("state status mode zustand betriebsart betriebszustand etat estado stato"),
    "order": _set_of(
        "order job workorder wo number auftrag auftragsnummer auftragsnr nummer nr ordre commande orden pedido ordine"
    ),
    "product": _set_of(
        "product sku material article item artikel artikelnummer produkt produit producto articulo prodotto articolo"
    ),
    "scrap": _set_of(
        "scrap reject rejected rejects bad nok waste ausschuss schlecht schlechtteile nio rebut rebuts rechazo "
        "rechazos scarto scarti"
    ),
    "good": _set_of(
        "good ok parts count counter produced total output gut gutteile gutmenge stueckzahl bons buenas buenos buoni"
    ),
}
"""What each role of a line is called, in names of inputs; of two roles the first counts."""

_RAW_DATA = {"good": "yield", "scrap": "scrap"}
"""Under which name each role's amounts are told."""
_AMOUNTS = _set_of("qty quantity amount pieces pcs menge anzahl stueck quantite cantidad quantita")
"""How a field is called whose number is that of one message, and does not go on from message to message."""
_CAUSES = _set_of("code reason cause defect grund ursache fehler motif motivo causa")

_TURNS = {
    "Byte": "rollover: 256",
    "UInt8": "rollover: 256",
    "UInt16": "rollover: 65536",
    "UInt32": "rollover: 4294967296",
    "Int16": "signed: 16",
    "Int32": "signed: 32",
}
"""How a counter of a type goes on after its largest number."""
_PATH = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", re.ASCII)
"""A field that a pattern of text can name."""

UNSAID = "TODO"
"""The code that stands for those of which nobody has said what they mean: no machine shows it."""


@dataclass(frozen=True, slots=True)
class _Counted:
    """An input that is counted for `role`: what it moves by, or the field `amount` of each message, with its cause in
    the field `cause`, if any."""

    role: str
    offer: Offer
    amount: str = ""
    cause: str = ""


@dataclass(frozen=True, slots=True)
class FirstLine:
    """What is known of a line before anything was found: its names at Oden, empty where nobody has said them, and the
    values of the state, as text, at which it runs. `numbers` are what the server calls the values of the state."""

    factory: str = ""
    line: str = ""
    running: Sequence[str] = ()
    numbers: Mapping[int, str] = field(default_factory=dict)


def first_configuration(
    sources: Mapping[str, Mapping[str, str]],
    offers: Sequence[Offer],
    line: FirstLine,
    schema: str,
    outbox: str = "",
    remarks: Sequence[str] = (),
) -> str:
    """The text of the file. `sources` are the keys of each source, `schema` is where the JSON Schema lies, `outbox` the
    folder of the outbox, if it has to be said; `remarks` are sentences about what there is beside these offers, of
    which there is at least one."""
    booked = list(_booked(offers))
    of_messages = {(each.offer.keys["source"], each.offer.keys["topic"]) for each in booked}
    others = [each for each in offers if (each.keys["source"], each.keys.get("topic", "")) not in of_messages]
    roles = _roles(others)
    counted = [*(_Counted(role, roles[role]) for role in _RAW_DATA if role in roles), *booked]
    chosen = [*roles.values(), *(each.offer for each in booked)]
    chosen += _some_of_each([each for each in others if each not in chosen], MOST_INPUTS - len(chosen))
    left_out = len(others) + len(booked) - len(chosen)
    head, inputs = _head(sources, schema, outbox), _inputs(line, counted, chosen, left_out)
    beside = [f"      # {sentence}" for sentence in remarks]
    return "\n".join([*head, *inputs, *beside, *_tracks(line, roles, counted, chosen), ""])


def _some_of_each(offers: Sequence[Offer], most: int) -> list[Offer]:
    """At most `most` of `offers`, as many of each source: one with much leaves room for the others."""
    by_source: dict[str, list[int]] = {}
    for place, offer in enumerate(offers):
        by_source.setdefault(offer.keys["source"], []).append(place)
    in_turns = [place for turn in zip_longest(*by_source.values()) for place in turn if place is not None]
    return [offers[place] for place in sorted(in_turns[: max(0, most)])]


def state_of(offers: Sequence[Offer]) -> Offer | None:
    """Which of `offers` is called like the state of a line."""
    return _roles(offers).get("state")


def _head(sources: Mapping[str, Mapping[str, str]], schema: str, outbox: str) -> Iterator[str]:
    yield f"# yaml-language-server: $schema={schema}"
    yield "# A first configuration, guessed from what the sources have. Read it and correct it; TODO marks what nobody"
    yield "# but you can know, and is removed once it is done. Then:"
    yield "#   oden-gateway check --live -c FILE     with this file's name"
    yield "oden:"
    yield "  token: ${secret:oden_token}  # the token itself is in the file secrets/oden_token beside this one"
    if outbox:
        yield "# Beside this file, for a trial. The service has its own folder: remove this line for it."
        yield f"outbox: {{directory: {yaml_scalar(outbox)}}}"
    yield "sources:"
    for name, keys in sources.items():
        written = (f"{key}: {yaml_scalar(escaped(text), quoted=True)}" for key, text in keys.items())
        yield f"  {name}: {{{', '.join(written)}}}"


def _inputs(line: FirstLine, counted: Sequence[_Counted], chosen: Sequence[Offer], left_out: int) -> Iterator[str]:
    yield "lines:"
    factory = "# as it is called at Oden" if line.factory else "# TODO: as it is called at Oden"
    yield f"  - factory: {yaml_scalar(escaped(line.factory or 'Factory A'), quoted=True)}  {factory}"
    said = "" if line.line else "  # TODO: as it is called at Oden"
    yield f"    line: {yaml_scalar(escaped(line.line or 'Line 01'), quoted=True)}{said}"
    yield "    inputs:"
    counters = [each.offer for each in counted if not each.amount]
    for offer in chosen:
        is_counter = offer in counters
        if is_counter and "topic" in offer.keys:
            yield f"      # TODO: does {offer.name} go on from message to message, as a counter does? If each message"
            yield "      # books its own amount: write the topic without `field` and `counter`, and count INPUT.FIELD"
        turn = _TURNS.get(offer.type, "")
        yield f"    {yaml_line(offer, f', counter: {{{turn}}}' if is_counter else '')}"
    if left_out:
        yield f"      # {left_out} more that were found: oden-gateway browse --yaml"


def _tracks(
    line: FirstLine, roles: Mapping[str, Offer], counted: Sequence[_Counted], chosen: Sequence[Offer]
) -> Iterator[str]:
    """What the line tells: runs where there is an order, output where something counts, and states."""
    order = roles.get("order")
    if order is not None:
        product = f"{{{roles['product'].name}}}" if "product" in roles else "Product"
        said = "" if "product" in roles else "  # TODO: what the line makes"
        yield f'    run: {{key: {order.name}, name: "{{{order.name}}}", product: "{product}"}}{said}'
    else:
        yield "    # TODO: nothing was found that is called an order. Which input says that another run begins? Then:"
        yield '    # run: {key: INPUT, name: "{INPUT}", product: "{INPUT}"}'
    if counted and order is not None:
        yield "    scrap_yield:"
        yield "      # TODO: `raw_data` is in the words of your factory's own scrap/yield schema at Oden"
        yield "      entries:"
        yield from (f"        - {_entry(each)}" for each in counted)
    plain = (each for each in chosen if each is not order and each not in [of.offer for of in counted])
    state = roles.get("state") or (next(plain, chosen[0]) if order is None else None)
    if state is not None:
        yield from _states(state, line)


def _entry(counted: _Counted) -> str:
    name, field = counted.offer.name, f".{counted.amount}" if counted.amount else ""
    cause = f', scrap_code: "{{{name}.{counted.cause}}}"' if counted.cause else ""
    return f'{{count: {name}{field}, raw_data: {{{_RAW_DATA[counted.role]}: "{{n}}"{cause}}}}}'


def _states(state: Offer, line: FirstLine) -> Iterator[str]:
    running = line.running
    yield "    states:"
    yield f"      input: {state.name}"
    if line.numbers:
        yield f"      # At the server: {one_line(', '.join(f'{n} {name}' for n, name in sorted(line.numbers.items())))}"
    if not running:
        yield f"      # TODO: what each value of {state.name} means, in the categories and reasons that Oden knows"
        yield "      # As in: codes: {1: {category: Uptime}, 3: {category: Unplanned Downtime, reason: Jam}}"
        yield f"      codes: {{{UNSAID}: {{category: Uptime}}}}"
        return
    yield f"      # TODO: what the other values of {state.name} mean, in the categories and reasons that Oden knows"
    number = isinstance(state.value, int) and not isinstance(state.value, bool)
    codes = [int(each) if number and re.fullmatch(r"-?\d+", each) else each for each in running]
    written = (f"{yaml_scalar(each, quoted=isinstance(each, str))}: {{category: Uptime}}" for each in codes)
    yield f"      codes: {{{', '.join(written)}}}"
    yield f'      other: {{category: Unplanned Downtime, reason: "Code {{{state.name}}}"}}'


def _booked(offers: Sequence[Offer]) -> Iterator[_Counted]:
    """Topics whose messages book an amount of scrap or of good parts each, as inputs that are whole messages."""
    topics: dict[tuple[str, str], list[Offer]] = {}
    for offer in offers:
        if "topic" in offer.keys and _PATH.fullmatch(offer.keys.get("field", "")):
            topics.setdefault((offer.keys["source"], offer.keys["topic"]), []).append(offer)
    names = {offer.name for offer in offers}
    for (_, topic), fields in topics.items():
        said = words_of(topic.rpartition("/")[2])
        role = next((role for role in ("scrap", "good") if said & _WORDS[role]), None)
        amount = next((each for each in fields if _called(each, _AMOUNTS) and _is_number(each.value)), None)
        if role is None or amount is None:
            continue
        cause = next((each.keys["field"] for each in fields if role == "scrap" and _called(each, _CAUSES)), "")
        name = next(
            name
            for name in (role, f"{role}_booked", *(f"{role}_booked_{n}" for n in range(2, 10**6)))
            if name not in names
        )
        names.add(name)
        keys = {key: text for key, text in amount.keys.items() if key != "field"}
        remark = ", ".join(f"{each.keys['field']}: {each.remark}" for each in fields)
        yield _Counted(role, Offer(name, keys, remark), amount.keys["field"], cause)


def _called(offer: Offer, words: frozenset[str]) -> bool:
    return not words.isdisjoint(words_of(offer.keys["field"].rpartition(".")[2]))


def _roles(offers: Sequence[Offer]) -> dict[str, Offer]:
    """The first offer that is called like each role, and has a value that fits it: by its own name or, where none is,
    by what it stands in too."""
    roles: dict[str, Offer] = {}
    for role, words in _WORDS.items():
        fitting = [offer for offer in offers if offer not in roles.values() and _fits(role, offer)]
        by_name = (offer for offer in fitting if words & words_of(offer.path[-1] if offer.path else offer.name))
        around = (offer for offer in fitting if words & {*offer.name.split("_")}.union(*map(words_of, offer.path[-2:])))
        found = next(by_name, None) or next(around, None)
        if found is not None:
            roles[role] = found
    return roles


def _fits(role: str, offer: Offer) -> bool:
    if role in _RAW_DATA:
        return _is_number(offer.value)
    return isinstance(offer.value, str | int) and not isinstance(offer.value, bool)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
