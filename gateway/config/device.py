"""Sparkplug devices as they are written in the configuration (Sparkplug 3.0.0, 4.1)."""

from dataclasses import dataclass

SPARKPLUG = "spBv1.0"
"""What all topics of Sparkplug B begin with."""


@dataclass(frozen=True, slots=True)
class DeviceAddress:
    """A device of an edge node or, where `device` is None, the edge node itself."""

    group: str
    node: str
    device: str | None = None

    def __str__(self) -> str:
        return "/".join(filter(None, (self.group, self.node, self.device)))


def sparkplug_address(device: str) -> str:
    """The address of the samples of `device`, which is written as in the configuration; no other topic looks like it."""
    return f"{SPARKPLUG}/{device}"


def parse_device(text: str) -> DeviceAddress:
    """Take `text` apart; ValueError says what is wrong and what would be right."""
    parts = text.split("/")
    if not 2 <= len(parts) <= 3 or not all(parts):
        raise ValueError(
            f"'{text}' is not a device: write group/edge node/device, such as Plant A/Edge 1/Press 7, "
            "or group/edge node for metrics of the edge node itself"
        )
    if any(sign in text for sign in "+#\0"):
        raise ValueError(f"'{text}' is not a device: '+' and '#' cannot stand in its names")
    return DeviceAddress(*parts)
