"""Prometheus' own tool reads the alert rules, and they fire when they should."""

import subprocess
from pathlib import Path

RULES = Path(__file__).parents[2] / "config" / "monitoring" / "alerts.yaml"

CASES = """
rule_files: [{rules}]
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series:
      - {{series: 'up{{job="oden-gateway", instance="a"}}', values: '1x20'}}
      - {{series: 'oden_gateway_taking_in{{instance="a"}}', values: '1x5 0x15'}}
      - {{series: 'oden_gateway_delivering{{instance="a"}}', values: '1x4 0x3 1x12'}}
      - {{series: 'oden_gateway_source_connected{{instance="a", source="plc"}}', values: '0x20'}}
      - {{series: 'oden_gateway_problem{{instance="a", kind="clock_wrong"}}', values: '1x20'}}
      - {{series: 'oden_gateway_problem{{instance="a", kind="oden_held"}}', values: '1x20'}}
      - {{series: 'oden_gateway_problem{{instance="a", kind="outbox_filling"}}', values: '1x20'}}
    alert_rule_test:
      - eval_time: 12m
        alertname: OdenGatewayNotTakingIn
        exp_alerts:
          - exp_labels: {{severity: critical, instance: a}}
            exp_annotations: {{summary: The gateway a takes nothing in}}
      - {{eval_time: 4m, alertname: OdenGatewayNotTakingIn, exp_alerts: []}}
      - {{eval_time: 12m, alertname: OdenGatewayNotDelivering, exp_alerts: []}}
      - eval_time: 12m
        alertname: OdenGatewaySourceAway
        exp_alerts:
          - exp_labels: {{severity: warning, instance: a, source: plc}}
            exp_annotations: {{summary: The source plc of a is away}}
      - eval_time: 12m
        alertname: OdenGatewayOutboxFilling
        exp_alerts:
          - exp_labels: {{severity: warning, instance: a, kind: outbox_filling}}
            exp_annotations: {{summary: The outbox of a has less than a fifth of its room left}}
      - eval_time: 12m
        alertname: OdenGatewayProblem
        exp_alerts:
          - exp_labels: {{severity: warning, instance: a, kind: clock_wrong}}
            exp_annotations: {{summary: 'The gateway a has a problem: clock_wrong'}}
      - {{eval_time: 12m, alertname: OdenGatewayDown, exp_alerts: []}}
"""


def test_the_rules_are_read_and_fire(tmp_path: Path) -> None:
    """What stands for its time fires, with its labels; what passes sooner does not."""
    subprocess.run(["promtool", "check", "rules", str(RULES)], check=True, capture_output=True)
    cases = tmp_path / "cases.yaml"
    cases.write_text(CASES.format(rules=RULES), encoding="utf-8")
    done = subprocess.run(["promtool", "test", "rules", str(cases)], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
