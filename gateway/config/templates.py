"""Works in what saves repeating: templates and tables of lines. Afterwards every line is written out.

What a line says comes over what its template says: tables are laid over each other key by key, any other value replaces
the template's, and `~` leaves out what the template has.
"""

from collections.abc import Mapping

from gateway.config import tables
from gateway.config.csv_table import Row, Sheet
from gateway.config.document import Key, Node, Place, shown
from gateway.config.files import Files, beside
from gateway.config.filling import Filler, Parameters, merged, without
from gateway.config.schema import Config, Line
from gateway.config.schema_templates import LineKeys, TopKeys
from gateway.config.sentences import suggestion
from gateway.config.shape import below, fields

LONGEST_CHAIN = 10
"""Templates, each of which uses the next."""

OWN = frozenset({"factory", "line"})
"""Keys of a line that are parameters as well."""


def written_out(root: Node, files: Files) -> Node:
    """`root` with its templates and tables worked in. `files` reads those that it names, and takes the complaints."""
    return _Writer(root, files).written_out()


class _Writer:
    def __init__(self, root: Node, files: Files) -> None:
        self._root = root
        self._files = files
        self._filler = Filler(files)
        self._templates: Mapping[Key, Node] = {}

    def written_out(self) -> Node:
        root = self._root
        if not isinstance(root.value, dict):
            return root
        self._templates = self._table(root.value.get("templates"))
        value = {key: self._section(key, node) for key, node in root.value.items() if key not in TopKeys.model_fields}
        return Node(root.place, value, root.keys)

    def _section(self, key: Key, node: Node) -> Node:
        if key != "lines":
            return self._filler.fill(node, below(Config, key, None), Parameters(None))
        if not isinstance(node.value, list):
            return node
        lines: list[Node] = []
        unread = False
        for item in node.value:
            rows = self._rows(item)
            unread = unread or rows is None
            lines += [self._line(row) for row in rows or ()]
        return Node(node.place, list(lines), hole=unread and not lines)

    def _rows(self, item: Node) -> list[Node] | None:
        """The lines that an item of `lines` is: one, or those of a CSV table; None where that cannot be read."""
        file = item.value.get("file") if isinstance(item.value, dict) else None
        if file is None:
            return [item]
        sheet = None
        if not isinstance(file.value, str) or not file.value.lower().endswith(".csv"):
            self._filler.complain(
                file.place, "lines come from a CSV table: lines.csv; a YAML file with lines belongs under 'include'"
            )
        else:
            sheet = self._files.sheet(beside(file.place, file.value), file.place)
        if sheet is None:
            return None
        common = without(item, {"file"})
        return [merged(common, self._row(sheet, row)) for row in sheet.rows]

    def _row(self, sheet: Sheet, row: Row) -> Node:
        """One row of a table of lines: the line's own keys, and under `with` everything else."""
        own = {*fields(Line), "use"}
        mine = {name: cell for name, cell in row.cells.items() if name.split(".")[0] in own}
        given: dict[Key, Node] = {name: cell for name, cell in row.cells.items() if name not in mine}
        line = tables.section(row.place, mine, sheet.headings, self._files.complaints)
        parameters = Node(row.place, given, dict(sheet.headings.items()))
        return merged(line, Node(row.place, {"with": parameters}, {"with": row.place})) if given else line

    def _line(self, line: Node) -> Node:
        """A line with its template worked in."""
        if not isinstance(line.value, dict):
            return line
        given = self._given(line)
        names, values = Parameters(given), dict(given)
        for key in given:
            if key in OWN:
                self._filler.complain(
                    line.value["with"].keys[key], f"{shown(key)} is a key of the line itself; write it there"
                )
        for key in line.value:
            if key in OWN:
                values[key] = self._filler.fill(line.value[key], str, names)
        names.values = values
        filled = self._filler.items(without(line, fields(LineKeys)), Line, names)
        if "use" not in line.value:
            return filled
        base = self._instance(line.value["use"], names.values, names.used, line.place, ())
        if not base.hole:
            self._all_used(line, given, names.used)
        return merged(base, filled)

    def _instance(
        self, use: Node, values: Mapping[Key, Node], used: set[str], line: Place, chain: tuple[str, ...]
    ) -> Node:
        """The template that `use` names with `values` filled in, for the line at `line`; what it has used goes to `used`.

        `chain` are the templates that have led here.
        """
        name = use.value
        template = self._templates.get(name) if isinstance(name, str) else None
        if template is None or not isinstance(name, str):
            self._filler.complain(
                use.place, f"unknown template {shown(name)}{suggestion(str(name), map(str, self._templates))}"
            )
        elif name in chain:
            self._filler.complain(use.place, f"the template {shown(name)} uses itself: {' uses '.join((*chain, name))}")
        elif len(chain) == LONGEST_CHAIN:
            self._filler.complain(
                use.place, f"this is a chain of more than {LONGEST_CHAIN} templates, each using the next"
            )
        elif not isinstance(template.value, dict):
            self._filler.complain(
                template.place, "write what the lines have in common here: 'key: value' lines, indented below"
            )
        else:
            return self._filled(template, template.value, values, used, line, (*chain, name))
        return Node(line, {}, hole=True)

    def _filled(
        self,
        template: Node,
        parts: Mapping[Key, Node],
        values: Mapping[Key, Node],
        used: set[str],
        line: Place,
        chain: tuple[str, ...],
    ) -> Node:
        defaults = self._table(parts.get("defaults"))
        names = Parameters({**defaults, **values}, line)
        filled = self._filler.items(without(template, {"defaults", "use", "with"}), Line, names)
        given = self._given(template)
        if "use" in parts:
            inner = {key: self._filler.fill(node, None, names) for key, node in given.items()}
            inner |= {key: node for key, node in values.items() if key in OWN}
            below_used: set[str] = set()
            base = self._instance(parts["use"], inner, below_used, line, chain)
            if not base.hole:
                self._all_used(template, given, below_used)
            filled = merged(base, filled)
        for key in defaults:
            if key not in names.used:
                self._filler.complain(
                    parts["defaults"].keys[key], f"nothing in this template is ${{{key}}}; remove this default"
                )
        used |= names.used
        return filled

    def _given(self, node: Node) -> Mapping[Key, Node]:
        """The parameters under `with` of a line or template."""
        if not isinstance(node.value, dict) or "with" not in node.value:
            return {}
        if "use" not in node.value:
            self._filler.complain(node.keys["with"], "'with' gives a template its parameters: say which one by 'use'")
        return self._table(node.value["with"])

    def _all_used(self, node: Node, given: Mapping[Key, Node], used: set[str]) -> None:
        """Complain of parameters that nothing asks for."""
        if not isinstance(node.value, dict):
            return
        for key in given:
            if key not in used and key not in OWN:
                name, known = node.value["use"].value, sorted(used - set(OWN))
                self._filler.complain(
                    node.value["with"].keys[key],
                    f"the template {shown(name)} has no ${{{key}}}{suggestion(str(key), known)}",
                )

    def _table(self, node: Node | None) -> Mapping[Key, Node]:
        """The entries of a table that is not checked by the schema."""
        if node is None:
            return {}
        if not isinstance(node.value, dict):
            self._filler.complain(node.place, "write keys and values here: 'key: value' lines, indented below")
            return {}
        return node.value
