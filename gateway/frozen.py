"""Frozen dataclasses that are quick to make, for what is made for each message: to be used like those of the standard
library, under the same names.

That nothing of them is set is what mypy checks, as of any frozen dataclass. The standard library sees to it at runtime
too, and pays for it: each field is then set by a call, so that an object with sixteen fields takes seven times as long
to make. And its `replace` looks at each field anew each time.
"""

from functools import cache
from operator import attrgetter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataclasses import dataclass, replace
else:
    import dataclasses

    def dataclass(*, frozen=False, **options):
        """As `dataclasses.dataclass`: what is frozen can be hashed."""
        return dataclasses.dataclass(unsafe_hash=frozen, **options)

    @cache
    def _fields(kind):
        """How its fields are read, behind one thing more so that they are never one alone; and their places there."""
        names = [field.name for field in dataclasses.fields(kind)]
        return attrgetter("__class__", *names), {name: place for place, name in enumerate(names, 1)}

    def replace(known, /, **changes):
        """As `dataclasses.replace`, of what is made of its fields in their order."""
        read, places = _fields(known.__class__)
        fields = [*read(known)]
        for name, value in changes.items():
            fields[places[name]] = value
        kind, *fields = fields
        return kind(*fields)


__all__ = ["dataclass", "replace"]
