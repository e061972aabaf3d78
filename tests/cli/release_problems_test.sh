#!/usr/bin/env bash
# All that is wrong with a plan is told at once, with its place in it, and then nothing is written.
. "$(dirname "$0")/common.sh"
. "$TEST_DIR/mounts.sh"
. "$TEST_DIR/release.sh"

# All problems at once, the worst one's exit code, and nothing written.
make_release bad
cat >bad/PLAN.json <<'JSON'
{"schema_version": 1, "output_directory": "quants",
 "grafts": [{"target": "heads/none.gguf", "donor": "heads/mtp-Base-BF16.gguf"},
            {"target": "heads/mtp-Base-Q4_K.gguf", "donor": "heads/mtp-Base-BF16.gguf", "output": "a.gguf"},
            {"target": "quants/Tiny-Q6_K.gguf", "donor": "heads/missing.gguf"},
            {"target": "quants/Tiny-Q5_K_M.gguf", "donor": "heads/mtp-Base-BF16.gguf", "options": {"head_type": "q9_9"}},
            {"target": "quants/Tiny-Q4_K_M.gguf", "donor": "heads/mtp-Base-BF16.gguf", "output": "Tiny-Q6_K.gguf"}]}
JSON
expect_exit 4 "$MTPGRAFT" release bad/PLAN.json
expect_stderr <<'TEXT'
mtpgraft: bad/heads/none.gguf: cannot open: No such file or directory (/grafts/0)
  hint: the folder 'bad/heads' has 'mtp-Base-BF16.gguf', 'mtp-Base-Q4_K.gguf' and 'mtp-Base-Q8_0.gguf'
mtpgraft: bad/heads/missing.gguf: cannot open: No such file or directory (/grafts/2)
  hint: the folder 'bad/heads' has 'mtp-Base-BF16.gguf', 'mtp-Base-Q4_K.gguf' and 'mtp-Base-Q8_0.gguf'
mtpgraft: bad/heads/mtp-Base-Q4_K.gguf: the target is a head without trunk (/grafts/1)
  hint: the model comes first, the head's donor second
mtpgraft: bad/PLAN.json: /grafts/3/options/head_type: q9_9: there is no such tensor type
  hint: f32, f16, bf16, q8_0; with ggml also q6_k, q5_k, q4_k and others (q4_k_m is a mixture of types)
mtpgraft: bad/quants/Tiny-Q6_K.gguf: is to be written, and is an input of the release
  hint: give the plan another output_directory, or the graft another output
mtpgraft: 5 problems; nothing was written
TEXT
expect_exit 4 "$MTPGRAFT" release bad/PLAN.json --json
expect_json "not x['ok'] and x['error']['code'] == 'io' and len(x['result']['problems']) == 5"
no_leftovers bad/quants Tiny-Q4_K_M.gguf Tiny-Q5_K_M.gguf Tiny-Q6_K.gguf
sed -i 's/"output"/"outputs"/' bad/PLAN.json
sed -i 's/"head_type": "q9_9"/"head_type": "q8_0", "copy": "x", "set": ["a.b=u32:1", "c"], "merge": true, "split_head": true/' bad/PLAN.json
expect_exit 4 "$MTPGRAFT" release bad/PLAN.json
expect_stderr <<'TEXT'
mtpgraft: bad/heads/none.gguf: cannot open: No such file or directory (/grafts/0)
  hint: the folder 'bad/heads' has 'mtp-Base-BF16.gguf', 'mtp-Base-Q4_K.gguf' and 'mtp-Base-Q8_0.gguf'
mtpgraft: bad/heads/missing.gguf: cannot open: No such file or directory (/grafts/2)
  hint: the folder 'bad/heads' has 'mtp-Base-BF16.gguf', 'mtp-Base-Q4_K.gguf' and 'mtp-Base-Q8_0.gguf'
mtpgraft: bad/PLAN.json: /grafts/1/outputs: there is no such field
  hint: did you mean output?
mtpgraft: bad/PLAN.json: /grafts/4/outputs: there is no such field
  hint: did you mean output?
mtpgraft: bad/PLAN.json: /grafts/3/options/set/1: 'c' is not KEY=TYPE:VALUE (for example qwen35.context_length=u32:262144)
mtpgraft: bad/PLAN.json: /grafts/3/options/copy: x not in {auto,buffered,clone,kernel}
mtpgraft: 6 problems; nothing was written
TEXT

# Hints fit a plan, not the command line of one graft.
cp "$FIXTURES_DIR/donor-wrong-width.gguf" bad/donor.gguf
# expect_refusal CODE FIELDS OPTIONS: of a plan with one graft; stderr is on stdin.
expect_refusal() {
  echo "{\"schema_version\": 1, $2
    \"grafts\": [{\"target\": \"quants/Tiny-Q6_K.gguf\", \"donor\": \"donor.gguf\", \"options\": {$3}}]}" >bad/PLAN.json
  expect_exit "$1" "$MTPGRAFT" release bad/PLAN.json
  expect_stderr
}
expect_refusal 4 '"output_directory": "PLAN.json",' '' <<'TEXT'
mtpgraft: bad/PLAN.json: /output_directory: is not a directory
mtpgraft: 1 problem; nothing was written
TEXT
expect_refusal 3 '' '"merge": true, "split_head": true' <<'TEXT'
mtpgraft: bad/PLAN.json: /grafts/0/options/merge: excludes split_head
mtpgraft: 1 problem; nothing was written
TEXT
expect_refusal 3 '' '' <<'TEXT'
mtpgraft: bad/quants/Tiny-Q6_K.gguf: the head of 'bad/donor.gguf' does not fit (/grafts/0)
  - embedding_length: target 256, donor 512
  hint: take the head from the model that the target was made from
mtpgraft: 1 problem; nothing was written
TEXT
cp "$SCRATCH/donor-Q8_0.gguf" bad/donor.gguf
expect_refusal 4 '"output_directory": "none/out",' '' <<'TEXT'
mtpgraft: bad/none/out: the directory 'bad/none' does not exist (/grafts/0)
  hint: make it first: mkdir -p bad/none, or give the plan another output_directory, or the graft another output
mtpgraft: 1 problem; nothing was written
TEXT
expect_exit 4 "$MTPGRAFT" release .
expect_stderr <<'TEXT'
mtpgraft: .: is a directory
  hint: name the plan, a JSON file
TEXT
rm -r bad

# An output that is an input under another name, and a list that is the plan.
make_release linked
mkdir linked/out
ln linked/heads/mtp-Base-BF16.gguf linked/out/Tiny-MTP-Q4_K_M.gguf
mv linked/PLAN.json linked/out/release.json
sed -i -e 's/"output_directory": "out"/"output_directory": "."/' -e 's#"\(quants\|heads\)/#"../\1/#g' linked/out/release.json
expect_exit 5 "$MTPGRAFT" release --force linked/out/release.json
expect_text "$STDERR" '^mtpgraft: linked/out/\./Tiny-MTP-Q4_K_M.gguf: is to be written, and is an input of the release$'
expect_text "$STDERR" '^mtpgraft: linked/out/\./release.json: is to be written, and is an input of the release$'
no_leftovers linked/out Tiny-MTP-Q4_K_M.gguf release.json
rm -r linked

# Each output alone would fit, all together do not.
if mount_fs tmpfs; then
  make_release full
  leave_room tmpfs 16000
  sed -i "s#\"output_directory\": \"out\"#\"output_directory\": \"$PWD/tmpfs/out\"#" full/PLAN.json
  expect_exit 4 "$MTPGRAFT" release full/PLAN.json
  expect_text "$STDERR" '^mtpgraft: .*/tmpfs: no space: the outputs there need 22\.[0-9] MiB together, 1[0-9]\.[0-9] MiB are free$'
  expect_text "$STDERR" '^mtpgraft: 1 problem; nothing was written$'
  [[ ! -e tmpfs/out ]] || fail "a directory was made for nothing"
fi
