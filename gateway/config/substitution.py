"""Substitutes parameters in texts, and reads in tables, wherever the configuration has them.

`${name}` in a text is replaced by the parameter `name`. A value that is nothing but one placeholder becomes the
parameter as it is, of whatever type. Where the schema has a mapping or list of sections, `{file: NAME}` reads it from a
table; entries beside `file` override those of the table.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, get_args, get_origin

from pydantic import SecretStr

from gateway.config.csv_tables import doubtful_headings, table_as_list, table_as_section, typed
from gateway.config.files import Files, resolve_path
from gateway.config.near_words import nearest
from gateway.config.schema_walk import alternatives, child_annotation, section_collection, tag_of
from gateway.config.tree import BrokenFileError, Filled, Finding, Key, Node, Position, quoted
from gateway.config.yaml_tree import MAX_DEPTH, TOO_DEEP
from gateway.model import Scalar

MAX_EXPANDED_VALUES = 500_000
"""In a whole configuration, after templates and tables have been expanded."""

LINE_PARAMETERS = frozenset({"factory", "line"})
"""Keys of a line that are also parameters of its template."""

_PLACEHOLDER = re.compile(r"(?P<escaped>\$?)\$\{(?!secret:)(?P<name>[^{}]*)\}")
_UNCLOSED = re.compile(r"(?<!\$)\$\{(?P<name>[A-Za-z_]\w*)(?![^{}]*\})")
_ESCAPE = "; for the characters '${' write '$${'"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_FOREIGN = re.compile(
    r"(?<!\$)\$(?P<dollar>[A-Za-z_]\w*)|%(?P<percent>[A-Za-z_]\w*)%|<(?P<angle>[A-Za-z_]\w*)>"
    r"|\$\((?P<round>[A-Za-z_]\w*)\)|\{\s*(?P<braces>[A-Za-z_]\w*)\s*\}"
)
_NEAR = 0.8
"""How alike two names of parameters are of which the one is most likely a slip of the other."""
_SIGNS = frozenset("$%<{")
"""A parameter as other tools write it."""


def escaped(text: str) -> str:
    """`text` as a line must write it so that nothing in it is substituted."""
    return _PLACEHOLDER.sub(lambda match: f"${match[0]}", text)


@dataclass(slots=True)
class Parameters:
    """The parameters of one template or line.

    `values` is None where there are no parameters: outside of lines, and in the value of a parameter. `used_at` is the
    position of the line that uses a template; None in the line itself. `used` gathers the names that placeholders have
    asked for. `unread`: there are more, which could not be read.
    """

    values: Mapping[Key, Node] | None
    used_at: Position | None = None
    used: set[str] = field(default_factory=set)
    unread: bool = False
    lacks: Position | None = None
    """Where a template uses the one with these parameters and gives it none at all."""

    def position(self, position: Position) -> Position:
        """`position`, with where what stands there is used."""
        return position if self.used_at is None or position.used_at else replace(position, used_at=self.used_at)


class Substituter:
    """Copies parts of the tree with parameters substituted; `files` reads the tables and takes the findings."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._count = self._depth = 0
        self.inputs: Collection[str] = ()
        """Names of inputs that nobody gives as parameters."""
        self._told: set[Finding] = set()
        self._misspelt: set[Position] = set()
        """Parameters that are given and told to be another's slip."""
        self.asked: set[str] = set()
        """Names that placeholders have asked for."""
        self._without_value: list[tuple[str, str | None, Position, Finding]] = []
        """Those without a value, each with the parameter that is like it, where it is asked for, and what is said."""

    def substitute(self, node: Node, annotation: Any, parameters: Parameters) -> Node:
        """A copy of `node`, where the schema has `annotation`, with parameters substituted and tables read in."""
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise BrokenFileError(node.position, TOO_DEEP)
        file = node.value.get("file") if isinstance(node.value, dict) else None
        table = section_collection(annotation) if file is not None and isinstance(file.value, str) else None
        if file is None or table is None:
            result = self.substitute_content(node, annotation, parameters)
        else:
            result = self._from_file(node, file, table, parameters)
        self._depth -= 1
        return result

    def substitute_content(self, node: Node, annotation: Any, parameters: Parameters) -> Node:
        """As `substitute`, for a `node` that is not itself read from a table."""
        self._count += 1
        if self._count > MAX_EXPANDED_VALUES:
            text = f"with this, more than {MAX_EXPANDED_VALUES} values when all is written out"
            raise BrokenFileError(node.position, text)
        position = parameters.position(node.position)
        value = node.value
        if isinstance(value, dict):
            tag = _tag(annotation, value)
            entries = {
                key: self.substitute(entry, child_annotation(annotation, key, tag), parameters)
                for key, entry in value.items()
            }
            for key in value:
                if _PLACEHOLDER.search(str(key)):
                    self.report(node.keys[key], "a parameter cannot stand in a key, only in values")
            keys = {key: parameters.position(at) for key, at in node.keys.items()}
            return Node(position, entries, keys, incomplete=node.incomplete)
        if isinstance(value, list):
            items = [
                self.substitute(item, child_annotation(annotation, index, None), parameters)
                for index, item in enumerate(value)
            ]
            return Node(position, list(items), incomplete=node.incomplete)
        if isinstance(value, str) and parameters.values and not _SIGNS.isdisjoint(value):
            self._note_foreign(value, position, parameters)
        if isinstance(value, str) and "${" in value and SecretStr not in alternatives(annotation):
            return self._text(node, value, position, annotation, parameters)
        return _single(node, position, annotation)

    def _text(self, node: Node, text: str, position: Position, annotation: Any, parameters: Parameters) -> Node:
        """The value of `text`, in which there are placeholders."""
        unclosed = [match["name"] for match in _UNCLOSED.finditer(text) if match["name"] in (parameters.values or {})]
        if unclosed:
            reason = f"the parameter ${{{unclosed[0]}}} is never closed: a '}}' is missing behind its name"
            self.report(position, reason)
            parameters.used.update(unclosed, (match["name"] for match in _PLACEHOLDER.finditer(text)))
            return Node(position, None, incomplete=True)
        whole = _PLACEHOLDER.fullmatch(text)
        if whole and not whole["escaped"]:
            parameter = self._parameter(whole["name"], position, parameters)
            if parameter is None:
                return Node(position, None, incomplete=True)
            value = self.substitute(parameter, annotation, Parameters(None, position))  # its position is its own
            value = replace(value, incomplete=value.incomplete or node.incomplete)
            return _with_original(value, text, annotation)

        incomplete, longer = node.incomplete, 0
        pieces: list[tuple[int, int, int, int]] = []

        def replacement(match: re.Match[str]) -> str:
            nonlocal longer
            said = match[0][1:] if match["escaped"] else filled_in(match)
            begin, end = match.span()
            pieces.append((begin + longer, begin + longer + len(said), begin, end))
            longer += len(said) - (end - begin)
            return said

        def filled_in(match: re.Match[str]) -> str:
            nonlocal incomplete
            parameter = self._parameter(match["name"], position, parameters)
            if parameter is None or parameter.value is None or not isinstance(parameter.value, Scalar):
                incomplete = True
                if parameter is not None and not parameter.incomplete:
                    text = f"this cannot be filled in for ${{{match['name']}}} in a text; write a single value"
                    self.report(replace(parameter.position, used_at=position), text)
                return ""
            incomplete = incomplete or parameter.incomplete
            return parameter.written

        result = _PLACEHOLDER.sub(replacement, text)
        filled = Filled(text, tuple(pieces))
        value = replace(node, value=result, written=result, incomplete=incomplete, filled=filled)
        return _with_original(_single(value, position, annotation), text, annotation)

    def _parameter(self, name: str, position: Position, parameters: Parameters) -> Node | None:
        """The value of `${name}` at `position`; None where there is none, which is reported once for each line."""
        if parameters.values is None:
            self.report(position, f"parameters stand in lines and templates, not here{_ESCAPE}")
            return None
        if _NAME.fullmatch(name) is None:
            self.report(position, f"write ${{name}} with a name of letters, digits and '_'{_ESCAPE}")
            return None
        if name not in parameters.values and name not in parameters.used and not parameters.unread:
            if name in self.inputs:
                text = (
                    f"no value for ${{{name}}}: an input is written \"{{{name}}}\", without the '$'; in a condition, "
                    f"{name} alone"
                )
                self._report_once(Finding(replace(position, used_at=None), text))
                parameters.used.add(name)
                return None
            asked = "" if parameters.used_at is None else f", which {position} asks for"
            remedy = f"give '{name}' under 'with' or, in a table of lines, in a column"
            if name in LINE_PARAMETERS:
                remedy = (
                    f"write '{name}' as a key of the line itself, beside 'use' or, in a table of lines, as a column"
                )
            near = nearest(name, map(str, parameters.values))
            meant = f"; did you mean {quoted(near)}?" if near is not None else ""
            text = f"no value for ${{{name}}}{asked}: {remedy}{meant}"
            self._without_value.append(
                (name, near, position, Finding(parameters.lacks or parameters.used_at or position, text))
            )
        parameters.used.add(name)
        self.asked.add(name)
        return parameters.values.get(name)

    def nearly_asked_for(self, name: str) -> str | None:
        """The parameter of which `name`, which no placeholder asks for, is most likely a slip."""
        return None if name in self.asked else nearest(name, sorted(self.asked), _NEAR)

    def report_without_value(self, given: Mapping[Key, Position]) -> None:
        """Report the parameters that have no value: where a template has a slip of one that is asked for elsewhere, in
        the template, whichever lines use it; where one that the line has `given` is most likely meant for it, there:
        at the heading of a table; else where the line does not give it."""
        told: set[str] = set()
        for name, near, position, finding in sorted(self._without_value, key=lambda each: each[3].position == each[2]):
            if near in self.asked and finding.position != position:
                text = f"no value for ${{{name}}}; did you mean ${{{near}}}?"
                self._report_once(Finding(replace(position, used_at=None), text))
            elif near is not None and near in given and near not in self.asked:
                asked = replace(position, used_at=None)
                text = f"nothing asks for ${{{near}}}; did you mean {quoted(name)}, which {asked} asks for?"
                if given[near] not in self._misspelt:
                    self._report_once(Finding(given[near], text))
                self._misspelt.add(given[near])
            elif name not in told:  # by the line, or its template and tables: whoever gives it mends both
                self._files.findings.append(finding)
            told.add(name)
        self._without_value.clear()

    def _note_foreign(self, text: str, position: Position, parameters: Parameters) -> None:
        """Note that parameters are asked for that are written as another tool has them, and warn of those in a node id
        and of `$(name)` in any text but as a level of a topic; elsewhere it is told where that is no value."""
        matches = [
            match for match in _FOREIGN.finditer(text) if match[match.lastgroup or 0] in (parameters.values or {})
        ]
        names = {match.lastgroup: match[match.lastgroup or 0] for match in reversed(matches)}
        parameters.used.update(names.values())
        names.pop("braces", None)
        if "s=" not in text:
            is_level = re.search(r"(?:^|/)\$\(\w+\)/|/\$\(\w+\)\Z", text) is not None
            names = {kind: name for kind, name in names.items() if kind == "round" and not is_level}
        for name in [*names.values()][-1:]:
            reason = f"{quoted(name)} is a parameter: it is filled in where it is written ${{{name}}}"
            self._report_once(Finding(replace(position, used_at=None), reason, warning=True))

    def _report_once(self, finding: Finding) -> None:
        """Add what is wrong with a template itself, whichever lines use it."""
        if finding not in self._told:
            self._told.add(finding)
            self._files.findings.append(finding)

    def _from_file(self, node: Node, file: Node, annotation: Any, parameters: Parameters) -> Node:
        """The content of the table that `file` names, with what `node` has beside `file` laid over it."""
        name = self.substitute(file, str, parameters)
        path = resolve_path(name.position, str(name.value))
        is_list = get_origin(annotation) is list
        content: Node | None = None
        match str(name.value).lower().rpartition(".")[2]:
            case "csv":
                sheet = self._files.sheet(path, name.position)
                for finding in () if sheet is None else doubtful_headings(sheet, get_args(annotation)[-1]):
                    self._report_once(finding)
                if sheet is not None and is_list:
                    content = table_as_list(sheet, self._files.findings)
                elif sheet is not None:
                    content = table_as_section(sheet, get_args(annotation)[0], self._files.findings)
            case "yaml" | "yml":
                content = self._files.document(path, name.position)
            case "xlsx" | "xls" | "ods":
                self.report(name.position, "this is a workbook of a spreadsheet; save it there as CSV (UTF-8)")
            case _:
                self.report(name.position, "write the name of a table: a file that ends in .csv, .yaml or .yml")
        if content is None:
            return Node(name.position, [] if is_list else {}, incomplete=True)
        others = without_keys(node, {"file"})
        if is_list and others.value:
            self.report(node.position, "the list is in the file; nothing else can stand beside 'file'")
        result = self.substitute_content(content, annotation, parameters)
        return result if is_list else overlay(result, self.substitute_content(others, annotation, parameters))

    def report(self, position: Position, text: str) -> None:
        """Add to the findings that `text` is wrong at `position`."""
        self._files.findings.append(Finding(position, text))


def overlay(base: Node, over: Node) -> Node:
    """`over` laid over `base`: mappings are merged key by key, any other value replaces that of `base`.

    None in `over` removes what `base` has.
    """
    if not isinstance(base.value, dict) or not isinstance(over.value, dict):
        return over
    value: dict[Key, Node] = {}
    for key, node in over.value.items():
        if key not in base.value:
            value[key] = _incomplete(node) if base.incomplete else node
        elif node.value is not None or node.incomplete:
            value[key] = overlay(base.value[key], node)
    value |= {key: node for key, node in base.value.items() if key not in over.value}
    return Node(over.position, value, {**base.keys, **over.keys}, incomplete=base.incomplete or over.incomplete)


def _incomplete(node: Node) -> Node:
    """`node` laid over what could not be read, which may have more of its sections."""
    if not isinstance(node.value, dict):
        return node
    return replace(node, value={key: _incomplete(entry) for key, entry in node.value.items()}, incomplete=True)


def without_keys(node: Node, keys: Collection[str]) -> Node:
    """The mapping `node` without some of its keys."""
    entries = node.value.items() if isinstance(node.value, dict) else ()
    kept = {key: entry for key, entry in entries if key not in keys}
    return Node(node.position, kept, node.keys, incomplete=node.incomplete)


def _tag(annotation: Any, value: Mapping[Key, Node]) -> object:
    tag = tag_of(annotation, value)
    return tag.value if tag is not None else None


def _single(node: Node, position: Position, annotation: Any) -> Node:
    """A copy of a single value at `position`. A cell of a table gets the type that the schema has, if it has one."""
    if node.separator and annotation is not None:
        return replace(node, position=position, value=typed(node, annotation), separator="")
    return replace(node, position=position)


def _with_original(value: Node, text: str, annotation: Any) -> Node:
    """`value`, which `text` became, with `text` kept beside it where the schema has text, not a duration or choice."""
    is_text = isinstance(value.value, str) and str in alternatives(annotation)
    return replace(value, unsubstituted=text) if is_text else value
