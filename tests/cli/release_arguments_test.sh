#!/usr/bin/env bash
# What `release --dry-run --json` tells as the arguments of a graft makes that very graft: every option of a plan, in
# the plan's order and spelling.
. "$(dirname "$0")/common.sh"

cp "$FIXTURES_DIR"/split/four-Q4_K_M-*.gguf .
cp "$MODELS_DIR/$TARGET" Model-Q4_K_M.gguf
cp "$FIXTURES_DIR/target-with-head.gguf" Old-Q4_K_M.gguf
cp "$MODELS_DIR/mtp-base-8L-BF16.gguf" donor.gguf
cp -r "$MODELS_DIR/hf-base-8L" base
cp donor.gguf ./-dash.gguf
echo '{{ "a template" }}' >'a b.jinja'
cat >PLAN.json <<'JSON'
{"schema_version": 1, "output_directory": "out",
 "defaults": {"donor": "donor.gguf", "options": {"head_type": "Q8_0", "set": ["general.tags=str[]:[\"a b\", \"c\"]"]}},
 "grafts": [
  {"target": "Model-Q4_K_M.gguf", "options": {"yarn": 2.50, "unset": ["general.name"], "set": ["x.y=f32:0.50"],
   "set_file": ["tokenizer.chat_template=a b.jinja"], "source_digests": true}},
  {"target": "Old-Q4_K_M.gguf", "output": "new.gguf", "options": {"replace": true, "head_type": "f16", "no_record": true}},
  {"target": "Model-Q4_K_M.gguf", "donor": "base", "output": "offset.gguf",
   "options": {"norm_offset": 1, "copy": "buffered", "no_cache": true, "allow_http": true}},
  {"target": "Model-Q4_K_M.gguf", "donor": "-dash.gguf", "output": "-o.gguf", "options": {"split_head": true}},
  {"target": "four-*.gguf", "output": "merged.gguf", "options": {"merge": true}},
  {"target": "four-*.gguf", "options": {"link": "copy", "strict": false}}]}
JSON
# Every option that a plan can have is in one of them, but a path to ggml, which has no effect here.
expect_exit 0 "$MTPGRAFT" release PLAN.json
expect_exit 0 "$MTPGRAFT" release --dry-run --json PLAN.json
python3 - "$STDOUT" "$MTPGRAFT" <<'PYTHON' || fail "the arguments make another graft"
import filecmp, json, subprocess, sys

for graft in json.load(open(sys.argv[1]))["result"]["grafts"]:
    arguments = graft["arguments"]
    place = arguments.index("-o") + 1
    alone = [argument for argument in arguments]
    alone[place] = arguments[place].replace("out/", "alone/")
    subprocess.run(["mkdir", "-p", "alone"], check=True)
    subprocess.run([sys.argv[2], *alone, "-q"], check=True)
    for file in graft["files"]:
        assert filecmp.cmp(file["path"], file["path"].replace("out/", "alone/"), shallow=False), file["path"]
PYTHON
