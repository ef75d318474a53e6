"""Oden's OpenAPI document as the tests need it: its endpoints, schemas and examples, and what can be checked against
them.

The document is not part of this project. ODEN_REFERENCE names the folder that holds it; without it these tests fail.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from ruamel.yaml.constructor import SafeConstructor

Node = dict[str, Any]
"""An object of the document."""


@dataclass(frozen=True, slots=True)
class Example:
    """One example of the document: of a request, or (`status` is given) of an answer."""

    path: str
    name: str
    value: Any
    status: str | None = None

    def __str__(self) -> str:
        return f"{self.path}: {self.name}"


def _reference() -> Path:
    folder = os.environ.get("ODEN_REFERENCE")
    if not folder:
        said = "is not set"
    elif not (Path(folder) / "oden-openapi.yaml").is_file():
        said = f"is {folder}, where there is no oden-openapi.yaml"
    else:
        return Path(folder)
    pytest.fail(
        f"The contract tests need Oden's OpenAPI document: ODEN_REFERENCE must name its folder, and {said}.",
        pytrace=False,
    )


@cache
def document() -> Node:
    """The document, as published. Whoever changes it takes a copy."""
    yaml = YAML(typ="safe", pure=True)
    yaml.constructor.add_constructor("tag:yaml.org,2002:timestamp", SafeConstructor.construct_yaml_str)
    with (_reference() / "oden-openapi.yaml").open(encoding="utf-8") as file:
        loaded: Node = yaml.load(file)
    return loaded


def overview() -> set[str]:
    """The endpoints (`object/action`) that the overview text lists."""
    text = (_reference() / "oden-api-readme.txt").read_text(encoding="utf-8")
    return set(re.findall(r"\*\*POST\*\* /v2/(\w+/\w+)", text))


def operations(source: Node | None = None) -> dict[str, Node]:
    """`object/action` -> what the document says of it, in the order of the document."""
    paths = (source or document())["paths"]
    return {path.removeprefix("/v2/"): methods["post"] for path, methods in paths.items()}


def examples() -> list[Example]:
    """Every example of the document, of requests and of answers."""
    found = []
    for path, operation in operations().items():
        bodies = [(None, operation["requestBody"])]
        bodies += [(status, resolved(document(), answer)) for status, answer in operation["responses"].items()]
        for status, body in bodies:
            given = body.get("content", {}).get("application/json", {}).get("examples", {})
            found += [Example(path, name, example["value"], status) for name, example in given.items()]
    return found


def request_examples() -> list[Example]:
    return [example for example in examples() if example.status is None]


def component_schemas() -> dict[str, Node]:
    """The named schemas, as published."""
    schemas: dict[str, Node] = document()["components"]["schemas"]
    return schemas


def resolved(source: Node, node: Any) -> Any:
    """`node`, or what it refers to."""
    while isinstance(node, Mapping) and "$ref" in node:
        target: Any = source
        for step in node["$ref"].removeprefix("#/").split("/"):
            target = target[step]
        node = target
    return node
