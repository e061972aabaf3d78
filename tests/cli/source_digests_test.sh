#!/usr/bin/env bash
# --source-digests tells the SHA-256 of the files that an output is made of, as they were before.
. "$(dirname "$0")/common.sh"
use "$TARGET" "$DONOR" hf-base-8L
cp "$FIXTURES_DIR"/split/four-Q4_K_M-*.gguf .
FOUR=four-Q4_K_M-00001-of-00004.gguf

# expect_digests TARGET_FILES DONOR_FILES: of the last --json, in any order.
expect_digests() {
  json "x['result']['source_digests']" >"$SCRATCH/told"
  python3 - "$SCRATCH/told" "$1" "$2" <<'PYTHON' || fail "other digests: $last_command: $(cat "$SCRATCH/told")"
import ast, hashlib, pathlib, sys

told = ast.literal_eval(open(sys.argv[1]).read())
for role, names in zip(("target", "donor"), sys.argv[2:]):
    files = [pathlib.Path(name) for name in names.split()]
    assert {(f["path"], f["bytes"], f["sha256"]) for f in told[role]} == {
        (str(f), f.stat().st_size, hashlib.sha256(f.read_bytes()).hexdigest()) for f in files}, told[role]
PYTHON
}

expect_exit 0 "$MTPGRAFT" graft "$TARGET" "$DONOR" --source-digests -o out.gguf
expect_nothing_on stderr
expect_text "$STDOUT" '^SHA-256$'
expect_text "$STDOUT" "^  target  $(sha256sum <"$TARGET" | cut -d' ' -f1)  $TARGET\$"
expect_text "$STDOUT" "^  donor   $(sha256sum <"$DONOR" | cut -d' ' -f1)  $DONOR\$"
expect_exit 0 "$MTPGRAFT" graft -q "$TARGET" "$DONOR" -o plain.gguf
expect_same out.gguf plain.gguf
rm out.gguf plain.gguf

expect_exit 0 "$MTPGRAFT" graft --json "$TARGET" "$DONOR" --source-digests -o out.gguf
expect_digests "$TARGET" "$DONOR"
rm out.gguf
# Of a split model every file, of a checkpoint those with the head.
expect_exit 0 "$MTPGRAFT" graft --json "$FOUR" hf-base-8L --head-type q8_0 --source-digests -o out.gguf
expect_digests "$(echo four-*.gguf)" hf-base-8L/mtp.safetensors
rm out-*
# Nobody asked, or nothing is read.
expect_exit 0 "$MTPGRAFT" graft --json "$TARGET" "$DONOR" -o out.gguf
[[ $(json "x['result']['source_digests']") == None ]] || fail "digests that nobody asked for"
rm out.gguf
expect_exit 0 "$MTPGRAFT" graft --json -n "$TARGET" "$DONOR" --source-digests -o out.gguf
[[ $(json "x['result']['source_digests']") == None ]] || fail "digests of a dry run"

# It is shown that they are read, all bytes of them.
expect_exit 0 "$MTPGRAFT" graft --json --progress=json "$TARGET" "$DONOR" --source-digests -o out.gguf
python3 - "$STDERR" <<'PYTHON' || fail "other events: $(cat "$STDERR")"
import json, os, sys

events = [json.loads(line) for line in open(sys.argv[1])]
read = [event for event in events if event["phase"] == "checksum"]
total = os.stat("target-12L-Q4_K_M.gguf").st_size + os.stat("mtp-base-8L-Q8_0.gguf").st_size
assert [read[0]["state"], read[-1]["state"], read[-1]["bytes_done"], read[-1]["bytes_total"]] == ["begin", "end", total, total]
assert events.index(read[-1]) < [event["phase"] for event in events].index("write")
PYTHON
rm out.gguf

# In place they are those of the file before.
if ! is_plain_posix; then
  cp "$MODELS_DIR/$TARGET" changed.gguf
  before=$(sha256sum <changed.gguf | cut -d' ' -f1)
  run "$MTPGRAFT" graft --json --in-place changed.gguf "$DONOR" --source-digests
  [[ $code != 0 || $(json "x['result']['source_digests']['target'][0]['sha256']") == "$before" ]] ||
    fail "other digests: $(cat "$STDOUT")"
  [[ $code == 0 ]] || skip_part "changes in place"
  rm changed.gguf
fi

# A release reads what several grafts have in common once, and tells it in release.json under names without directories.
mkdir heads
cp "$MODELS_DIR/$DONOR" heads/
cat >PLAN.json <<END
{"schema_version": 1, "output_directory": "out", "defaults": {"donor": "heads/$DONOR", "options": {"source_digests": true}},
 "grafts": [{"target": "$TARGET"}, {"target": "$FOUR"}]}
END
expect_exit 0 "$MTPGRAFT" release --no-sync --json --progress=json PLAN.json
cp out/release.json first.json
python3 - "$STDOUT" "$STDERR" "$TARGET" "heads/$DONOR" four-*.gguf <<'PYTHON' || fail "other digests: $(cat first.json)"
import hashlib, json, os, sys

answer, events, *paths = sys.argv[1:]
target, donor, *shards = paths
told = {path: {"bytes": os.stat(path).st_size, "sha256": hashlib.sha256(open(path, "rb").read()).hexdigest()} for path in paths}
of_json = lambda names: [{"path": name, **told[name]} for name in names]
of_file = lambda names: [{"file": os.path.basename(name), **told[name]} for name in names]
for graft, targets in zip(json.load(open(answer))["result"]["grafts"], ([target], shards)):
    assert graft["source_digests"] == {"target": of_json(targets), "donor": of_json([donor])}, graft
for graft, targets in zip(json.load(open("first.json"))["grafts"], ([target], shards)):
    assert graft["target"]["files"] == of_file(targets) and graft["donor"]["files"] == of_file([donor]), graft
read = [event for event in map(json.loads, open(events)) if event.get("phase") == "checksum"]
assert read[-1]["bytes_done"] == sum(file["bytes"] for file in told.values()), read[-1]
PYTHON
expect_exit 0 "$MTPGRAFT" release --no-sync PLAN.json
expect_same out/release.json first.json
expect_exit 0 "$MTPGRAFT" release --dry-run --json PLAN.json
[[ $(json "{f['sha256'] for g in x['result']['grafts'] for f in g['source_digests']['target']}") == '{None}' ]] ||
  fail "digests of a dry run"
