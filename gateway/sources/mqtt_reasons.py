"""What brokers mean by the codes of their answers, in words; and what is said where a packet makes no sense."""

_CONNACK_3 = {
    1: "it does not speak this version of MQTT",
    2: "it does not take this client_id",
    3: "it is not available",
    4: "wrong user name or password",
    5: "not authorised",
}
"""Of a CONNACK in MQTT 3.1.1."""

_REASONS = {
    0x00: "it gives no reason",
    0x04: "it publishes the last will",
    0x80: "it gives no reason",
    0x81: "what it received is malformed",
    0x82: "what it received is against the protocol",
    0x83: "by a rule of its own",
    0x84: "it does not speak this version of MQTT",
    0x85: "it does not take this client_id",
    0x86: "wrong user name or password",
    0x87: "not authorised",
    0x88: "it is not available",
    0x89: "it is busy",
    0x8A: "this client is banned",
    0x8B: "it is shutting down",
    0x8C: "it does not know this way to authenticate",
    0x8D: "it has heard nothing from us for longer than the keep-alive",
    0x8E: "another client has connected with this client_id and taken the session over",
    0x8F: "this topic filter cannot be used",
    0x90: "this topic cannot be used",
    0x91: "the packet id is in use",
    0x93: "more messages wait for their acknowledgement than it may send",
    0x94: "the topic alias cannot be used",
    0x95: "the packet is too large for it",
    0x96: "messages come too fast for it",
    0x97: "a quota is used up",
    0x98: "an administrator has ended it",
    0x99: "the payload is not in its format",
    0x9A: "it retains no messages",
    0x9B: "it does not know this QoS",
    0x9C: "another server is to be used for now",
    0x9D: "another server is to be used from now on",
    0x9E: "it has no shared subscriptions",
    0x9F: "connections come too fast for it",
    0xA0: "the longest time for a connection is over",
    0xA1: "it has no subscription identifiers",
    0xA2: "it has no wildcards in subscriptions",
}
"""Of all other answers; in MQTT 5 also of a CONNACK."""

_LONGEST = 200


def reason(code: int, said: str = "", *, connack: bool = False) -> str:
    """The words for `code`, and what the broker has `said` beside it."""
    words = _CONNACK_3.get(code) if connack else None
    words = words or _REASONS.get(code) or f"code 0x{code:02X}"
    return f"{words} ({ascii(said[:_LONGEST])[1:-1]})" if said else words


class Malformed(ValueError):
    """What the broker sent is not what the specification allows."""

    @property
    def reason(self) -> str:
        """That as a sentence."""
        return f"the broker does not keep to MQTT: it sent {self}"


class Foreign(Malformed):
    """What the broker sent was asked for by somebody else who has used our session."""

    @property
    def reason(self) -> str:
        """As a sentence, with what helps."""
        return (
            f"the broker sent {self}, which another program has subscribed under this client_id: "
            "write one that no other program has used, or end its session at the broker"
        )
