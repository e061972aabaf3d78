"""The schemas of docs/schema, each with the common definitions among its own."""

import json


def load_schemas(docs):
    """By command; "" is a command line that names none."""
    common = json.loads((docs / "schema/common.json").read_text())["$defs"]
    schemas = {}
    for path in sorted((docs / "schema").glob("*.json")):
        if path.stem != "common":
            schema = json.loads(path.read_text().replace('"common.json#/', '"#/'))
            schema["$defs"] = {**common, **schema.get("$defs", {})}
            schemas["" if path.stem == "failure" else path.stem] = schema
    return schemas


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
