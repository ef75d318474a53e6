"""What the outbox keeps of a thing that settings are about."""

import hashlib
import json
from dataclasses import field
from typing import Annotated

from pydantic import Field, TypeAdapter

from gateway.frozen import dataclass
from gateway.model import STORED, Setting


@dataclass(slots=True)
class SettingEntry:
    """What there is of one thing that settings of one line are about."""

    __pydantic_config__ = STORED

    waiting_at: Annotated[int | None, Field(alias="at")] = None
    """The position of the setting that waits and that no attempt carries."""
    refused: list[int] = field(default_factory=list)
    """The positions of dead letters about it, oldest first."""


def setting_key(setting: Setting) -> str:
    """The key of the row of `SettingEntry` of what `setting` is about on its line."""
    words = json.dumps([setting.line, setting.type, setting.about], sort_keys=True)
    return f"thing/{hashlib.blake2b(words.encode(), digest_size=16).hexdigest()}"


SETTING_ENTRY = TypeAdapter(SettingEntry)
