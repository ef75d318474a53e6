"""Frozen dataclasses that are quick to make, for what is made for each message: to be used like those of the standard
library, under the same names.

That nothing of them is set is what mypy checks, as of any frozen dataclass. The standard library sees to it at runtime
too, and pays for it: each field is then set by a call, so that an object with sixteen fields takes seven times as long
to make. And its `replace` looks at each field anew each time,
where what is the same each time can be found out once.
"""

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataclasses import dataclass, replace
else:
    import dataclasses

    def dataclass(*, frozen=False, **options):
        """As `dataclasses.dataclass`: what is frozen can be hashed."""
        return dataclasses.dataclass(unsafe_hash=frozen, **options)

    @cache
    def _replacing(kind, names):
        """Makes another of `kind` of one, with other values of the fields `names`: as if it were written out."""
        fields = [field.name for field in dataclasses.fields(kind)]
        if unknown := {*names}.difference(fields):
            raise TypeError(f"{kind.__name__} has no field {', '.join(sorted(unknown))}")
        given = ", ".join(name if name in names else f"_known.{name}" for name in fields)
        return eval(f"lambda _known, {', '.join(names)}: _kind({given})", {"_kind": kind})  # noqa: S307

    def replace(known, /, **changes):
        """As `dataclasses.replace`, of what is made of its fields in their order."""
        return _replacing(known.__class__, tuple(changes))(known, *changes.values())


__all__ = ["dataclass", "replace"]
