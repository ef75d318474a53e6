"""Expands templates and tables of lines, so that every line is written out in full.

What a line says comes over what its template says: mappings are merged key by key, any other value replaces the
template's, and `~` leaves out what the template has.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace

from gateway.config.csv_tables import Row, Sheet, doubtful_headings, empty_columns, misspelt_key, row_as_section
from gateway.config.files import Files, resolve_path
from gateway.config.lint_files import find_written_out
from gateway.config.near_words import meant_key, nearest, one_slip_apart, suggestion
from gateway.config.schema import Config, Line, LineKeys, TopLevelKeys
from gateway.config.schema_walk import child_annotation, section_keys
from gateway.config.substitution import LINE_PARAMETERS, Parameters, Substituter, overlay, without_keys
from gateway.config.tree import Finding, Key, Node, Position, quoted
from gateway.model import Scalar

MAX_CHAIN = 10
"""Templates of which each uses the next."""

_OF_LINES = frozenset({*section_keys(Line), *section_keys(LineKeys)})
_NEAR = 0.85
"""How alike words are of which one is most likely a slip of the other."""


def expand_templates(root: Node, files: Files) -> Node:
    """`root` with its templates and tables expanded. `files` reads the files that it names, and takes the findings."""
    return _Expander(root, files).expanded()


def _mentions(node: Node, name: str) -> bool:
    """Whether a text somewhere in `node` has the parameter `name`."""
    match node.value:
        case dict():
            return any(_mentions(item, name) for item in node.value.values())
        case list():
            return any(_mentions(item, name) for item in node.value)
    return isinstance(node.value, str) and f"${{{name}}}" in node.value


def _keys(node: Node, section: str) -> set[Key]:
    """The keys of a section of a line or template."""
    part = node.value.get(section) if isinstance(node.value, dict) else None
    return set(part.value) if part is not None and isinstance(part.value, dict) else set()


def _used_by(template: Node) -> object:
    """The template that `template` uses; None: no other."""
    use = template.value.get("use") if isinstance(template.value, dict) else None
    return use.value if use is not None and isinstance(use.value, str) else None


class _Expander:
    def __init__(self, root: Node, files: Files) -> None:
        self._root = root
        self._files = files
        self._substituter = Substituter(files)
        self._report = self._substituter.report
        self._templates: Mapping[Key, Node] = {}
        self._unread = False
        """Whether there may be templates that could not be read."""
        self._given: dict[Key, list[Mapping[Key, Node]]] = {}
        """Name of a template -> the parameters of each line that uses it."""
        self._lost: Position | None = None
        """A line that most likely uses a template, which it does not say or which there is not."""
        self._sheets: list[Sheet] = []
        """Tables of lines."""

    def expanded(self) -> Node:
        root = self._root
        if not isinstance(root.value, dict):
            return root
        templates = root.value.get("templates")
        self._templates = self._entries(templates)
        are_read = templates is None or (isinstance(templates.value, dict) and not templates.incomplete)
        self._unread = root.incomplete or not are_read
        sections = {
            key: self._section(key, node) for key, node in root.value.items() if key not in TopLevelKeys.model_fields
        }
        if templates is not None and not self._unread:
            self._report_sections(templates)
        self._files.findings += find_written_out(self._templates, self._given)
        return Node(root.position, sections, root.keys, incomplete=root.incomplete)

    def _section(self, key: Key, node: Node) -> Node:
        if key != "lines":
            return self._substituter.substitute(node, child_annotation(Config, key, None), Parameters(None))
        if not isinstance(node.value, list):
            return node
        lines: list[Node] = []
        joined = self._joined(node.value)
        items = [self._rows(item) for item in joined]
        self._substituter.inputs = self._only_inputs([row for rows in items for row in rows or ()])
        unread = [item for item, rows in zip(joined, items, strict=True) if rows is None]
        for rows in items:
            lines += [self._whole(row) for row in rows or ()]
        for item in unread:
            lines += [self._whole(line) for line in self._stand_ins(item)]
        if self._lost is not None:
            lines += [self._whole(line) for line in self._stand_ins(Node(self._lost, {}))]
        for sheet in self._sheets:
            self._report_headings(sheet)
        return Node(node.position, list(lines), incomplete=node.incomplete or (bool(unread) and not lines))

    def _stand_ins(self, item: Node) -> list[Node]:
        """A line for each template that `item`, of which not all can be read, may use and no other line does: so what
        is wrong with the template is found all the same. Nothing is known of what such a line gives it."""
        common = without_keys(item, {"file"})
        use = common.value.get("use") if isinstance(common.value, dict) else None
        at = item.position
        bases = {base for template in self._templates.values() if (base := _used_by(template)) is not None}
        names = [name for name in self._templates if name not in bases] if use is None else [use.value]
        lines = []
        for name in names:
            if isinstance(name, str) and name not in self._given:
                entries: dict[Key, Node] = {key: Node(at, None, incomplete=True) for key in LINE_PARAMETERS}
                entries |= {"use": Node(at, name), "with": Node(at, {}, incomplete=True)}
                line = Node(at, entries, dict.fromkeys(entries, at), incomplete=use is None)
                lines.append(overlay(line, common))
        return lines

    def _joined(self, items: list[Node]) -> list[Node]:
        """The items of `lines`, where one that was cut in two by a '- ' too many is one again."""
        joined: list[Node] = []
        for item in items:
            before = joined[-1].value if joined else None
            if isinstance(before, dict) and isinstance(item.value, dict) and _is_cut(before.keys(), item.value.keys()):
                at = replace(item.position, column=max(item.position.column - 2, 1))
                self._report(at, "this '- ' begins another line: remove it, what follows belongs to the one above")
                joined[-1] = overlay(joined[-1], item)
            else:
                joined.append(item)
        return joined

    def _only_inputs(self, lines: list[Node]) -> Collection[str]:
        """The names of inputs of `lines` and templates that nobody gives as parameters."""
        inputs: set[Key] = set()
        given: set[Key] = set()
        for node in (*self._templates.values(), *lines):
            inputs |= _keys(node, "inputs")
            given |= _keys(node, "with") | _keys(node, "defaults")
        return {str(name) for name in inputs - given - LINE_PARAMETERS}

    def _rows(self, item: Node) -> list[Node] | None:
        """The lines of one item of `lines`: itself, or the rows of a CSV table; None where that cannot be read."""
        file = item.value.get("file") if isinstance(item.value, dict) else None
        if file is None:
            return [item]
        sheet = None
        if not isinstance(file.value, str) or not file.value.lower().endswith(".csv"):
            text = "lines come from a CSV table: lines.csv; a YAML file with lines belongs under 'include'"
            self._report(file.position, text)
        else:
            sheet = self._files.sheet(resolve_path(file.position, file.value), file.position)
        if sheet is None or not sheet.rows:
            return None
        self._sheets.append(sheet)
        common = without_keys(item, {"file"})
        entries: Mapping[Key, Node] = common.value if isinstance(common.value, dict) else {}
        if {"use"}.isdisjoint({*sheet.headings, *entries}) and not _misspells(entries, "use") and not item.incomplete:
            self._report_no_template(item, sheet)
        return [overlay(common, self._row(sheet, row, entries)) for row in sheet.rows]

    def _report_headings(self, sheet: Sheet) -> None:
        """Report what is nearly a key of a line, or a parameter, and has only empty cells below it."""
        self._files.findings += doubtful_headings(sheet, Line)
        for heading in empty_columns(sheet):
            meant = self._substituter.nearly_asked_for(heading)
            if meant is not None and heading not in {*section_keys(Line), "use"} and "." not in heading:
                text = (
                    f"nothing asks for ${{{heading}}}, and all cells below it are empty; did you mean {quoted(meant)}?"
                )
                self._files.findings.append(Finding(sheet.headings[heading], text, warning=True))

    def _report_no_template(self, item: Node, sheet: Sheet) -> None:
        """Report that nothing says which template the parameters are for that are columns of `sheet`, if there are."""
        others = [name for name in sheet.headings if name.split(".")[0] not in section_keys(Line)]
        slip = next((name for name in others if name.strip().casefold() == "use"), None)
        if slip is not None:
            self._report(sheet.headings[slip], f"unknown column {quoted(slip)}; did you mean 'use'?")
        elif others:
            text = f"say which template has the parameter {quoted(others[0])}, a column of the table: write 'use'"
            self._report(item.position, text)

    def _row(self, sheet: Sheet, row: Row, common: Mapping[Key, Node]) -> Node:
        """One row of a table of lines as a line: its own keys, and under `with` all other columns. `common` are the
        entries of all its lines."""
        line_keys = {*section_keys(Line), "use"}
        own = {name: cell for name, cell in row.cells.items() if name.split(".")[0] in line_keys}
        misspelt = None
        if "line" not in sheet.headings and "line" not in common:
            misspelt = self._misspelt_line(row, row.cells.get("use", common.get("use")))
        if misspelt is not None:
            text = f"unknown column {quoted(misspelt)}; did you mean 'line', a key of the line itself?"
            self._report(sheet.headings[misspelt], text)
            own["line"] = row.cells[misspelt]
        others: dict[Key, Node] = {
            name: cell for name, cell in row.cells.items() if name not in own and name != misspelt
        }
        headings = {**sheet.headings, "line": sheet.headings.get("line", row.position)}
        line = row_as_section(row.position, own, headings, self._files.findings)
        if not others:
            return line
        if "use" not in own and "use" not in common:
            if "use" in sheet.headings:
                first = quoted(next(iter(others)))
                text = f"the column 'use' is empty in this row: say which template has the parameter {first}"
                self._report(row.position, text)
            self._lost = row.position
            return replace(line, incomplete=True)
        arguments = Node(row.position, others, dict(sheet.headings.items()))
        return overlay(line, Node(row.position, {"with": arguments}, {"with": row.position}))

    def _misspelt_line(self, row: Row, use: Node | None) -> str | None:
        """The column that is most likely the name of a line that has none: no template that it uses by `use` names
        it, nor asks for that column."""
        templates = self._chain(use)
        if self._unread or any("line" in template.value for template in templates if isinstance(template.value, dict)):
            return None
        alike = (name for name in row.cells if nearest(name, ["line", "line_name"], _NEAR))
        return next((name for name in alike if not any(_mentions(template, name) for template in templates)), None)

    def _chain(self, use: Node | None) -> list[Node]:
        """The template that `use` names, and those that it uses in turn, as far as there are such."""
        chain: list[Node] = []
        while use is not None and isinstance(use.value, str) and len(chain) < MAX_CHAIN:
            template = self._templates.get(use.value)
            if template is None or not isinstance(template.value, dict):
                break
            chain.append(template)
            use = template.value.get("use")
        return chain

    def _whole(self, line: Node) -> Node:
        """A line with its template expanded, and with what it lacks for that told."""
        whole = self._line(line)
        given = line.value.get("with") if isinstance(line.value, dict) else None
        self._substituter.report_without_value(given.keys if given is not None else {})
        return whole

    def _line(self, line: Node) -> Node:
        """A line with its template expanded."""
        if not isinstance(line.value, dict):
            return line
        arguments = self._arguments(line)
        parameters, values = Parameters(arguments, unread=_is_unread(line)), dict(arguments)
        for key in arguments:
            if key in LINE_PARAMETERS:
                text = f"{quoted(key)} is a key of the line itself; write it there"
                self._report(line.value["with"].keys[key], text)
        for key in line.value:
            if key in LINE_PARAMETERS:
                values[key] = self._substituter.substitute(line.value[key], str, parameters)
            elif key not in _OF_LINES and isinstance(line.value[key].value, Scalar):
                values.setdefault(key, line.value[key])  # which does not stand under `with`, as is told of the key
        parameters.values = values
        own = self._substituter.substitute_content(without_keys(line, section_keys(LineKeys)), Line, parameters)
        if "use" not in line.value:  # what a template may have is not missing besides
            return replace(own, incomplete=own.incomplete or "with" in line.value)
        base = self._instance(line.value["use"], parameters, line.position, ())
        self._report_unused(line, arguments, parameters.used, base)
        result = overlay(base, own)
        for key in LINE_PARAMETERS:  # that it is missing is told where a template asks for it, or that it is misplaced
            if isinstance(result.value, dict) and (key in arguments or key in parameters.used):
                result.value.setdefault(key, Node(line.position, None, incomplete=True))
                result.keys.setdefault(key, line.position)
        return result

    def _instance(self, use: Node, given: Parameters, line: Position, chain: tuple[str, ...]) -> Node:
        """The template that `use` names, expanded with the parameters that are `given` for the line at `line`.

        The names of the parameters that it asks for are added to those `used`. `chain` are the templates that have led
        here.
        """
        name = use.value
        template = self._templates.get(name) if isinstance(name, str) else None
        slip = any(one_slip_apart(str(name), str(other)) for other in self._templates)
        if template is None and (use.incomplete or (self._unread and not slip)):
            return Node(line, {}, incomplete=True)
        if template is None or not isinstance(name, str):
            text = f"unknown template {quoted(name)}{suggestion(str(name), map(str, self._templates))}"
            self._report(use.position, text)
            near = nearest(str(name), map(str, self._templates))
            self._lost = line
            if near is not None and not chain:  # what else is wrong is most likely in that one
                meant = replace(use, value=near)
                return replace(self._instance(meant, replace(given, unread=True), line, (str(name),)), incomplete=True)
        elif name in chain:
            text = f"the template {quoted(name)} uses itself: {' uses '.join((*chain, name))}"
            self._report(use.position, text)
        elif len(chain) == MAX_CHAIN:
            text = f"this is a chain of more than {MAX_CHAIN} templates, each using the next"
            self._report(use.position, text)
        elif not isinstance(template.value, dict):
            text = "write what the lines have in common here: 'key: value' lines, indented below"
            self._report(template.position, text)
        else:
            self._given.setdefault(name, []).append(given.values or {})
            return self._expand(template, template.value, given, line, (*chain, name))
        return Node(line, {}, incomplete=True)

    def _expand(
        self,
        template: Node,
        entries: Mapping[Key, Node],
        given: Parameters,
        line: Position,
        chain: tuple[str, ...],
    ) -> Node:
        values = given.values or {}
        defaults = self._entries(entries.get("defaults"))
        is_read = "defaults" not in entries or isinstance(entries["defaults"].value, dict)
        unread = given.unread or not is_read
        parameters = Parameters({**defaults, **values}, line, unread=unread, lacks=given.lacks)
        own = without_keys(template, {"defaults", "use", "with"})
        result = self._substituter.substitute_content(own, Line, parameters)
        arguments = self._arguments(template)
        if "use" in entries:
            inner = {key: self._substituter.substitute(node, None, parameters) for key, node in arguments.items()}
            inner |= {key: node for key, node in values.items() if key in LINE_PARAMETERS}
            lacks = None if "with" in entries else entries["use"].position
            given_on = Parameters(inner, unread=_is_unread(template), lacks=lacks)
            base = self._instance(entries["use"], given_on, line, chain)
            self._report_unused(template, arguments, given_on.used, base)
            result = overlay(base, result)
        for key in defaults:
            if key not in parameters.used and not _may_ask_more(result):
                text = f"nothing in this template is ${{{key}}}; remove this default"
                self._report(entries["defaults"].keys[key], text)
        given.used |= parameters.used
        return result

    def _arguments(self, node: Node) -> Mapping[Key, Node]:
        """The parameters that a line or template gives under `with`."""
        if not isinstance(node.value, dict) or "with" not in node.value:
            return {}
        if "use" not in node.value and not _misspells(node.value, "use"):
            self._report(node.keys["with"], "'with' gives a template its parameters: say which one by 'use'")
            self._lost = node.position
        return self._entries(node.value["with"])

    def _report_unused(self, node: Node, arguments: Mapping[Key, Node], used: set[str], base: Node) -> None:
        """Report the parameters under `with` that no placeholder of the template, which has become `base`, asks for."""
        if not isinstance(node.value, dict):
            return
        for key in arguments:
            if key not in used and key not in LINE_PARAMETERS and not _may_ask_more(base):
                name, known = node.value["use"].value, sorted(used - LINE_PARAMETERS)
                of_line = misspelt_key(str(key), Line) if "." in str(key) else None
                meant = f"; did you mean {quoted(of_line)}, a key of the line itself?" if of_line else ""
                text = f"the template {quoted(name)} has no ${{{key}}}{meant or suggestion(str(key), known)}"
                self._report(node.value["with"].keys[key], text)

    def _report_sections(self, templates: Node) -> None:
        """Report what is named like a key of a line among `templates`, is used by no line and has nothing that a
        template has: it is indented too little."""
        of_templates = {*section_keys(Line), *section_keys(LineKeys), "defaults"}
        for name, template in self._templates.items():
            is_template = isinstance(template.value, dict) and of_templates.issuperset(template.value)
            if name in section_keys(Line) and name not in self._given and not is_template:
                text = f"no line uses a template {quoted(name)}: indent it further, as a part of the template above it"
                self._report(templates.keys[name], text)

    def _entries(self, node: Node | None) -> Mapping[Key, Node]:
        """The entries of a mapping that the schema does not check."""
        if node is None:
            return {}
        if not isinstance(node.value, dict):
            if not node.incomplete:
                self._report(node.position, "write keys and values here: 'key: value' lines, indented below")
            return {}
        return node.value


def _misspells(keys: Collection[Key], meant: str) -> bool:
    """Whether one of the keys of a line is most likely the one that is `meant`, which is told of that key."""
    return any(meant_key(str(key), sorted(_OF_LINES)) == meant for key in keys if key not in _OF_LINES)


def _is_cut(keys: Collection[Key], others: Collection[Key]) -> bool:
    """Whether two lines with these keys are none by themselves and one together."""
    wholes = ({"factory", "line", "inputs"}, {"use"}, {"file"})
    parts = [any(whole <= {*part} for whole in wholes) for part in (keys, others, [*keys, *others])]
    return parts == [False, False, True] and {*keys}.isdisjoint(others)


def _may_ask_more(node: Node) -> bool:
    """Whether something in a template could not be read, or is empty, so that a parameter may belong there."""
    return node.incomplete or node.empty or any(map(_may_ask_more, node.children()))


def _is_unread(node: Node) -> bool:
    """Whether some of what a line or template gives under `with` could not be read."""
    entries = node.value if isinstance(node.value, dict) else {}
    given = entries.get("with")
    return _misspells(entries, "with") if given is None else given.incomplete or not isinstance(given.value, dict)
