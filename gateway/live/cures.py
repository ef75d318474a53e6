"""What `check --live` can find, by kind, and what mends it: tables from the words in which a source says what is wrong.
Pure."""

from collections.abc import Mapping, Sequence
from typing import Literal

FindingKind = Literal[
    "unreachable",
    "not_opcua",
    "no_answer",
    "security_wanted",
    "security_not_offered",
    "no_certificate",
    "file_unreadable",
    "gateway_not_trusted",
    "server_not_trusted",
    "certificate_other_host",
    "certificate",
    "certificate_revoked",
    "revocations_old",
    "user_certificate",
    "client_certificate",
    "clear_password",
    "login_refused",
    "client_twin",
    "client_refused",
    "not_mqtt",
    "tls",
    "source_unprotected",
    "certificate_expires",
    "watched_otherwise",
    "session_short",
    "source_waits",
    "clock",
    "not_running",
    "node_missing",
    "namespace_missing",
    "path_missing",
    "type_missing",
    "not_readable",
    "trigger_refused",
    "array",
    "structure",
    "uncertain",
    "uncertain_used",
    "bad_quality",
    "number_as_text",
    "field_missing",
    "no_value",
    "no_value_yet",
    "topic_refused",
    "topic_qos",
    "metric_missing",
    "no_birth",
    "host_away",
    "device_away",
    "not_received",
    "silent",
    "oden_unreachable",
    "oden_failed",
    "token_refused",
    "forbidden",
    "factory_unknown",
    "line_unknown",
    "interval_type_unknown",
    "quality_schema_unknown",
    "quality_schema_unverified",
    "states_unverified",
    "category_unverified",
    "reason_unverified",
    "budget",
]
"""The kinds of findings: what of a source, of an input, of Oden is not as it has to be."""

Case = tuple[str, FindingKind, str]
"""What a reason has in it, the kind of finding that it is, and its cure, with what is known filled in."""

_ANOTHER = (
    "sudo mv {pki}/own {pki}/own-before && sudo oden-gateway pki create --pki {pki}; "
    "then let the server trust what this prints: oden-gateway pki export --pki {pki}"
)
"""How the gateway gets another certificate of its own."""

_ONLY_YOU = "where only you may not, and the gateway may: sudo oden-gateway check{config} --live"

AWAY: Sequence[Case] = (
    ("does not speak OPC UA", "not_opcua", "correct `url` of {source}: another service answers at {host}"),
    (
        "no OPC UA server has answered",
        "no_answer",
        "see that {host} in `url` of {source} is where its OPC UA server listens (port 4840, as a rule); if it is, the "
        "server hangs: restart it",
    ),
    ("asks for security", "security_wanted", "set `security` of {source} to one of those"),
    ("does not offer", "security_not_offered", "set `security` of {source} to one of those"),
    ("has no certificate", "no_certificate", "sudo oden-gateway pki create --pki {pki}"),
    ("chown -R", "file_unreadable", f"run the command above; {_ONLY_YOU}"),
    ("must be able to read", "file_unreadable", f"let that user read it: sudo chown, or chmod; {_ONLY_YOU}"),
    ("the gateway's own certificate has expired", "certificate_expires", f"make another: {_ANOTHER}"),
    ("the gateway's own", "no_certificate", f"put it back, or make another: {_ANOTHER}"),
    (
        "if the server does not trust",
        "gateway_not_trusted",
        "let the server trust what this prints: oden-gateway pki export --pki {pki}",
    ),
    ("is not trusted (", "server_not_trusted", "compare the thumbprint with the server's, then run the command above"),
    (
        "another host than",
        "certificate_other_host",
        "write a name of the certificate's in `url` of {source}, or run the command above",
    ),
    ("its certificate says", "certificate", "let the server have another, with that URI"),
    ("the server's certificate", "certificate", "let the server have another; or this machine's clock is wrong"),
    ("was revoked by", "certificate_revoked", "let the server have another, which its authority has not revoked"),
    ("is out of date", "revocations_old", "put the authority's present list into {pki}/crl"),
    ("the user's certificate", "user_certificate", "correct `user_certificate` and `user_key` of {source}"),
    ("are not a certificate", "user_certificate", "correct `user_certificate` and `user_key` of {source}"),
    ("client certificate", "client_certificate", "set `certificate` and `key` of {source} to those that it trusts"),
    ("certificate has expired", "certificate", "let the broker have another; or this machine's clock is wrong"),
    ("certificate is not valid yet", "certificate", "let the broker have another; or this machine's clock is wrong"),
    ("certificate is for another", "certificate_other_host", "write a name of the certificate's in `url` of {source}"),
    (
        "no way to encrypt it",
        "clear_password",
        "let the server offer security, and set `security` of {source} to that; or let it take anybody, and leave "
        "`username` and `password` of {source} out",
    ),
    ("in clear", "clear_password", "set `security` of {source} to one of those, so that the password is encrypted"),
    ("BadUserAccessDenied", "login_refused", "{login}, or ask for the right"),
    ("BadIdentityToken", "login_refused", "{login}"),
    ("wrong user name or password", "login_refused", "{login}"),
    ("not authorised", "login_refused", "let the broker take the client_id and the user of {source}"),
    (
        "no requests for births",
        "no_birth",
        "let the broker take what the gateway publishes to NCMD topics; or set `client_id` of {source} to one that "
        "nobody else has, not {client}",
    ),
    ("another client has", "client_twin", "set `client_id` of {source} to one that nobody else has, not {client}"),
    ("client_id", "client_refused", "let the broker take the client_id {client}, and {client}-check for this look"),
    ("no MQTT is spoken", "not_mqtt", "correct `url` of {source}: another service answers at {host}"),
    (
        "speak TLS",
        "tls",
        "correct `url` of {source}: nothing at {host} speaks TLS; mqtt:// and ws:// do without",
    ),
    ("certificate", "tls", "set `ca` of {source} to the certificate that signed the broker's"),
)
"""Of a source that is not connected to; the first that fits counts."""

CONCERNS: Mapping[str, Sequence[Case]] = {
    "source_unprotected": (
        ("", "source_unprotected", "set `security` of {source}; `security: none` says that it is meant so"),
    ),
    "certificate_expires": (
        ("not used yet", "certificate_expires", "mend what it says: they are tried again each minute"),
        ("(ours)", "certificate_expires", f"make another: {_ANOTHER}"),
        (
            "",
            "certificate_expires",
            "let the server have another; where that is not trusted, this says the command that trusts it",
        ),
    ),
    "watched_otherwise": (
        (
            "",
            "watched_otherwise",
            "write what the server does as `publishing_interval`, `sampling`, `queue` or `deadband`, if it will do",
        ),
    ),
    "session_short": (
        ("", "session_short", "let the broker keep sessions for longer, or shorten `session_expiry` of {source}"),
    ),
    "source_waits": (("", "source_waits", "see what it waits for: oden-gateway outbox stats{config}"),),
}
"""Of a source that works, by what it is concerned about (`SourceHealth.concerns`)."""

NOT_RECEIVED: Sequence[Case] = (
    ("BadNodeIdUnknown", "node_missing", "oden-gateway browse{config} {source}{around}"),
    ("no namespace", "namespace_missing", "oden-gateway browse{config} {source} --depth 2"),
    ("no type of events", "type_missing", "correct `type` of {input}, or leave it out: then it takes all events"),
    ("at this path", "path_missing", "see how far it leads: oden-gateway browse{config} {source} --from {place}"),
    ("BadUserAccessDenied", "not_readable", "let the server's user of {source} read it"),
    ("BadNotReadable", "not_readable", "let the server's user of {source} read it"),
    ("`trigger: timestamp`", "trigger_refused", "`trigger: value` at {input}: this server knows no other"),
    ("array", "array", "write `index: 0` beside `node` of {input}, or the element that is meant"),
    ("structure", "structure", "write `field: NAME` beside `node` of {input}"),
    ("uncertain", "uncertain", "`uncertain: use` at {input}, if the last value of such a sensor is to count"),
    ("broker refuses", "topic_refused", "let the broker's user of {source} read {address}"),
    ("grants only QoS 0", "topic_qos", "let the broker grant QoS 1 for {address}"),
    ("no metric", "metric_missing", "oden-gateway browse{config} {source} --births{around}"),
    (
        "births are asked for",
        "no_birth",
        "let the broker take what the gateway publishes to the node's NCMD topic; "
        "where devices connect without the node, `node_birth: optional` at {source}",
    ),
    ("next birth is waited for", "no_birth", "`rebirth: auto` at {source}; or start the edge node anew"),
    (
        "edge nodes that wait for it",
        "host_away",
        "see that it is on; or correct `host_id` of {source}, or leave it out, if edge nodes wait for no such host",
    ),
    (
        "the device is offline",
        "device_away",
        "see that the device is on, and reached by its edge node; then this shows it: "
        "oden-gateway browse{config} {source} --births",
    ),
    ("edge node", "device_away", "oden-gateway browse{config} {source} --births --seconds 60"),
)
"""Of a tag, topic or device that is not received."""

NOT_A_VALUE: Sequence[Case] = (
    ("number: text", "number_as_text", "`number: text` at {input}"),
    ("uncertain", "uncertain", "`uncertain: use` at {input}, if such a value is to count"),
    ("has no field", "field_missing", "correct `field` of {input}: see what its messages say"),
)
"""Of a value that came and is none."""


def fitting(cases: Sequence[Case], reason: str, kind: FindingKind, cure: str) -> tuple[FindingKind, str]:
    """The kind and the cure of what `reason` says; `kind` and `cure` where none fits."""
    return next(((found, does) for words, found, does in cases if words in reason), (kind, cure))
