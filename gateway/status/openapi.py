"""What the page's server answers, as an OpenAPI document: for programs that read it, and for tests that go by it.

The shape of `/api/status` is taken from the snapshot's own types, with what `snapshot.as_json` makes of them.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

from pydantic import TypeAdapter

from gateway.status.actions import ACTIONS, HEADER, MOST_BODY, Asked
from gateway.status.snapshot import Snapshot, is_time

Schema = dict[str, Any]

_REF = "#/components/schemas/{model}"
_TIME: Schema = {"type": ["string", "null"], "format": "date-time"}
_REQUESTS: Schema = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {
            **{key: {"type": "string"} for key in ("object", "action", "outcome")},
            "count": {"type": "integer"},
        },
        "required": ["object", "action", "outcome", "count"],
    },
}
_ACTED: Schema = {"type": "object", "description": "What came of it, as `oden-gateway outbox` has it."}
_ERROR: Schema = {"type": "object", "properties": {"error": {"type": "string"}}, "required": ["error"]}
_SINCE: Schema = {"name": "since", "in": "query", "schema": {"type": "number"}, "description": "Seconds since 1970."}
_KEY: Schema = {
    "name": "key",
    "in": "query",
    "required": True,
    "schema": {"type": "string"},
    "description": "Of a line.",
}
_SINCE_REVISION: Schema = {
    "name": "since",
    "in": "query",
    "schema": {"type": "integer"},
    "description": "The revision that is known; without it everything is told.",
}
_KEYS: Schema = {"name": "key", "in": "query", "schema": {"type": "array", "items": {"type": "string"}}}
_ACTION: Schema = {
    "name": "action",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "enum": [*ACTIONS]},
}
_LOCKED = "With a `status.token`, and not without it."
_OTHER_NAME = "The name in the address is not one of the gateway's (`status.hosts`)."


@cache
def document() -> Schema:
    """The whole."""
    shapes = _shapes()
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "oden-gateway",
            "version": "1",
            "summary": "The status page of the gateway, and what stands beside it.",
            "description": "What is read needs the token of `status.token` where there is one; an action needs that "
            f"of `status.actions_token` in {HEADER}.",
        },
        "security": [{}, {"bearer": []}, {"basic": []}],
        "paths": {
            "/": {"get": _page("The status page.")},
            "/wall": {"get": _page("The page for a screen in the hall.")},
            "/api/openapi.json": {"get": _reads("This document.", schema={"type": "object"})},
            "/api/status": {"get": _reads("Everything that the page shows.", schema=_ref("Snapshot"))},
            "/api/line": {
                "get": _reads(
                    "One line, with its inputs.",
                    schema=_ref("LineStatus"),
                    asks=[_KEY],
                    absent="There is no such line.",
                )
            },
            "/api/timeline": {
                "get": _reads(
                    "By line, its states and runs of the last hours, or what of them has changed since a revision.",
                    schema=_timelines(),
                    asks=[_KEYS, _SINCE_REVISION],
                    others={"400": "`since` is no whole number."},
                )
            },
            "/api/trend": {
                "get": _reads(
                    "By minute: when it began, records that waited, requests, seconds to drain (null: not draining).",
                    schema={"type": "array", "items": {"type": "array", "items": {"type": ["number", "null"]}}},
                    asks=[_SINCE],
                    others={"400": "`since` is no number."},
                )
            },
            "/api/changes": {
                "get": _reads(
                    "What the page shows, then what of it changes, as server-sent events, without end.",
                    "text/event-stream",
                    others={"503": "Too many pages are open."},
                )
            },
            "/api/actions": {
                "get": _reads(
                    "What can be done from here.",
                    schema={
                        "type": "object",
                        "properties": {
                            "actions": {"type": "array", "items": {"type": "string"}},
                            "why_not": {"type": ["string", "null"]},
                        },
                        "required": ["actions", "why_not"],
                    },
                )
            },
            "/api/actions/{action}": {"post": _acts()},
            "/healthz": {"get": _probe("Whether the process turns.", "It does not; the text says what hangs.")},
            "/readyz": {"get": _probe("Whether data are taken in and delivered.", "Not; the text says why.")},
            "/metrics": {"get": _reads("For Prometheus.", "text/plain")},
        },
        "components": {
            "schemas": shapes,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "basic": {"type": "http", "scheme": "basic", "description": "The token as password of any user."},
                "actions": {"type": "apiKey", "in": "header", "name": HEADER},
            },
        },
    }


def _ref(name: str) -> Schema:
    return {"$ref": _REF.format(model=name)}


def _answer(text: str, content_type: str, schema: Schema | None = None) -> Schema:
    return {"description": text, "content": {content_type: {"schema": schema or {"type": "string"}}}}


def _reads(
    summary: str,
    content_type: str = "application/json",
    schema: Schema | None = None,
    asks: list[Schema] | None = None,
    others: Mapping[str, str] | None = None,
    absent: str | None = None,
) -> Schema:
    refused = {"401": _LOCKED, "421": _OTHER_NAME} | dict(others or {})
    return {
        "summary": summary,
        "parameters": asks or [],
        "responses": {
            "200": _answer(summary, content_type, schema),
            **{status: _answer(text, "text/plain") for status, text in refused.items()},
            **({"404": _answer(absent, "application/json", _ERROR)} if absent else {}),
        },
    }


def _page(summary: str) -> Schema:
    page = _reads(summary, "text/html")
    page["responses"]["304"] = {"description": "The one that the browser has (`If-None-Match`).", "content": {}}
    return page


def _probe(summary: str, otherwise: str) -> Schema:
    return {
        "summary": summary,
        "security": [],
        "responses": {
            "200": _answer(summary, "text/plain"),
            "421": _answer(_OTHER_NAME, "text/plain"),
            "503": _answer(otherwise, "text/plain"),
        },
    }


def _acts() -> Schema:
    refused = {
        "400": "The body does not say what is to be done, or with which records.",
        "401": "The token of `status.actions_token` is missing, or another.",
        "403": "Nothing can be changed by this way, or not by this page.",
        "404": "There is no such action.",
        "409": "It cannot be done, and nothing was.",
        "413": f"More than {MOST_BODY} bytes.",
        "415": "The body is not said to be JSON.",
    }
    plain = {"401": _LOCKED, "421": _OTHER_NAME}
    answers = {status: _answer(text, "application/json", _ERROR) for status, text in refused.items()}
    for status, text in plain.items():
        answers.setdefault(status, {"description": text, "content": {}})["content"]["text/plain"] = {
            "schema": {"type": "string"}
        }
    return {
        "summary": "Do what `oden-gateway outbox` does.",
        "security": [{"actions": []}],
        "parameters": [_ACTION],
        "requestBody": {"required": True, "content": {"application/json": {"schema": Asked.model_json_schema()}}},
        "responses": {"200": _answer("It is done.", "application/json", _ACTED), **answers},
    }


def _timelines() -> Schema:
    span = {
        "type": "object",
        "properties": {
            "type": {"type": "string"},
            **{name: {"type": ["string", "null"]} for name in ("name", "about", "reason")},
            **{name: {"type": "integer"} for name in ("number", "start")},
            "end": {"type": ["integer", "null"]},
        },
        "required": ["number", "type", "start", "end"],
    }
    lines = {"type": "object", "additionalProperties": {"type": "array", "items": span}}
    return {
        "type": "object",
        "properties": {"revision": {"type": "integer"}, "lines": lines},
        "required": ["revision", "lines"],
    }


def _shapes() -> Schema:
    whole = TypeAdapter(Snapshot).json_schema(ref_template=_REF, mode="serialization")
    shapes: Schema = whole.pop("$defs")
    shapes["Snapshot"] = whole
    for shape in shapes.values():
        shape.pop("description", None)  # of the program's own type
        for name, said in shape.get("properties", {}).items():
            shape["properties"][name] = _as_sent(name, said)
        shape["required"] = [*shape.get("properties", {})]
    properties = whole["properties"]
    properties |= {"healthy": {"type": "boolean"}, "headline": {"type": "string"}}
    properties["problem_details"] = properties["problems"]
    properties["problems"] = {"type": "array", "items": {"type": "string"}}
    whole["required"] = [*properties]
    return shapes


def _as_sent(name: str, said: Schema) -> Schema:
    """What `snapshot.as_json` makes of a field."""
    if is_time(name):
        return _TIME
    if name == "requests" and said.get("type") == "object":
        return _REQUESTS
    if name == "value":
        return {}
    if said.get("type") == "number":
        return {"type": ["number", "null"]}
    return {key: value for key, value in said.items() if key not in {"default", "title"}}
