"""Keys that save repeating what many lines have in common. They are worked in while the file is read: what the rest of the
gateway sees is `schema.Config`, as if everything had been written out.
"""

from typing import Any

from pydantic import BaseModel, Field

from gateway.config.schema import Config, Line
from gateway.config.section import Identifier, Name, Section


class Template(Section):
    """What lines have in common: all keys of `lines[]` can stand here, with `${NAME}` for what differs."""

    defaults: dict[Identifier, Any] = Field(
        {}, description="Values of parameters that a line need not give: `defaults: {rollover: 65536}`."
    )
    use: Name | None = Field(None, description="Another template, over which this one is laid.")
    with_: dict[Identifier, Any] = Field({}, alias="with", description="The parameters of that other template.")


class TopKeys(Section):
    """The file's own order: other files that belong to it, and templates."""

    include: list[str] = Field(
        [],
        description="Other files that count as if they stood here, from the folder of this one: `[sources.yaml, lines/*.yaml]`. "
        "Sections are put together key by key; a key may stand in one file only.",
    )
    templates: dict[Identifier, Template] = Field({}, description="What lines have in common, by name.")


class LineKeys(Section):
    """What a line can say besides or instead of writing everything out."""

    use: Name | None = Field(
        None,
        description="One of the names under `templates`. What the line says itself comes over what the template says.",
    )
    with_: dict[Identifier, Any] = Field(
        {},
        alias="with",
        description="The parameters: `with: {plc: L01}` fills in `${plc}`. The line's `factory` and `line` are parameters too.",
    )
    file: str | None = Field(
        None,
        description="A CSV table with a line of the plant in each row. Columns named like keys of a line are those keys "
        "(`factory`, `line`, `states.hold`), all others are parameters. What stands beside `file` holds for every row.",
    )


WORKED_IN: dict[type[BaseModel], type[BaseModel]] = {Config: TopKeys, Line: LineKeys}
"""Section -> the keys that may be written there besides its own."""
