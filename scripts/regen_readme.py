#!/usr/bin/env python3
"""Runs the commands whose output README.md shows, and puts their true output there. Set MTPGRAFT_LLAMA_SERVER, or have
llama-server on PATH: the session ends with it."""

import pathlib
import re
import subprocess

root = pathlib.Path(__file__).resolve().parent.parent
readme = root / "README.md"


def run(*command):
    return subprocess.run(command, cwd=root, check=True, stdout=subprocess.PIPE, text=True).stdout.strip("\n")


session = run("scripts/demo.sh")
session = session[session.index("$ mtpgraft"):session.rindex("\n\nThe program is")]
assert "$ mtpgraft bench" in session, "no llama-server was found"

block = f"<!-- session -->\n```\n{session}\n```\n<!-- end -->"
text, count = re.subn(r"<!-- session -->.*?<!-- end -->", lambda _: block, readme.read_text(), flags=re.DOTALL)
assert count == 1
readme.write_text(text)
