#!/usr/bin/env bash
# A release as publishers make one: several quants with heads of their own types, checked before anything is written,
# resumed after a crash, and proven afterwards.
. "$(dirname "$0")/common.sh"
. "$TEST_DIR/mounts.sh"

# make_release DIR: three quants, three heads, a plan.
make_release() {
  mkdir -p "$1/quants" "$1/heads"
  ln "$SCRATCH/target-Q4_K_M.gguf" "$1/quants/Tiny-Q4_K_M.gguf"
  ln "$SCRATCH/target-Q5_K_M.gguf" "$1/quants/Tiny-Q5_K_M.gguf"
  ln "$SCRATCH/target-Q6_K.gguf" "$1/quants/Tiny-Q6_K.gguf"
  ln "$SCRATCH/donor-BF16.gguf" "$1/heads/mtp-Base-BF16.gguf"
  ln "$SCRATCH/donor-Q8_0.gguf" "$1/heads/mtp-Base-Q8_0.gguf"
  ln "$SCRATCH/donor-Q4_K.gguf" "$1/heads/mtp-Base-Q4_K.gguf"
  cat >"$1/PLAN.json" <<'JSON'
{
  "schema_version": 1,
  "output_directory": "out",
  "defaults": {"options": {"strict": true}},
  "grafts": [
    {"target": "quants/*-Q6_K.gguf", "donor": "heads/mtp-*-BF16.gguf"},
    {"target": "quants/*-Q5_K_M.gguf", "donor": "heads/mtp-*-Q8_0.gguf",
     "options": {"set": ["general.description=str:with its head"]}},
    {"target": "quants/*-Q4_K_M.gguf", "donor": "heads/mtp-*-Q4_K.gguf"}
  ]
}
JSON
}
cp "$MODELS_DIR/$TARGET" "$SCRATCH/target-Q4_K_M.gguf"
cp "$FIXTURES_DIR/target-shuffled-keys.gguf" "$SCRATCH/target-Q5_K_M.gguf"
cp "$FIXTURES_DIR/target-align-64.gguf" "$SCRATCH/target-Q6_K.gguf"
cp "$MODELS_DIR/mtp-base-8L-BF16.gguf" "$SCRATCH/donor-BF16.gguf"
cp "$MODELS_DIR/$DONOR" "$SCRATCH/donor-Q8_0.gguf"
cp "$MODELS_DIR/mtp-base-8L-Q4_K_M.gguf" "$SCRATCH/donor-Q4_K.gguf"
outputs=(Tiny-MTP-Q6_K.gguf Tiny-MTP-Q5_K_M.gguf Tiny-MTP-Q4_K_M.gguf)
release_files=(SHA256SUMS release.json "${outputs[@]}" "${outputs[@]/%/.sums}")

expect_json() {
  [[ $(json "$1") == True ]] || fail "not true: $1, of: $last_command: $(head -c 2000 "$STDOUT")"
}
stamps() { stat -c '%n %i %y' "$1"/*; }

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

    llama-server -m Tiny-MTP-Q6_K.gguf --spec-type draft-mtp

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
check_release() {
  (cd "$1" && sha256sum -c --quiet --strict SHA256SUMS) || fail "sha256sum finds differences in $1"
  for output in "${outputs[@]}"; do
    expect_exit 0 "$MTPGRAFT" verify "$1/$output" -c "$1/$output.sums" --exact --quiet
  done
}
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
    assert graft["llama_server"] == f"llama-server -m {file['file']} --spec-type draft-mtp"
PYTHON

# A second run writes nothing and proves everything.
stamps out >before
expect_exit 0 "$MTPGRAFT" release PLAN.json --json
expect_json "[graft['state'] for graft in x['result']['grafts']] == ['skipped'] * 3"
stamps out | diff before - >&2 || fail "a second run wrote something"
rm before

# Each graft made alone by the command that release.json tells, as a workflow does, and the lists by a release at the
# end; with two jobs; all the same bytes.
cd ..
make_release alone
(
  cd alone
  mkdir out
  PATH=$(dirname "$MTPGRAFT"):$PATH
  python3 -c 'import json
for graft in json.load(open("../one/out/release.json"))["grafts"]:
    print(graft["command"], "-q --no-sync")' | sh -e
)
expect_exit 0 "$MTPGRAFT" release alone/PLAN.json --no-sync
expect_stderr <<'TEXT'
alone/out/Tiny-MTP-Q6_K.gguf: skipped: all 8.3 MiB are there as planned
alone/out/Tiny-MTP-Q5_K_M.gguf: skipped: all 7.4 MiB are there as planned
alone/out/Tiny-MTP-Q4_K_M.gguf: skipped: all 7.0 MiB are there as planned
TEXT
make_release jobs
expect_exit 0 "$MTPGRAFT" release -q --no-sync -j 2 jobs/PLAN.json
expect_nothing_on stdout stderr
for other in alone jobs; do
  diff -r one/out $other/out >&2 || fail "other bytes: $other"
done
rm -r alone jobs

# A damaged output is found before anything is written, and named with its tensor; --force replaces it alone.
cd one
cp -a out sound
stat -c '%n %i %y' out/Tiny-MTP-Q6_K.gguf >before
cp /dev/null out/Tiny-MTP-Q5_K_M.gguf
flip_byte out/Tiny-MTP-Q4_K_M.gguf 1000000
expect_exit 0 "$MTPGRAFT" release --dry-run PLAN.json
expect_text "$STDOUT" ' out/Tiny-MTP-Q5_K_M.gguf .* is there, of another size$'
expect_text "$STDOUT" ' out/Tiny-MTP-Q4_K_M.gguf .* is there, not compared$'
rm out/Tiny-MTP-Q5_K_M.gguf
expect_exit 5 "$MTPGRAFT" release PLAN.json
expect_text "$STDERR" '^mtpgraft: out/Tiny-MTP-Q4_K_M.gguf: is there already, and not what the plan makes \(/grafts/2\)$'
expect_text "$STDERR" "^  - the data of tensor 'blk\.[0-9]+\..*' differ: 1 of [0-9]+ bytes$"
expect_text "$STDERR" '^mtpgraft: 1 problem; nothing was written$'
expect_nothing_on stdout
[[ ! -e out/Tiny-MTP-Q5_K_M.gguf ]] || fail "something was written beside a damaged output"
expect_exit 0 "$MTPGRAFT" release -q --no-sync --force PLAN.json
diff -r sound out >&2 || fail "the damage is not mended"
stat -c '%n %i %y' out/Tiny-MTP-Q6_K.gguf | diff before - >&2 || fail "--force wrote what was sound"
rm -r sound before

# A list that is someone else's is not replaced without --force.
cp -a out sound
echo mine >out/Tiny-MTP-Q6_K.gguf.sums
echo mine >>out/SHA256SUMS
expect_exit 5 "$MTPGRAFT" release PLAN.json
expect_text "$STDERR" '^mtpgraft: out/SHA256SUMS: exists, and is not a list of a release$'
expect_text "$STDERR" '^mtpgraft: out/Tiny-MTP-Q6_K.gguf.sums: exists, and is not a list of a release$'
rm -r out
mv sound out

# What has left the plan is told, so that nobody publishes a file that no list has.
sed '/Q4_K_M/d; s/with its head"\]}},/with its head"]}}/' PLAN.json >shorter.json
expect_exit 5 "$MTPGRAFT" release shorter.json
expect_stderr <<'TEXT'
mtpgraft: out/SHA256SUMS: names 'Tiny-MTP-Q4_K_M.gguf', which the plan does not make
  hint: if that has left the release, delete this list, or use --force, which replaces it
mtpgraft: 1 problem; nothing was written
TEXT
expect_exit 0 "$MTPGRAFT" release --no-sync --force shorter.json
expect_text "$STDERR" '^mtpgraft: warning: out/Tiny-MTP-Q4_K_M.gguf: is no longer part of the release$'
[[ $(wc -l <out/SHA256SUMS) == 2 ]] || fail "not two files in SHA256SUMS"

# Of a donor every file is counted once.
cp -rL "$MODELS_DIR/hf-base-8L" heads
echo '{"schema_version": 1, "output_directory": "hf", "grafts": [{"target": "quants/Tiny-Q6_K.gguf", "donor": "heads/hf-base-8L"}]}' \
  >hf.json
expect_exit 0 "$MTPGRAFT" release -q --no-sync hf.json
python3 - heads/hf-base-8L/* <<'PYTHON' || fail "release.json tells another size of a checkpoint"
import json, os, sys
donor = json.load(open("hf/release.json"))["grafts"][0]["donor"]
assert donor["bytes"] == sum(map(os.path.getsize, sys.argv[1:])), donor
PYTHON
cd ..
rm -r one

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
mtpgraft: bad/heads/missing.gguf: cannot open: No such file or directory (/grafts/2)
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
mtpgraft: bad/heads/missing.gguf: cannot open: No such file or directory (/grafts/2)
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
  hint: make it first, or give the plan another output_directory, or the graft another output
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

# Of a split model every file has a line, and links to the target's own files are no offence the second time.
mkdir split
for i in 1 2 3 4; do
  cp "$FIXTURES_DIR/split/four-Q4_K_M-0000$i-of-00004.gguf" split
done
cp "$SCRATCH/donor-Q8_0.gguf" split/donor.gguf
echo '{"schema_version": 1, "grafts": [{"target": "*-Q4_K_M*.gguf", "donor": "donor.gguf"}]}' >split/plan.json
for round in written skipped; do
  expect_exit 0 "$MTPGRAFT" release split/plan.json
  expect_text "$STDERR" "^split/four-MTP-Q4_K_M-00001-of-00005.gguf: $round"
done
[[ $(wc -l <split/SHA256SUMS) == 5 ]] || fail "not five files in SHA256SUMS"
(cd split && sha256sum -c --quiet --strict SHA256SUMS) || fail "sha256sum finds differences in a split model"
expect_exit 0 "$MTPGRAFT" verify split/four-MTP-Q4_K_M-00001-of-00005.gguf --exact --quiet \
  -c split/four-MTP-Q4_K_M-00001-of-00005.gguf.sums
# As if it had been killed between the names of the last file and the first.
rm split/four-MTP-Q4_K_M-00001-of-00005.gguf
expect_exit 0 "$MTPGRAFT" release split/plan.json
(cd split && sha256sum -c --quiet --strict SHA256SUMS) || fail "an incomplete split model is not mended"
rm -r split

# Interrupted and killed while the second of three is written: the first stays, and the rest is made by the next run.
if [[ -d /proc/self/fd ]]; then
  make_release killed
  rm killed/quants/Tiny-Q5_K_M.gguf
  python3 - "$SOURCE_DIR/tests/support" "$SCRATCH/target-Q5_K_M.gguf" killed/quants/Tiny-Q5_K_M.gguf <<'PYTHON'
import sys
sys.path.insert(0, sys.argv[1])
import gguf_file
model = gguf_file.GgufFile.read(sys.argv[2])
model.tensors.append(gguf_file.Tensor("bulk.weight", (100_000_000,), 24, b"\x55" * 100_000_000))
model.write(sys.argv[3])
PYTHON
  for signal in INT KILL; do
    "$MTPGRAFT" release --no-sync killed/PLAN.json >"$STDOUT" 2>"$STDERR" &
    pid=$!
    last_command="release, $signal"
    while [[ ! -e killed/out/Tiny-MTP-Q6_K.gguf ]] && kill -0 $pid; do
      sleep 0.01
    done
    if stop_while_writing $pid killed/out; then
      kill -"$signal" $pid
      kill -CONT $pid
    fi
    code=0
    wait $pid || code=$?
    [[ $code == $((128 + $(kill -l "$signal"))) ]] || fail "exit code $code: $last_command: $(cat "$STDERR")"
    [[ $signal != KILL ]] || ! is_plain_posix || rm killed/out/.mtpgraft-*
    no_leftovers killed/out Tiny-MTP-Q6_K.gguf
  done
  # A target that changes after it was checked is not taken.
  "$MTPGRAFT" release --no-sync killed/PLAN.json >"$STDOUT" 2>"$STDERR" &
  pid=$!
  last_command="release, with a target that changes"
  if stop_while_writing $pid killed/out; then
    touch killed/quants/Tiny-Q4_K_M.gguf
    kill -CONT $pid
  fi
  code=0
  wait $pid || code=$?
  [[ $code == 4 ]] || fail "exit code $code: $last_command"
  expect_text "$STDERR" '^mtpgraft: killed/quants/Tiny-Q4_K_M.gguf: target or donor .* is another file than when it was checked \(/grafts/2\)$'
  expect_text "$STDERR" '^mtpgraft: 1 problem; the lists were not written; run it again to go on$'
  no_leftovers killed/out Tiny-MTP-Q6_K.gguf Tiny-MTP-Q5_K_M.gguf
  rm killed/out/Tiny-MTP-Q5_K_M.gguf

  stamps killed/out >before
  expect_exit 0 "$MTPGRAFT" release --no-sync killed/PLAN.json
  expect_text "$STDERR" '^killed/out/Tiny-MTP-Q6_K.gguf: skipped'
  expect_text "$STDERR" '^killed/out/Tiny-MTP-Q5_K_M.gguf: written, 102\.[0-9] MiB'
  stat -c '%n %i %y' killed/out/Tiny-MTP-Q6_K.gguf | diff before - >&2 || fail "what was complete was written again"
  check_release killed/out
  rm -r killed before
fi

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
