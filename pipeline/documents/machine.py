"""For machines: JSON Schema of what travels, and the AsyncAPI 3 description of the topics."""

import json
from typing import Any

from schemas.topics import TOPICS, topic_name
from schemas.wire.aggregates import Aggregate
from schemas.wire.corrections import correction_schema
from schemas.wire.envelope import raw_event_schema
from schemas.wire.ledger import ledger_schema
from schemas.wire.rejections import rejection_schema

__all__ = ["asyncapi", "json_schemas"]

_PAYLOADS = {
    "raw": "raw-event",
    "aggregates": "aggregate",
    "rejected": "rejected",
    "ledger": "ledger",
    "corrections": "correction",
}
"""Topics whose values are JSON; the others hold MessagePack between the workers."""


def _schemas() -> dict[str, dict[str, Any]]:
    return {
        "raw-event": raw_event_schema(),
        "aggregate": Aggregate.model_json_schema(),
        "rejected": rejection_schema(),
        "ledger": ledger_schema(),
        "correction": correction_schema(),
    }


def _text(content: object) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def json_schemas() -> dict[str, str]:
    """Name to JSON Schema."""
    return {name: _text(schema) for name, schema in _schemas().items()}


def asyncapi() -> str:
    """The AsyncAPI 3.0.0 document: a channel a topic, an operation for each program that writes or reads it."""
    channels: dict[str, Any] = {}
    operations: dict[str, Any] = {}
    for short, spec in TOPICS.items():
        payload = _PAYLOADS.get(short)
        message: dict[str, Any] = {
            "title": spec.value,
            "contentType": "application/json" if payload else "application/msgpack",
        }
        if payload:
            message["payload"] = {"$ref": f"schemas/{payload}.schema.json"}
        channels[short] = {
            "address": topic_name("footfall", short),
            "description": f"Key: {spec.key}. Value: {spec.value}. {spec.policy}. Zone: {spec.zone.value}.",
            "messages": {short: message},
            "bindings": {"kafka": {"topicConfiguration": dict(spec.config), "bindingVersion": "0.5.0"}},
        }
        for action, programs in (("send", spec.writers), ("receive", spec.readers)):
            for program in programs:
                operations[f"{program}-{action}-{short}"] = {
                    "action": action,
                    "channel": {"$ref": f"#/channels/{short}"},
                    "summary": f"{program} {'writes to' if action == 'send' else 'reads'} {spec.suffix.strip('.')}",
                }
    return _text(
        {
            "asyncapi": "3.0.0",
            "info": {
                "title": "Footfall",
                "version": "1.0.0",
                "description": "Usage events in, exact figures per company out; nothing personal leaves raw.",
            },
            "defaultContentType": "application/json",
            "channels": channels,
            "operations": operations,
        }
    )
