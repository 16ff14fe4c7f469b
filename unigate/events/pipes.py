"""Records from EventBridge Pipes: a bare list, without the event that is around them elsewhere.

Source: the Amazon EventBridge user guide, "Pipes sources", with an example event for each.
"""

from __future__ import annotations

from typing import Any

from unigate.http import json_object, json_text

from .kinds import kind_of

# The member of the event that has the messages of a queue or topic under its name.
_GROUPS = {"kafka": "records", "rabbitmq": "rmqMessagesByQueue"}
_OF_A_BATCH = ("eventSource", "eventSourceArn", "bootstrapServers")
_OF_KINESIS = (
    *("kinesisSchemaVersion", "partitionKey", "sequenceNumber", "data"),
    "approximateArrivalTimestamp",
)


def as_event(records: list[Any]) -> dict[str, Any]:
    """Return the event in which an event source mapping would pass records."""
    kind = kind_of(records)
    first = json_object(records[0]) if records else {}
    batch = {name: first[name] for name in _OF_A_BATCH if name in first}
    if kind == "activemq":
        return {**batch, "messages": records}
    if kind in _GROUPS:
        groups: dict[str, list[Any]] = {}
        for record in records:
            name = json_text(json_object(record).get("eventSourceKey")) or ""
            groups.setdefault(name, []).append(record)
        return {**batch, _GROUPS[kind]: groups}
    return {"Records": [as_record(record) for record in records]}


def as_record(record: Any) -> Any:
    """Return a record as event source mappings pass it: those of Kinesis have a member more."""
    if not (isinstance(record, dict) and "kinesisSchemaVersion" in record):
        return record
    rest = {name: value for name, value in record.items() if name not in _OF_KINESIS}
    return {**rest, "kinesis": {name: record[name] for name in _OF_KINESIS if name in record}}
