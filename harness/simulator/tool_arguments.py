"""Arguments for a tool call, made up from its JSON schema."""

from __future__ import annotations

from typing import Any

import msgspec

__all__ = ["example_arguments"]

_DEPTH = 8  # a schema may refer to itself


def example_arguments(schema: object) -> str:
    """Arguments that fit ``schema``, the ``parameters`` of a function, as JSON."""
    if not isinstance(schema, dict):
        return "{}"
    value = _example(schema, schema, _DEPTH)
    return msgspec.json.encode(value if isinstance(value, dict) else {}).decode()


def _example(schema: Any, root: dict[str, Any], depth: int) -> Any:
    """A value that fits ``schema``."""
    if not isinstance(schema, dict) or not depth:
        return None
    if isinstance(ref := schema.get("$ref"), str):
        return _example(_resolved(ref, root), root, depth - 1)
    for key in ("const", "default"):
        if key in schema:
            return schema[key]
    for key in ("enum", "examples", "anyOf", "oneOf", "allOf"):
        if isinstance(options := schema.get(key), list) and options:
            return (
                options[0] if key in ("enum", "examples") else _example(options[0], root, depth - 1)
            )
    return _by_type(schema, root, depth)


def _by_type(schema: dict[str, Any], root: dict[str, Any], depth: int) -> Any:
    kind = schema.get("type")
    match kind[0] if isinstance(kind, list) and kind else kind:
        case "object":
            fields = schema.get("properties")
            fields = fields if isinstance(fields, dict) else {}
            return {name: _example(field, root, depth - 1) for name, field in fields.items()}
        case "array":
            return [_example(schema.get("items", {}), root, depth - 1)]
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "boolean":
            return True
        case "null":
            return None
    return "tonight"


def _resolved(ref: str, root: dict[str, Any]) -> Any:
    """What ``#/$defs/Name`` refers to."""
    found: Any = root
    for name in ref.removeprefix("#/").split("/"):
        found = found.get(name) if isinstance(found, dict) else None
    return found
