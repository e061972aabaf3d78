"""Checks outputs of --json against docs/schema and the exit codes of docs/json.md: validate_json.py DOCS DIRECTORY.

The directory has N.json, what was printed on stdout, or N.events, what --progress=json printed on stderr, or both, and
N.command, the exit code and the command line. Prints each offence; exit code 1 if there is one. With --complete it also says which fields and words of the schemas occurred
in no output; words after it are excused.
"""

import argparse
import json
import pathlib
import re
import sys

from schemas import load_schema, load_schemas, names_in

try:
    import jsonschema
except ImportError:
    sys.exit(f"{sys.executable} has no jsonschema 4.0 or later (Debian package python3-jsonschema)")


def load_exit_codes(docs):
    """The exit codes that each error.code may have, from the table in docs/json.md."""
    text = (docs / "json.md").read_text().split("| `error.code` | exit code |\n|---|---|\n")[1].split("\n\n")[0]
    codes = {}
    for row in text.splitlines():
        names, numbers = row.strip("|").split("|")
        allowed = {int(number) for number in re.findall(r"\d+", numbers)}
        codes |= {name: allowed for name in re.findall("`(.*?)`", names)}
    return codes


def parse(text):
    def refuse(word):
        raise ValueError(f"{word} is no JSON")

    if not text.isascii() or not text.endswith("}\n") or text.count("\n") != 1:
        raise ValueError("not one line of ASCII")
    output = json.loads(text, parse_constant=refuse)
    if list(output)[:3] != ["schema_version", "command", "ok"]:
        raise ValueError("begins with other fields")
    return output


def find_offence(output, command, code, validators, exit_codes):
    errors = list(validators[command].iter_errors(output))
    # A field that is wrong does not count as evaluated, which would be told instead of what is wrong in it.
    errors = [error for error in errors if error.validator != "unevaluatedProperties"] or errors
    if errors:
        error = jsonschema.exceptions.best_match(errors)
        return f"{error.json_path}: {error.message[:400]} (docs/schema/{command or 'failure'}.json)"
    if output["ok"] != (code == 0):
        return f"ok is {output['ok']}"
    if "error" in output:
        allowed = exit_codes[output["error"]["code"]]
    else:
        allowed = {0} if output["ok"] else {3} if output["command"] == "inspect" else {1}
    return None if code in allowed else f"docs/json.md has the exit codes {sorted(allowed)}"


def find_retry_offence(output):
    """That the hints that ask for another try, and no others, are of errors that are called retryable, as all are that
    a status or a signal makes so; docs/json.md has the rules."""
    if isinstance(output, list):
        return next(filter(None, map(find_retry_offence, output)), None)
    if not isinstance(output, dict):
        return None
    if "retryable" in output:
        status = output["http_status"] or 0
        asks = re.search("(^|; )(try again|run it again)", output["hint"] or "")
        passes = output["code"] == "interrupted" or status in (408, 425, 429) or status >= 500 and status not in (501, 505)
        if (asks or passes) and not output["retryable"]:
            return f"an error that is not called retryable: {output['message']}"
        if output["retryable"] and output["code"] in ("usage", "malformed", "unsupported", "incompatible"):
            return f"an error that is called retryable: {output['message']}"
    return find_retry_offence(list(output.values()))


def find_phase_offence(events):
    """That each phase begins, goes on and ends, in this order, and tells no more often than it should."""
    told = {}
    for event in events:
        phase, state = event["phase"], event["state"]
        last = told.get(phase)
        if (state == "begin") != (last is None):
            return f"'{phase}' has the state '{state}' after '{last and last['state']}'"
        if last and event["bytes_done"] < last["bytes_done"]:
            return f"'{phase}' goes back to {event['bytes_done']} bytes"
        if last and state == "running" and event.get("graft") == last.get("graft") and (
                event["seconds"] - last["seconds"] < 0.098):
            return f"'{phase}' tells twice within {event['seconds'] - last['seconds']:.3f} s"
        told[phase] = event
        if state == "end":
            del told[phase]
    return f"'{next(iter(told))}' does not end" if told else None


def find_event_offence(text, words, code, validator):
    """Of all that was printed on stderr with --progress=json."""
    if text and not text.endswith("\n"):
        return "a line is not complete"
    events = []
    for line in text.splitlines():
        if not line.isascii():
            return f"not ASCII: {line}"
        event = json.loads(line)
        if list(event)[:3] != ["schema_version", "event", "command"]:
            return f"begins with other fields: {line}"
        error = jsonschema.exceptions.best_match(validator.iter_errors(event))
        if error:
            return f"{error.json_path}: {error.message[:400]} (docs/schema/progress.json): {line}"
        events.append(event)
    errors = [event for event in events if event["event"] == "error"]
    if code > 1 and not errors and "--json" not in words and words[0] != "inspect":
        return "no event tells of the error"
    return find_retry_offence(events) or find_phase_offence([event for event in events if event["event"] == "progress"])


def found_in(output):
    """The names of fields, and all texts."""
    fields, texts = set(), {output} if isinstance(output, str) else set()
    for value in output.values() if isinstance(output, dict) else output if isinstance(output, list) else []:
        more = found_in(value)
        fields |= more[0]
        texts |= more[1]
    return (fields | set(output) if isinstance(output, dict) else fields), texts


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("docs", type=pathlib.Path)
    parser.add_argument("directory", type=pathlib.Path)
    parser.add_argument("--complete", nargs="*", metavar="EXCUSED")
    arguments = parser.parse_args()
    schemas = load_schemas(arguments.docs)
    for schema in schemas.values():
        jsonschema.Draft202012Validator.check_schema(schema)
    validators = {command: jsonschema.Draft202012Validator(schema) for command, schema in schemas.items()}
    exit_codes = load_exit_codes(arguments.docs)

    offences = []
    checked = set()
    seen_fields, seen_texts = {command: set() for command in schemas}, set()
    for path in sorted(arguments.directory.glob("*.json")):
        code, _, command_line = path.with_suffix(".command").read_text(errors="replace").partition(" ")
        text = path.read_bytes().decode(errors="replace")
        if (code, text) in checked:
            continue
        checked.add((code, text))
        try:
            output = parse(text)
            words = [word.removeprefix("--") for word in command_line.split()]
            command = next((word for word in words if word in schemas), "")
            offence = find_offence(output, command, int(code), validators, exit_codes) or find_retry_offence(output)
            fields, texts = found_in(output)
            seen_fields[command] |= fields
            seen_texts |= texts
        except ValueError as error:
            offence = str(error)
        if offence:
            offences.append(f"{offence}: exit code {code} of: {command_line}")
    validator = jsonschema.Draft202012Validator(load_schema(arguments.docs, "progress"))
    for path in sorted(arguments.directory.glob("*.events")):
        code, _, command_line = path.with_suffix(".command").read_text(errors="replace").partition(" ")
        try:
            text = path.read_bytes().decode(errors="replace")
            offence = find_event_offence(text, command_line.split()[1:], int(code), validator)
        except ValueError as error:
            offence = f"{error}: {text}"
        if offence:
            offences.append(f"{offence}: exit code {code} of: {command_line}")
    if arguments.complete is not None:
        words = set()
        for command, schema in schemas.items():
            schema["$defs"]["file_kind"] = {}  # of each kind there is a file in a test of its own
            if command != "graft":
                schema["$defs"].get("error", {}).get("properties", {}).pop("donors", None)  # nothing else takes any
            fields, more = names_in(schema)
            words |= more
            if command:
                missing = sorted(fields - seen_fields[command])
                offences += [f"no output of '{command}' has the field '{name}'" for name in missing]
        missing = sorted(words - seen_texts - set(arguments.complete))
        offences += [f"no output has the word '{word}'" for word in missing]
    for offence in offences:
        print(offence)
    sys.exit(1 if offences else 0)


if __name__ == "__main__":
    main()
