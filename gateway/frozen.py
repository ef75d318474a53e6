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
        names = tuple(field.name for field in dataclasses.fields(kind))
        return names, attrgetter(*names, "__class__")  # of one name alone it would be no tuple

    def replace(known, /, **changes):
        """As `dataclasses.replace`."""
        kind = known.__class__
        names, values = _fields(kind)
        return kind(**(dict(zip(names, values(known), strict=False)) | changes))


__all__ = ["dataclass", "replace"]
