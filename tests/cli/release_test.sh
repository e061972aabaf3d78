#!/usr/bin/env bash
# A release makes of several quants, with heads of their own types, all that a publisher uploads, and writes it once.
. "$(dirname "$0")/common.sh"
. "$TEST_DIR/release.sh"

make_release one
cd one

# A dry run tells how each graft is made alone, and makes nothing.
expect_exit 0 "$MTPGRAFT" release PLAN.json --dry-run
sed -i 's/[0-9.]* MiB needed$/NEED needed/' "$STDOUT"  # less where bodies are cloned
expect_stdout <<'TEXT'
target                   donor                     output                    head  size
quants/Tiny-Q6_K.gguf    heads/mtp-Base-BF16.gguf  out/Tiny-MTP-Q6_K.gguf    BF16  8.3 MiB  to be written
quants/Tiny-Q5_K_M.gguf  heads/mtp-Base-Q8_0.gguf  out/Tiny-MTP-Q5_K_M.gguf  Q8_0  7.4 MiB  to be written
quants/Tiny-Q4_K_M.gguf  heads/mtp-Base-Q4_K.gguf  out/Tiny-MTP-Q4_K_M.gguf  Q4_K  7.0 MiB  to be written
dry run: nothing was written; 3 outputs to be written; NEED needed
dry run: of the head's values only norms and biases were looked at; the others are before a byte is written
TEXT
expect_exit 0 "$MTPGRAFT" release PLAN.json --dry-run --json
expect_json "x['ok'] and [graft['present'] for graft in x['result']['grafts']] == [False] * 3"
expect_json "x['result']['grafts'][1]['arguments'] == ['graft', 'quants/Tiny-Q5_K_M.gguf', 'heads/mtp-Base-Q8_0.gguf', \
'-o', 'out/Tiny-MTP-Q5_K_M.gguf', '--strict', '--set=general.description=str:with its head']"
no_leftovers . PLAN.json heads quants

# Every output has the head of its donor, and what a user needs to check it.
expect_exit 0 "$MTPGRAFT" release PLAN.json --no-sync
expect_stdout <<'TEXT'
| file | quant | head | size |
|---|---|---|---:|
| Tiny-MTP-Q6_K.gguf | Q6_K | BF16 | 8.7 MB (8.3 MiB) |
| Tiny-MTP-Q5_K_M.gguf | Q5_K_M | Q8_0 | 7.8 MB (7.4 MiB) |
| Tiny-MTP-Q4_K_M.gguf | Q4_K_M | Q4_K | 7.3 MB (7.0 MiB) |
| total | | | 23.8 MB (22.7 MiB) |

To draft with the MTP head, for example:

    llama-server -m Tiny-MTP-Q6_K.gguf --spec-type draft-mtp --spec-draft-n-max 2

To check a download, with `SHA256SUMS` and the `.sums` files beside it, for example:

    sha256sum -c --ignore-missing SHA256SUMS
    mtpgraft verify Tiny-MTP-Q6_K.gguf -c Tiny-MTP-Q6_K.gguf.sums --exact --quiet
TEXT
expect_stderr <<'TEXT'
out/Tiny-MTP-Q6_K.gguf: written, 8.3 MiB
out/Tiny-MTP-Q5_K_M.gguf: written, 7.4 MiB
out/Tiny-MTP-Q4_K_M.gguf: written, 7.0 MiB
TEXT
no_leftovers out "${release_files[@]}"
check_release out
"${PYTHON_WITH_JSONSCHEMA:-python3}" -B - "$SOURCE_DIR" <<'PYTHON' || fail "release.json does not follow its schema"
import json, pathlib, sys
from jsonschema import Draft202012Validator
sources = pathlib.Path(sys.argv[1])
sys.path.insert(0, str(sources / "tests/support"))
from schemas import load_schema
schema = load_schema(sources / "docs", "files/release")
Draft202012Validator.check_schema(schema)
Draft202012Validator(schema).validate(json.load(open("out/release.json")))
PYTHON
python3 - <<'PYTHON' || fail "release.json tells something else"
import json, os
release = json.load(open("out/release.json"))
assert (release["schema_version"], release["tool"]) == (1, "mtpgraft")
assert [g["head"]["types"][0]["type"] for g in release["grafts"]] == ["BF16", "Q8_0", "Q4_K"]
assert [g["quant"] for g in release["grafts"]] == ["Q6_K", "Q5_K_M", "Q4_K_M"]
for graft, line in zip(release["grafts"], open("out/SHA256SUMS"), strict=True):
    file, = graft["files"]
    assert line == f"{file['sha256']}  {file['file']}\n"
    assert file["bytes"] == os.path.getsize("out/" + file["file"])
    for model in graft["target"], graft["donor"]:
        assert model["bytes"] == os.path.getsize(model["file"])
    assert (graft["head"]["first_block"], graft["head"]["blocks"], graft["head"]["tensors"]) == (12, 1, 15)
    assert graft["record"]["head"]["xxh128"] == graft["head"]["xxh128"]
    assert os.path.exists("out/" + graft["checksums"])
    assert graft["llama_server"] == f"llama-server -m {file['file']} --spec-type draft-mtp --spec-draft-n-max 2"
PYTHON

# A second run writes nothing and proves everything.
stamps out >before
expect_exit 0 "$MTPGRAFT" release PLAN.json --json
expect_json "[graft['state'] for graft in x['result']['grafts']] == ['skipped'] * 3"
stamps out | diff before - >&2 || fail "a second run wrote something"
