"""Writes what came of cases into their file, as what is expected of them from now on."""

import os
from collections.abc import Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq

from gateway.errors import GatewayError
from gateway.trial.cases import CaseResult


def accept(path: Path, results: Sequence[CaseResult]) -> None:
    """Let the cases of the file at `path`, of which these are the results in their order, expect what came where it was
    not as expected. All else in the file stays, with its comments. Raises GatewayError where it cannot be written.
    """
    yaml = YAML()
    yaml.width = 4096
    yaml.preserve_quotes = True
    try:
        cases = yaml.load(path.read_text(encoding="utf-8-sig"))
        for case, result in zip(cases if isinstance(cases, list) else [cases], results, strict=True):
            if result.differences:
                case["expect"] = CommentedSeq([_flow({request.path: request.body}) for request in result.came])
        text = StringIO()
        yaml.dump(cases, text)
        beside = path.with_name(f".{path.name}.new")
        beside.write_text(text.getvalue(), encoding="utf-8")
        os.replace(beside, path)  # noqa: PTH105 - as everywhere that a file is replaced
    except OSError as error:
        raise GatewayError(f"{path} cannot be written: {error.strerror}") from None


def _flow(value: Mapping[str, Any]) -> CommentedMap:
    made = CommentedMap(value)
    made.fa.set_flow_style()
    return made
