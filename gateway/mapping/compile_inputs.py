"""The inputs of a line as configured, as plans: what feeds them, and in which order derived ones follow from each other."""

from gateway.config.device import sparkplug_address
from gateway.config.schema_inputs import Input
from gateway.mapping.expressions import named
from gateway.mapping.inputs import InputPlan
from gateway.mapping.naming import Loc, Names
from gateway.mapping.values import text


def compile_inputs(names: Names, loc: Loc) -> dict[str, InputPlan]:
    """The plans of all inputs, which stand at `loc`: first those with a source, then the derived ones, each after those that it
    follows from. Says in `names.kinds` what is known of their values."""
    heartbeats = {name: given.source for name, given in names.inputs.items() if given.heartbeat is not None}
    plans: dict[str, InputPlan] = {}
    for name, given in names.inputs.items():
        if given.expr is None and given.stale is None:
            beats = tuple(other for other, source in heartbeats.items() if source == given.source and other != name)
            plans[name] = _sourced(names, name, given, beats, (*loc, name))
    waiting = [name for name in names.inputs if name not in plans]
    while waiting:
        ready = [name for name in waiting if named(names.inputs[name].expr or "").isdisjoint(waiting)]
        for name in ready:
            plans[name] = _derived(names, name, (*loc, name))
        waiting = [name for name in waiting if name not in ready]
        if waiting and not ready:
            text = f"follows from itself: {' and '.join(waiting)} need each other"
            names.fault((*loc, waiting[0], "expr"), text)
            break
    return plans


def _sourced(names: Names, name: str, given: Input, beats: tuple[str, ...], loc: Loc) -> InputPlan:
    counter = given.counter
    if counter is not None:
        names.kinds[name] = "number"
        if given.edge is not None:
            names.fault((*loc, "edge"), "a counter is counted by its difference: leave out 'edge', or 'counter'")
        if counter.restarts_with is not None:
            names.input(counter.restarts_with, (*loc, "counter", "restarts_with"))
        if counter.too_fast == "ignore" and counter.max_rate is None:
            names.fault((*loc, "counter", "too_fast"), "too fast for what? Write 'max_rate' too")
    if given.fresh is not None and given.heartbeat is not None:
        names.fault((*loc, "heartbeat"), "write 'fresh' or 'heartbeat': a value that must change must also arrive")
    address = sparkplug_address(given.device) if given.device else given.node or given.topic or ""
    path = (given.metric,) if given.metric else tuple(given.field.split(".")) if given.field else ()
    return InputPlan(
        name=name,
        source=given.source or "",
        address=address,
        origin=" ".join(filter(None, (given.source, address, given.metric or given.field, kinds(given)))),
        field=path,
        time=tuple(given.time.split(".")) if given.time else None,
        counter=counter,
        message=given.topic is not None,
        metric=given.metric is not None,
        only=tuple((tuple(key.split(".")), frozenset(texts)) for key, texts in _only(given).items()),
        edge=given.edge,
        fresh=given.fresh,
        heartbeat=given.heartbeat,
        relies_on=beats,
    )


def _only(given: Input) -> dict[str, list[str]]:
    """The texts that the fields of a message can have."""
    return {key: [text(one) for one in known] for key, known in given.only.items()}


def kinds(given: Input) -> str:
    """Which messages an input takes, such as `whose type is start or stop`; empty where it takes all."""
    said = " and ".join(f"{key} is {' or '.join(texts)}" for key, texts in _only(given).items())
    return said and f"whose {said}"


def _derived(names: Names, name: str, loc: Loc) -> InputPlan:
    given = names.inputs[name]
    if given.stale is not None:
        other = names.input(given.stale, (*loc, "stale"))
        if other is not None and other.fresh is None and other.heartbeat is None:
            text = f"'{given.stale}' is never quiet: give it 'fresh' or 'heartbeat'"
            names.fault((*loc, "stale"), text)
        names.kinds[name] = "truth"
        return InputPlan(
            name, "", "", f"stale {given.stale}", edge=given.edge, stale_of=given.stale, relies_on=(given.stale,)
        )
    found = names.expression(given.expr or "", (*loc, "expr"))
    expression, kind = found if found is not None else (None, None)
    if kind is not None:
        names.kinds[name] = kind
    needs = expression.names if expression is not None else ()
    return InputPlan(name, "", "", f"= {given.expr}", edge=given.edge, expression=expression, relies_on=needs)
