"""How the tables of this folder write types, and our OpenAPI document read into the same form.

"string" "integer" "number" "boolean" "any" "bytes"     what they say
"R|Python"                                              one of these strings
"…?"                                                    or null; for the others `Nullable(…)`
[type]                                                  an array
{"name": type, "other?": type}                          an object, its keys in this order;
                                                        with a question mark one may be absent
{"*": type}                                             an object with any keys
"^"                                                     the object around it once more
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Type = Any  # a str, list, dict or Nullable, as above


@dataclass(frozen=True)
class Nullable:
    """An array or object, or null."""

    type: Type


def text(kind: Type) -> str:
    """The type as text in which equal types, and only they, are equal."""
    return json.dumps(kind, indent=1, default=lambda nullable: {"?": nullable.type})


def described(schema: Mapping[str, Any], components: Mapping[str, Any]) -> Type:
    """The type that an OpenAPI 3.0 schema stands for."""
    return _described(schema, components, ())


def _described(
    schema: Mapping[str, Any], components: Mapping[str, Any], around: tuple[str, ...]
) -> Type:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return "^" if name in around else _described(components[name], components, (*around, name))
    found: Type
    choices = list(schema.get("oneOf", schema.get("allOf", [])))
    known = [
        each for each in choices if not each.get("$ref", "").endswith(("NullEnum", "BlankEnum"))
    ]
    if known:
        assert len(known) == 1, schema
        found = _described(known[0], components, around)
    elif "enum" in schema:
        found = "|".join(each for each in schema["enum"] if each)
    elif schema.get("type") == "array":
        found = [_described(schema["items"], components, around)]
    elif "properties" in schema:
        required = schema.get("required", [])
        found = {
            name if name in required else f"{name}?": _described(each, components, around)
            for name, each in schema["properties"].items()
        }
    elif schema.get("type") == "object":
        found = {"*": _described(schema.get("additionalProperties", {}), components, around)}
    elif schema.get("format") == "binary":
        found = "bytes"
    else:
        found = schema.get("type", "any")
    if not schema.get("nullable"):
        return found
    return f"{found}?" if isinstance(found, str) else Nullable(found)
