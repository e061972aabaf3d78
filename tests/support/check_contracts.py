"""Compares what --help, man page, schemas and documents promise: check_contracts.py MTPGRAFT SOURCES.

`mtpgraft --help` leads. Prints what is missing or too much, and where; exit code 1 if there is anything.
"""

import pathlib
import re
import subprocess
import sys

from schemas import load_schema, load_schemas, names_in

program, sources = sys.argv[1], pathlib.Path(sys.argv[2])
offences = []


def compare(where, what, expected, found):
    offences.extend(f"{where}: lacks the {what} {name}" for name in sorted(expected - found))
    offences.extend(f"{where}: has the {what} {name}, which is not there" for name in sorted(found - expected))


def read(path):
    return (sources / path).read_text()


def section(text, start, end):
    """What is between two lines that match; all to the end if the second does not."""
    found = re.search(rf"^{start}\n(.*?)(?=^{end}|\Z)", text, re.S | re.M)
    return found.group(1) if found else ""


def find_options(text):
    return set(re.findall(r"(?<![\w-])--?[a-zA-Z][a-z-]*", text))


def help_of(*command):
    return subprocess.run([program, *command, "--help"], check=True, capture_output=True, text=True).stdout


def options_of(help_text):
    rows = re.findall(r"^  (-\S+)", section(help_text, "Options:", r"\n"), re.M)
    return set().union(*(find_options(row.split("[")[0]) for row in rows))


top = help_of()
commands = set(re.findall(r"^  (\w+)", section(top, "Subcommands:", r"\n"), re.M))
options = {command: options_of(help_of(command)) for command in commands}
exit_codes = dict(re.findall(r"^  (\d|\d[\d, ]+\d) +(\S.*)", section(top, "Exit codes:", r"\n"), re.M))


def check_exit_codes():
    table = section(read("README.md"), r"\| exit code \| meaning \|", r"\n")
    readme = dict(re.findall(r"^\| ([\d, ]+) \| (.*) \|$", table, re.M))
    rows = section(read("docs/mtpgraft.1"), r"\.Sh EXIT STATUS", r"\.Sh").split(".It ")[1:]
    man = {code: " ".join(text.removesuffix("\n.El\n").split()) for code, text in (row.split("\n", 1) for row in rows)}
    for where, codes in (("README.md", readme), ("docs/mtpgraft.1", man)):
        compare(where, "exit code", {f"{code}: {text}" for code, text in exit_codes.items()},
                {f"{code}: {text}" for code, text in codes.items()})


def options_of_items(text):
    items = re.findall(r"^\.It (Fl .*)", text, re.M)
    return {f"-{name}" for item in items for name in re.findall(r"\bFl (-?[\w-]+)", item)}


def check_man_page():
    text = read("docs/mtpgraft.1")
    found = {command: set() for command in commands}
    headings = set()
    for part in text.split("\n.Ss ")[1:]:
        heading, body = part.split("\n", 1)
        first = heading.split()[0]
        if first != "Options":
            headings.add(first)
        named = set(re.findall(r"\w+", heading)) & commands
        if "every command" in heading:
            named = commands - named
        for command in named:
            found[command] |= options_of_items(body.split("\n.Sh ")[0])
    compare("docs/mtpgraft.1", "command", commands, headings)
    for command in commands:
        compare(f"docs/mtpgraft.1, {command}", "option", options[command], found[command])
    own = options_of_items(section(text, r"\.Sh DESCRIPTION", r"\.Sh"))
    compare("docs/mtpgraft.1, DESCRIPTION", "option", options_of(top), own)


def words_of(text):
    """The parts of what stands in backticks and can be a field or a word, but options and files."""
    quoted = re.findall(r"`((?:-[A-Z]|[A-Za-z])[\w.-]*)`", text)
    return {word for name in quoted if not name.endswith(".json") for word in name.split(".")}


def listed_kinds():
    """How many the enumeration has."""
    body = re.sub("//.*", "", section(read("include/mtpgraft/file_kind.h"), r"enum class FileKind \{", r"\}"))
    return len(re.findall(r"\bk[A-Z]\w*", body))


def check_json():
    page = read("docs/json.md")
    intro, *parts = page.split("\n## ")
    sections = dict(part.split("\n", 1) for part in parts)
    schemas = load_schemas(sources / "docs")
    # `mtpgraft --version --json` answers too.
    answering = {command for command in commands if "--json" in options[command]} | {"version"}
    compare("docs/schema", "file for", answering | {""}, set(schemas))
    compare("docs/json.md", "command", answering, words_of(section(intro, r"\| field \| \|", r"\n")) & (commands | {"version"}))
    compare("docs/json.md", "section", answering, set(sections) - {"Example", "Progress events", "Retryable errors", "File kinds", "Remedies", "Warning ids"})

    ids = set(schemas["graft"]["$defs"]["warning_id"]["enum"])
    kinds = set(re.findall(r'FileKind::k\w+, "([^"]+)"', read("src/util/file_kind.cc")))
    compare("docs/schema/common.json", "file kind", kinds, set(schemas["graft"]["$defs"]["file_kind"]["enum"]))
    compare("docs/json.md", "file kind", kinds, set(re.findall("`(.*?)`", sections["File kinds"])))
    compare("src/util/file_kind.cc", "number of kinds", {str(listed_kinds())}, {str(len(kinds))})
    known = {}
    for name, schema in schemas.items():
        schema["$defs"]["warning_id"] = schema["$defs"]["file_kind"] = {}
        known[name] = set().union(*names_in(schema))
    for name in answering & set(schemas) & set(sections):
        # What is the same as for graft is told there.
        shared = name in ("extract", "strip", "release")
        told = words_of(sections[name])
        named = told | words_of(intro) | (words_of(sections["graft"]) if shared else set())
        compare(f"docs/json.md, {name}", "name", known[name], named & known[name])
        compare(f"docs/schema/{name}.json", "name",
                told - commands - (known["graft"] if shared else set()) - known[name], set())
    compare("docs/schema", "name", words_of(intro) - commands - set().union(*known.values()), set())
    table = read("src/report/remedy.cc")
    compare("docs/json.md", "field or remedy",
            set(re.findall(r'Remedy::k\w+,\s*"([a-z-]+)"', table)) | set(
                re.findall(r'RequestField::k\w+, "[^"]+", "(\w+)"', table)),
            words_of(sections["Remedies"]) - {"field"})
    events = load_schema(sources / "docs", "progress")
    for name in ("warning_id", "error"):
        events["$defs"][name] = {}
    told = words_of(re.sub("    .*\n", "", sections["Progress events"]))
    compare("docs/json.md, Progress events", "name", set().union(*names_in(events)), told - {"release"})
    current, removed = sections["Warning ids"].split("Removed")
    compare("docs/json.md", "warning id", ids, words_of(current))
    compare("docs/json.md", "removed warning id", set(), words_of(removed) & ids)
    code = "".join(path.read_text() for path in (sources / "src").rglob("*.cc"))
    compare("docs/schema/common.json", "warning id",
            set(re.findall(r'(?:(?:warnings_?\.push_back|log_warning)\(\s*\{\s*|return \{\{(?="[^"]+", fmt))"([^"]+)"', code)), ids)


check_exit_codes()
check_man_page()
check_json()
for offence in offences:
    print(offence)
sys.exit(1 if offences else 0)
