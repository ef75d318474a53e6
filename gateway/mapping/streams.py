"""What a message is one of: its topic, where each text of a level with a name makes one by itself, since others can
send there, with clocks of their own. Pure.
"""

from functools import lru_cache

from gateway.config.addresses import named_levels
from gateway.mapping.values import scalar, text
from gateway.model import Sample

Stream = tuple[str, str]
"""A source and a topic of it."""


def stream_of(sample: Sample) -> Stream:
    """What the message is one of."""
    address = sample.address
    if not _has_names(address) or not isinstance(sample.value, dict):
        return sample.source, address
    said = sample.value
    levels = (text(scalar(said.get(level[1:]))) if level[:1] == "+" else level for level in address.split("/"))
    return sample.source, "/".join(levels)


@lru_cache(maxsize=4096)
def _has_names(address: str) -> bool:
    return bool(named_levels(address))
