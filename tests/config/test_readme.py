"""The README's own example is a configuration that works."""

import re
import textwrap
from pathlib import Path

from gateway.cli.startup import read_config

ROOT = Path(__file__).parents[2]


def test_the_example_in_the_readme_is_right(tmp_path: Path) -> None:
    """What a person copies from the README passes the check, and is a shortened config/gateway.yaml."""
    (block,) = re.findall(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    example = tmp_path / "gateway.yaml"
    example.write_text(textwrap.dedent(block), encoding="utf-8")
    environment = {"ODEN_GATEWAY_SECRET_ODEN_TOKEN": "token"}
    shown, _ = read_config(example, environment)
    whole, _ = read_config(ROOT / "config" / "gateway.yaml", environment)
    assert shown.config.sources == whole.config.sources
    for name, given in shown.config.lines[0].inputs.items():
        assert given == whole.config.lines[0].inputs[name]
