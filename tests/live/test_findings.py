"""What is made of what was seen of a source, by itself: each kind of finding with its cure."""

from typing import Any

import pytest

from gateway.config.schema import Config
from gateway.live.findings import source_findings
from gateway.live.look import SourceLook
from gateway.live.tail import InputReading

pytestmark = pytest.mark.asyncio(loop_scope="module")

CONFIG = Config.model_validate(
    {
        "oden": {"token": "x"},
        "sources": {
            "plc": {"type": "opcua", "url": "opc.tcp://10.1.4.20"},
            "floor": {"type": "mqtt", "url": "mqtt://broker", "client_id": "edge-1"},
        },
        "lines": [
            {
                "factory": "A",
                "line": "L",
                "inputs": {
                    "tag": {"source": "plc", "node": "ns=2;s=L01.Tag", "counter": {}},
                    "event": {"source": "floor", "topic": "a/b"},
                    "metric": {"source": "floor", "device": "G/E/D", "metric": "Counts/Good"},
                },
            }
        ],
    },
    strict=False,
)


def look(source: str, **about: Any) -> SourceLook:
    given = {"connected": True, "detail": "connected", "failed": {}, "concerns": {}, **about}
    return SourceLook(source, "x", "none", **given)


@pytest.mark.parametrize(
    ("seen", "kind", "cure"),
    [
        ("what answers there does not speak OPC UA (x)", "not_opcua", "another service answers at 10.1.4.20"),
        ("but no OPC UA server has answered within 5 s", "no_answer", "see that 10.1.4.20 in `url` of plc is where"),
        ("the server asks for security: it offers Basic256Sha256/Sign", "security_wanted", "set `security` of plc"),
        ("the server does not offer Basic256Sha256/Sign: it offers none", "security_not_offered", "set `security`"),
        ("the gateway has no certificate in /p", "no_certificate", "sudo oden-gateway pki create --pki "),
        ("x; if the server does not trust the gateway, give it …", "gateway_not_trusted", "pki export"),
        ("the server's certificate is not trusted (plc, …", "server_not_trusted", "compare the thumbprint"),
        ("the server would have the password in clear", "clear_password", "set `security`"),
        ("cannot connect: … (BadUserAccessDenied)", "login_refused", "`username` and `password` of plc"),
        ("cannot connect: … (BadIdentityTokenRejected)", "login_refused", "`username` and `password` of plc"),
        ("cannot connect: Connection refused", "unreachable", "10.1.4.20 can be reached"),
    ],
)
async def test_why_a_server_is_not_reached(seen: str, kind: str, cure: str) -> None:
    [finding] = source_findings(look("plc", connected=False, detail=seen), CONFIG, 5.0, "", 0.0)
    assert (finding.kind, finding.level, finding.about) == (kind, "wrong", "plc")
    assert cure in finding.cure


@pytest.mark.parametrize(
    ("source", "about", "kind", "cure"),
    [
        ("plc", {"clock_ahead": 90.0}, "clock", "timestamps: arrival"),
        (
            "plc",
            {"concerns": {"certificate_expires": "x (ours) ends on …"}},
            "certificate_expires",
            "pki create --pki ",
        ),
        ("plc", {"concerns": {"watched_otherwise": "sampled …"}}, "watched_otherwise", "`sampling`"),
        ("plc", {"failed": {"ns=2;s=L01.Tag": "the server refuses it: BadNotReadable"}}, "not_readable", "read it"),
        ("plc", {"failed": {"ns=2;s=L01.Tag": "the tag holds a structure; …"}}, "structure", "`field: NAME`"),
        ("plc", {"failed": {"ns=2;s=L01.Tag": "uncertain for …"}}, "uncertain", "`uncertain: use`"),
        (
            "floor",
            {"failed": {"a/b": "the broker refuses it: not authorised"}},
            "topic_refused",
            "let the broker's user",
        ),
        ("floor", {"failed": {"a/b": "the broker grants only QoS 0, where …"}}, "topic_qos", "QoS 1 for a/b"),
        (
            "floor",
            {"failed": {"spBv1.0/G/E/D#Counts/Good": 'the device has no metric "x"'}},
            "metric_missing",
            "--births --match D",
        ),
        ("floor", {"failed": {"spBv1.0/G/E/D": "its edge node is offline"}}, "device_away", "browse floor --births"),
        ("floor", {"connected": False, "detail": "wrong user name or password"}, "login_refused", "`username`"),
        ("floor", {"connected": False, "detail": "it does not take this client_id"}, "client_refused", "edge-1"),
        (
            "floor",
            {"connected": False, "detail": "cannot connect: no MQTT is spoken there"},
            "not_mqtt",
            "`url` of floor",
        ),
        (
            "floor",
            {
                "connected": False,
                "detail": "cannot use the CA certificate /c: permission denied: the user x must be able to read it",
            },
            "file_unreadable",
            "let that user read it",
        ),
        ("floor", {"connected": False, "detail": "certificate verify failed"}, "tls", "set `ca` of floor"),
    ],
)
async def test_what_is_wrong_although_it_is_reached(source: str, about: dict[str, Any], kind: str, cure: str) -> None:
    findings = {str(each.kind): each for each in source_findings(look(source, **about), CONFIG, 5.0, "", 0.0)}
    assert cure in findings[kind].cure


async def test_a_topic_that_rests_is_no_fault() -> None:
    """Heard before, and not in these seconds, or never: it may speak seldom. A metric is told at birth."""
    before = InputReading("A/L", "event", "floor", "a/b", 1, "good", None, 100.0, known=True)
    findings = {each.about: each for each in source_findings(look("floor", readings=(before,)), CONFIG, 5.0, "", 160.0)}
    assert (findings["A/L event"].level, "60 s ago" in findings["A/L event"].text) == ("unheard", True)
    metric = findings["A/L metric"]
    assert (metric.level, metric.cure) == ("wrong", "oden-gateway browse floor --births --seconds 60")


@pytest.mark.parametrize(
    ("around", "said"),
    [
        (["a/B", "plant/hall/b/other", "c"], "nothing heard in 5 s; the broker has what is like it: a/B"),
        (["c/d", "e"], "nothing heard in 5 s; none of 2 topics at the broker is like it"),
        ([], "nothing heard in 5 s, nor of any other topic"),
        (None, "nothing heard in 5 s"),
    ],
)
async def test_a_silent_topic_is_told_with_what_is_like_it(around: list[str] | None, said: str) -> None:
    seen = source_findings(look("floor"), CONFIG, 5.0, "", 160.0, around)
    [finding] = [each for each in seen if each.about == "A/L event"]
    assert (finding.level, finding.text) == ("unheard", f"a/b: {said}")
