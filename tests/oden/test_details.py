"""Details of intervals as Oden's metadata: names become objects, everything else goes as it is."""

import json

from pydantic import JsonValue

from gateway.model import RECORD, StartInterval, UpdateInterval
from gateway.oden.payloads import DEFAULT, request_for

TARGET: JsonValue = {"metric_group": {"name": "Speed"}, "target_value": 42.5, "lsl": 40}


def test_target_and_attributes_of_a_run() -> None:
    """A target goes as the object that it is, attributes as plain values, the product by its name."""
    details: dict[str, JsonValue] = {"product": "FILM", "target": TARGET, "lot": "L1", "pilot": True}
    record = StartInterval("K", "L", 0.0, "RUN", 0, "A", details)
    assert RECORD.validate_json(RECORD.dump_json(record)) == record
    body = json.loads(request_for([record], "id", [None], DEFAULT).body)
    assert body["metadata"] == {"product": {"name": "FILM"}, "target": TARGET, "lot": "L1", "pilot": True}


def test_comment_and_counts_of_a_state() -> None:
    """Category and reason are objects with a name; the comment is text, counts are numbers."""
    record = UpdateInterval("K", "L", 0.0, "STATE", "I", 5, None, {"reason": "Jam", "comment": "x", "short_stops": 2})
    body = json.loads(request_for([record], "id", ["i"], DEFAULT).body)
    assert body["metadata"] == {"reason": {"name": "Jam"}, "comment": "x", "short_stops": 2}


def test_details_of_a_custom_interval_are_the_factorys_own() -> None:
    """Nothing in it is taken for a name that Oden knows."""
    record = StartInterval("K", "L", 0.0, "Operator", 0, "Ann", {"product": "FILM", "badge": 7})
    body = json.loads(request_for([record], "id", [None], DEFAULT).body)
    assert body["metadata"] == {"product": "FILM", "badge": 7}
