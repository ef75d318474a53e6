"""Browse paths of OPC UA that are well-formed and most likely lead nowhere: signs that became part of a name, and
namespaces that were lost on the way."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from gateway.config.near_words import nearest
from gateway.config.tree import quoted

_STEP = re.compile(r"(?P<space>nsu=[^;]+;|\d{1,5}:)?(?P<name>(?:&.|[^&/])*)(?:/|\Z)", re.DOTALL)
_TOPS = ("Objects", "Types", "Views")
"""What is below the root of every server (Part 5, 8.2)."""
_BELOW_OBJECTS = frozenset({"Server", "Aliases", "Locations", "Resources", "PublishSubscribe", "Dictionaries"})
_OF_STANDARD = re.compile(
    r"EURange|EngineeringUnits|InstrumentRange|Definition|ValuePrecision|EnumStrings|EnumValues|"
    r"ValueAsText|TrueState|FalseState|Id|Name|Number|EffectiveDisplayName|EffectiveTransitionTime|"
    r"TransitionTime|Transition|LastTransition|CurrentState|AvailableStates|AvailableTransitions|"
    r"NodeVersion|ViewVersion|Icon|NamingRule|InputArguments|OutputArguments|LocalTime|"
    r"DefaultInstanceBrowseName|InterfaceTypes|AxisDefinition|XAxisDefinition|XAxisUnit|Title|AxisScaleType|"
    r"EventId|EventType|SourceNode|SourceName|Time|ReceiveTime|Message|Severity|ConditionClassId|"
    r"ConditionName|BranchId|Retain|EnabledState|Quality|LastSeverity|Comment|ClientUserId|ActiveState|"
    r"AckedState|ConfirmedState|SuppressedState|ShelvingState|HighLimit|LowLimit|HighHighLimit|LowLowLimit|"
    r"LimitState|NormalState|InputNode|SetpointNode|Size|Writable|UserWritable|OpenCount|MimeType|"
    r"ProgramDiagnostic|Creatable|Deletable|AutoDelete|RecycleCount|MaxInstanceCount|MaxStringLength|"
    r"MaxArrayLength|MaxByteStringLength|DataTypeVersion|OptionSetValues|BitMask|Value|Status|"
    r"SourceTimestamp|ServerTimestamp|Annotations|Stepped|Symbol"
)
"""Names that the standard itself gives to parts of what others define (Parts 3, 5, 8, 9, 10 and 16)."""


class Doubt(NamedTuple):
    """What of a path is most likely not meant, and the character, from 0, at which it stands."""

    at: int
    text: str


def doubts_of_path(path: str, *, from_root: bool) -> Iterator[Doubt]:
    """The first thing of a browse path, which begins with a `/` where it is `from_root`, that is most likely not meant
    as it is."""
    before = ""
    """The namespace of the step before, as it is written."""
    at = 1 if from_root else 0
    number = 0
    while at < len(path) and (step := _STEP.match(path, at)) is not None:
        space, name, begin = step["space"] or "", step["name"], step.start("name")
        doubt = _sign(name) or (_top(name, space, number, path) if from_root else None)
        if doubt is not None:
            yield Doubt((begin if doubt[0] >= 0 else at) + max(doubt[0], 0), doubt[1])
            return
        if before and not space and not _OF_STANDARD.fullmatch(name):
            text = (
                f"this name is one of the standard's own namespace, and what stands before it is not: did you mean "
                f"{quoted(before + name)}?"
            )
            yield Doubt(at, text)
            return
        before, at, number = space, step.end(), number + 1


def _sign(name: str) -> tuple[int, str] | None:
    """What became part of a name by mistake, and at which of its characters."""
    if name != name.strip():
        return 0, "there is a blank at an end of this name, which makes it another; remove it"
    colon = re.search(r"\A:|(?<!&):\Z", name)
    if colon is not None:
        text = "this ':' is part of the name: it belongs between the namespace and the name, as in 2:Good"
        return colon.start(), f"{text}; remove it, or write '&:' where it is meant itself"
    if (semicolon := re.match(r"\d{1,5};", name)) is not None:
        return semicolon.end() - 1, "write ':' in the place of ';', between the namespace and the name"
    return None


def _top(name: str, space: str, number: int, path: str) -> tuple[int, str] | None:
    """What is not below the root, or the folder of objects, of any server; at the character -1: the step as a whole."""
    if number == 1 and path.startswith("/Objects/") and not space and name not in _BELOW_OBJECTS:
        return (
            -1,
            "this name has no namespace, and is none of the standard's own: write that of your machines, as in 2:Press",
        )
    if number or (name in _TOPS and not space):
        return None
    if name == "Root":
        return -1, "a path begins below the root: write it without '/Root'"
    near = nearest(name, _TOPS, 0.7)
    if near is not None:
        return -1, f"below the root there is no {quoted(space + name)}: did you mean {quoted(near)}?"
    return -1, f"below the root are Objects, Types and Views: did you mean {quoted('/Objects' + path)}?"
