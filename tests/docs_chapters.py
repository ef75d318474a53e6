"""The commands of the README and docs/ that are typed as they stand, what each says and how it ends: by chapters, each
typed in its order in one folder.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Typed:
    """A command as a page has it; something that it says, and how it ends. One that goes on is left to."""

    command: str
    says: str = ""
    code: int = 0
    goes_on: bool = False


TRYING = (
    Typed("oden-gateway browse opc.tcp://10.1.4.20:4840", "L01.State"),
    Typed("oden-gateway browse mqtt://broker.plant-a.local --seconds 60", "events/note"),
    Typed("oden-gateway browse -c gateway.yaml press_plc --from /Objects/2:Press --match good", "Good"),
    Typed("oden-gateway check -c gateway.yaml --live", "press_plc"),
    Typed("oden-gateway tail -c gateway.yaml", "state"),
    Typed("oden-gateway tail -c gateway.yaml floor --for 1m --json"),
    Typed("oden-gateway record -c gateway.yaml monday.jsonl --for 8h", "samples in"),
    Typed("oden-gateway replay -c gateway.yaml monday.jsonl > monday.txt"),
    Typed("oden-gateway replay -c gateway.yaml monday.jsonl --expect monday.txt"),
    Typed('oden-gateway explain --last "Line 01"', "Line 01"),
    Typed('oden-gateway explain -c gateway.yaml --recording monday.jsonl --last "Line 01"', "Line 01"),
    Typed("oden-gateway test -c gateway.yaml", "an order starts a run"),
    Typed("oden-gateway test -c gateway.yaml --accept"),
    Typed("oden-gateway check --live", "press_plc"),
    Typed("oden-gateway check --expanded", "press_plc"),
    Typed("oden-gateway check --json", '"lines"'),
    Typed("oden-gateway check --strict", "is right"),
    Typed("oden-gateway replay --json", "interval/set"),
    Typed("oden-gateway check -c FILE", "is right"),
)
"""docs/trying.md and docs/templates.md, beside a running gateway."""
OPERATIONS = (
    Typed("oden-gateway outbox list"),
    Typed("oden-gateway outbox list --where dead"),
    Typed("oden-gateway outbox list --where unsettled"),
    Typed("oden-gateway outbox list --where again"),
    Typed("oden-gateway outbox list --where deleted"),
    Typed("oden-gateway outbox stats", "records"),
    Typed("oden-gateway outbox pause"),
    Typed("oden-gateway outbox resume"),
    Typed("oden-gateway outbox retry --all"),
    Typed("oden-gateway outbox retry --where unsettled"),
    Typed("oden-gateway outbox verify"),
    Typed("oden-gateway outbox backup FILE"),
    Typed("oden-gateway clock show", "NTP"),
    Typed("oden-gateway clock accept"),
    Typed("oden-gateway rejects list", "events/order"),
    Typed("oden-gateway rejects show 17", "not JSON at all"),
    Typed("oden-gateway check && sudo systemctl reload oden-gateway"),
    Typed("oden-gateway rejects replay --topic orders", "1 stays", 1),  # nothing was mended
    Typed("oden-gateway call --list", "line/search"),
    Typed(
        """oden-gateway call line search --body '{"factory": {"name": "Factory A"}, "match": "all"}'""",
        "Line 01",
    ),
    Typed("""oden-gateway call line search --body '{"match": "all", …}'""", "Line 01"),
    Typed("oden-gateway call interval set --body @run.json --json", "id"),
    Typed("oden-gateway call oql query --body @query.json --format csv", "4711"),
    Typed("oden-gateway call OBJECT ACTION --body …", "Line 01"),
    Typed("sudo oden-gateway pki create"),
    Typed("sudo oden-gateway pki trust THUMBPRINT --pki /var/lib/oden-gateway/pki", "no certificate", 1),
    Typed("oden-gateway pki export > oden-gateway.pem"),
    Typed("sudo oden-gateway support-bundle", ".tar.gz"),
    Typed("tar -xzf"),
    Typed("openssl rand -hex 16"),
    Typed("date -u"),
    Typed("df -h"),
    Typed("kill -HUP"),
    Typed("oden-gateway version", "oden-gateway"),
)
"""docs/operations.md, docs/oden-client.md and docs/opcua.md, beside the same gateway."""
LETTERS = (
    Typed("oden-gateway outbox export --where dead > letters.jsonl"),
    Typed("oden-gateway outbox import letters.jsonl", "1 record will be sent as the file says"),
    Typed("oden-gateway outbox settle KEY --id ID", "is not unsettled: Oden refused it", 1),
    Typed("oden-gateway outbox recreate KEY", "was deleted at Oden: Oden refused it", 1),
    Typed("oden-gateway outbox drop KEY", "Dropped 1 dead letter"),
)
"""docs/operations.md, beside a gateway to which Oden has refused a run."""
LOG = (
    Typed("journalctl -u oden-gateway -p warning --since today", "payload_rejected"),
    Typed("""journalctl -u oden-gateway -o cat | grep '"event": "hour"'""", '"delivered": '),
    Typed("journalctl -u oden-gateway -o cat | grep -F plant-a/L01/events/order", "record_made"),
    Typed("journalctl -u oden-gateway -o cat | grep 01M8T5BGA8Q9AFMNK15H9ZZHAR", "request_answered"),
)
"""docs/log.md, of a gateway that has begun a run."""
SIMULATOR = (
    Typed("oden-gateway simulate oden --help", "--fault"),
    Typed("oden-gateway simulate oden --port 8400 --ledger oden.jsonl", goes_on=True),
    Typed(
        'oden-gateway simulate oden --port 8400 --admin-port 8401 --fault "close commit=5 at=interval/set chance=20%"',
        goes_on=True,
    ),
    Typed("""curl -d '{"kind": "error", "status": 503, "times": 3}' http://127.0.0.1:8401/faults"""),
    Typed("curl http://127.0.0.1:8401/faults", "503"),
    Typed("curl -X DELETE http://127.0.0.1:8401/faults"),
    Typed("""curl -d '{"range": "start"}' http://127.0.0.1:8401/manners""", "start"),
    Typed("oden-gateway simulate plant --opcua-port 48400 --mqtt-port 18800 --at-once", goes_on=True),
    Typed("oden-gateway simulate plant --at-once", goes_on=True),
)
"""docs/simulator.md and docs/trying.md."""
FIRST = (
    Typed(
        "oden-gateway init --opcua opc.tcp://10.1.4.20:4840 --mqtt mqtt://broker.plant-a.local "
        '--factory "Factory A" --line "Line 01"',
        "gateway.yaml",
    ),
    Typed("oden-gateway browse -c gateway.yaml plc", "L01.State"),
    Typed("oden-gateway init", "gateway.yaml exists already", 1),
)
"""docs/trying.md and the README, in an empty folder."""
README = (
    Typed("git clone <this repository> oden-gateway && cd oden-gateway"),
    Typed("mkdir -p -m 700 my-plant/secrets && cp config/gateway.yaml my-plant/"),
    Typed("echo demo-token > my-plant/secrets/oden_token"),
    Typed(".venv/bin/oden-gateway check -c my-plant/gateway.yaml", "is right"),
    Typed(".venv/bin/oden-gateway simulate plant --opcua-port 48400 --mqtt-port 18800", goes_on=True),
    Typed(".venv/bin/oden-gateway simulate oden --port 8400 --ledger my-plant/requests.jsonl", goes_on=True),
    Typed(
        "ODEN_GATEWAY_ODEN__URL=http://127.0.0.1:8400/v2 ODEN_GATEWAY_OUTBOX__DIRECTORY=trial "
        "ODEN_GATEWAY_SOURCES__PRESS_PLC__URL=opc.tcp://127.0.0.1:48400 "
        "ODEN_GATEWAY_SOURCES__FLOOR__URL=mqtt://127.0.0.1:18800 .venv/bin/oden-gateway run -c my-plant/gateway.yaml",
        goes_on=True,
    ),
)
RESTORING = (Typed("oden-gateway outbox restore FILE"),)
"""docs/operations.md, once the gateway stands."""
CHAPTERS = {
    "trying": TRYING,
    "operations": OPERATIONS,
    "letters": LETTERS,
    "log": LOG,
    "simulator": SIMULATOR,
    "first": FIRST,
    "readme": README,
    "restoring": RESTORING,
}
