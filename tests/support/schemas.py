"""The schemas of docs/schema, each with the common definitions among its own."""

import json
import re


def load_schema(docs, name):
    common = json.loads((docs / "schema/common.json").read_text())["$defs"]
    text = (docs / f"schema/{name}.json").read_text()
    schema = json.loads(re.sub(r'"(\.\./)?common\.json#/', '"#/', text))
    schema["$defs"] = {**common, **schema.get("$defs", {})}
    return schema


def load_schemas(docs):
    """By command; "" is a command line that names none."""
    names = {path.stem for path in (docs / "schema").glob("*.json")} - {"common", "progress"}
    return {"" if name == "failure" else name: load_schema(docs, name) for name in sorted(names)}


def names_in(schema):
    """The names of fields, and the words that values can be, of all that the schema uses."""
    fields, words, seen = set(), set(), set()

    def visit(part):
        if isinstance(part, list):
            for item in part:
                visit(item)
        elif isinstance(part, dict):
            if isinstance(part.get("properties"), dict):
                fields.update(part["properties"])
            words.update(word for word in part.get("enum", []) if isinstance(word, str))
            reference = part.get("$ref")
            if reference and reference not in seen:
                seen.add(reference)
                visit(schema["$defs"][reference.removeprefix("#/$defs/")])
            for item in part.values():
                visit(item)

    visit({key: value for key, value in schema.items() if key != "$defs"})
    return fields, words
