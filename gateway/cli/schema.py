"""`oden-gateway schema`: the configuration file as a JSON Schema, for editors."""

import argparse
import json

from gateway.config.json_schema import json_schema


def register(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command `schema`."""
    parser = commands.add_parser(
        "schema",
        help="print the JSON Schema of the configuration file, for editors",
        description="Prints the JSON Schema of the configuration file. An editor that knows YAML and JSON Schema then "
        "completes keys, shows what they mean, and marks what cannot be. `oden-gateway check` finds more.",
        epilog="example:\n  oden-gateway schema > gateway.schema.json\n"
        "  and as the first line of gateway.yaml:\n"
        "  # yaml-language-server: $schema=gateway.schema.json",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(call=_schema)


def _schema(_: argparse.Namespace) -> int:
    print(json.dumps(json_schema(), indent=1, ensure_ascii=False))
    return 0
