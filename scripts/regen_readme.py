#!/usr/bin/env python3
"""Runs the commands whose output README.md shows, and puts their true output there."""

import pathlib
import re
import subprocess

root = pathlib.Path(__file__).resolve().parent.parent
readme = root / "README.md"


def run(*command):
    return subprocess.run(command, cwd=root, check=True, stdout=subprocess.PIPE, text=True).stdout.strip("\n")


session = run("scripts/demo.sh")
session = session[session.index("$ mtpgraft"):session.rindex("\n\nThe program is")]
acceptance = run("node", "scripts/acceptance.mjs", "build/demo/Tiny-MTP-Q4_K_M.gguf", "--threads", "1")

text = readme.read_text()
for name, output in {"session": session, "acceptance": acceptance}.items():
    block = f"<!-- {name} -->\n```\n{output}\n```\n<!-- end -->"
    text, count = re.subn(rf"<!-- {name} -->.*?<!-- end -->", lambda _: block, text, flags=re.DOTALL)
    assert count == 1, name
readme.write_text(text)
