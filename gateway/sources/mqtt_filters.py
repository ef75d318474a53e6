"""The topics that a session has subscribed, on disk: those that have left the configuration are to be unsubscribed.

Written before a topic is subscribed and after the broker has let it go, so that the list never lacks one. A file that
cannot be read or written costs nothing but that: what still comes of such topics is acknowledged and counted.
"""

import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path

import structlog
from pydantic import TypeAdapter

log = structlog.get_logger()

_LIST = TypeAdapter(list[str])


class FilterFile:
    """The file of one session in `directory`; without one nothing is kept."""

    def __init__(self, directory: Path | None, session: str) -> None:
        name = hashlib.blake2b(session.encode(), digest_size=8).hexdigest()
        self._path = directory / f"subscribed-{name}.json" if directory is not None else None

    def read(self) -> frozenset[str]:
        """The topics; none where there is no list that can be read."""
        try:
            topics = json.loads(self._path.read_text(encoding="utf-8")) if self._path is not None else []
        except (OSError, ValueError):
            return frozenset()
        return (
            frozenset(topic for topic in topics if isinstance(topic, str)) if isinstance(topics, list) else frozenset()
        )

    def write(self, topics: Iterable[str]) -> None:
        """Keep `topics`; when this returns they are on disk, or the log says why not."""
        if self._path is None:
            return
        new = self._path.with_suffix(".new")
        try:
            with new.open("w", encoding="utf-8") as file:
                json.dump(sorted(topics), file)
                file.flush()
                os.fsync(file.fileno())
            new.replace(self._path)
            directory = os.open(self._path.parent, os.O_RDONLY)
            try:
                os.fsync(directory)
            finally:
                os.close(directory)
        except OSError as error:
            log.warning("subscriptions_not_kept", reason=str(error), file=str(self._path))
