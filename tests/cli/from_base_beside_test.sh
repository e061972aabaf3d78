#!/usr/bin/env bash
# graft --from-base takes the head that is beside the target, if it is of the same base and fits, and asks no server.
. "$(dirname "$0")/common.sh"
. "$TEST_DIR/bases.sh"
use "$TARGET" "$DONOR"
export HF_ENDPOINT=http://127.0.0.1:1 XDG_CACHE_HOME=$SCRATCH/cache
"$MTPGRAFT" inspect --kv=general.name "$DONOR" | grep -q 'general.name .*"tiny-qwen35-base-8L"' || fail "the donor has another name"

# In another folder, from here.
mkdir models
of_base models/Tuned-Q4_K_M.gguf lab/Tiny-Qwen35-Base-8L
cp "$MODELS_DIR/$DONOR" models/mtp-base.gguf
head -c 1000 "$MODELS_DIR/$DONOR" >models/mtp-cut.gguf
cp "$MODELS_DIR/$TARGET" models/mtp-trunk.gguf
expect_exit 0 "$MTPGRAFT" graft --no-sync models/Tuned-Q4_K_M.gguf mtp-base-8L-Q8_0.gguf -o named.gguf
expect_exit 0 "$MTPGRAFT" graft --no-sync models/Tuned-Q4_K_M.gguf --from-base -o found.gguf
expect_text "$STDOUT" '^donor   models/mtp-base.gguf  '
expect_text "$STDOUT" "^donor: of the base model lab/Tiny-Qwen35-Base-8L, found beside the target; the target's general.base_model.0.repo_url names it\$"
expect_text "$STDOUT" '^donor: models/mtp-cut.gguf: .*'
expect_text "$STDOUT" '^  mtpgraft verify found.gguf --target models/Tuned-Q4_K_M.gguf --donor models/mtp-base.gguf$'
expect_nothing_on stderr
expect_exit 0 "$MTPGRAFT" verify found.gguf --target models/Tuned-Q4_K_M.gguf --donor models/mtp-base.gguf
rm found.gguf

# With what graft has besides.
expect_exit 0 "$MTPGRAFT" graft --json --dry-run models/Tuned-Q4_K_M.gguf --from-base
expect_json "x['result']['from_base']['found'] == 'beside' and x['result']['donor'] == 'models/mtp-base.gguf'"
expect_json "x['result']['from_base']['base']['repository'] == 'lab/Tiny-Qwen35-Base-8L' and x['result']['fetch'] is None"
expect_exit 0 "$MTPGRAFT" graft --json --no-sync "$TARGET" "$DONOR" -o other.gguf
expect_json "'from_base' not in x['result']"
cp other.gguf headed.gguf
if ! is_plain_posix; then
  cp models/Tuned-Q4_K_M.gguf models/changed.gguf
  run "$MTPGRAFT" graft -q --in-place models/changed.gguf --from-base
  # Not on every file system.
  [[ $code == 5 ]] || { [[ $code == 0 ]] && "$MTPGRAFT" verify models/changed.gguf >/dev/null; } ||
    fail "exit code $code: $last_command: $(cat "$STDERR")"
  rm models/changed.gguf
fi
expect_exit 0 "$MTPGRAFT" graft -q --split-head models/Tuned-Q4_K_M.gguf --from-base -o split.gguf
expect_exit 0 "$MTPGRAFT" graft -q --merge split-00001-of-00002.gguf --replace "$DONOR" -o merged.gguf
expect_exit 3 "$MTPGRAFT" graft merged.gguf --from-base -o out.gguf
expect_text "$STDERR" 'use --replace'
rm split-* merged.gguf

# The donor says itself what it is of; in names, and in those of its own base.
for own in 'name Tiny_Qwen35_Base-8L-MTP' 'base_model.0.repo_url https://hf.co/LAB/tiny-qwen35-base-8L' \
  'base_model.3.name tiny.qwen35.base.8L'; do
  python3 -B - "$SOURCE_DIR/tests/support" "$MODELS_DIR/$DONOR" models/mtp-base.gguf "${own%% *}" "${own#* }" <<'END'
import sys
sys.path.insert(0, sys.argv[1])
from gguf_file import STRING, GgufFile
model = GgufFile.read(sys.argv[2])
model.set("general.name", STRING, "something else")
model.set("general." + sys.argv[4], STRING, sys.argv[5])
model.write(sys.argv[3])
END
  expect_exit 0 "$MTPGRAFT" graft -q --dry-run models/Tuned-Q4_K_M.gguf --from-base
done

# Another base's is passed over; then the hub would be asked, which is not there.
of_base models/Tuned-Q4_K_M.gguf lab/Tiny-Qwen35-Base-9L
expect_exit 4 "$MTPGRAFT" graft --dry-run models/Tuned-Q4_K_M.gguf --from-base
expect_text "$STDERR" '^mtpgraft: hf://lab/Tiny-Qwen35-Base-9L: '
expect_text "$STDERR" "^  - the target's key general.base_model.0.repo_url names lab/Tiny-Qwen35-Base-9L\$"

expect_text "$STDERR" "^  - models/mtp-base.gguf is not taken: its keys name 'tiny.qwen35.base.8L' and 'something else'\$"

# What it was converted from says nothing of its base; a name in capitals is one like the others.
of_base models/Tuned-Q4_K_M.gguf lab/Tiny-Qwen35-Base-8L
python3 -B - "$SOURCE_DIR/tests/support" "$MODELS_DIR/$DONOR" models/mtp-base.gguf <<'END'
import sys
sys.path.insert(0, sys.argv[1])
from gguf_file import STRING, GgufFile
model = GgufFile.read(sys.argv[2])
model.set("general.name", STRING, "something else")
model.set("general.source.repo_url", STRING, "https://huggingface.co/lab/Tiny-Qwen35-Base-8L")
model.write(sys.argv[3])
END
expect_exit 4 "$MTPGRAFT" graft --dry-run models/Tuned-Q4_K_M.gguf --from-base
expect_text "$STDERR" "^  - models/mtp-base.gguf is not taken: its keys name 'something else'\$"
cp "$MODELS_DIR/$DONOR" models/MTP-Base.GGUF
expect_exit 0 "$MTPGRAFT" graft --dry-run models/Tuned-Q4_K_M.gguf --from-base
expect_text "$STDOUT" '^donor   models/MTP-Base.GGUF  .*'
expect_text "$STDOUT" "^donor: models/mtp-base.gguf is not taken: its keys name 'something else'\$"
rm models/MTP-Base.GGUF

# Two that fit: the user says which.
of_base models/Tuned-Q4_K_M.gguf lab/Tiny-Qwen35-Base-8L
cp "$MODELS_DIR/$DONOR" models/mtp-base.gguf
cp "$MODELS_DIR/mtp-base-8L-BF16.gguf" models/mtp-other.gguf
expect_exit 2 "$MTPGRAFT" graft models/Tuned-Q4_K_M.gguf --from-base
expect_nothing_on stdout
diff <(sed 1d "$STDERR") - <<'END' >&2 || fail "other choices: $last_command"
  - mtpgraft graft models/Tuned-Q4_K_M.gguf models/mtp-base.gguf  # head: 1.0 MiB
  - mtpgraft graft models/Tuned-Q4_K_M.gguf models/mtp-other.gguf  # head: 1.9 MiB
  hint: name one of these as DONOR, and keep your other options
END
# What they are converted to is no matter of the list: the commands in it convert nothing.
expect_exit 2 "$MTPGRAFT" graft models/Tuned-Q4_K_M.gguf --from-base --head-type q8_0
grep -q 'mtp-other.gguf  # head: 1.9 MiB$' "$STDERR" || fail "other sizes: $(cat "$STDERR")"
# Of a target that has a head, or MTP in its name, the commands work as well.
run "$MTPGRAFT" graft -q --no-sync models/Tuned-Q4_K_M.gguf models/mtp-base.gguf -o models/Tuned-MTP-Q4_K_M.gguf
expect_exit 2 "$MTPGRAFT" graft models/Tuned-MTP-Q4_K_M.gguf --replace --from-base
expect_text "$STDERR" '^  - mtpgraft graft --replace models/Tuned-MTP-Q4_K_M.gguf models/mtp-base.gguf -o NEW.gguf  # head: 1.0 MiB$'
expect_text "$STDERR" '^  hint: name one of these as DONOR, with --replace, .*'
command=$(sed -n 's/^  - \(mtpgraft graft .*mtp-base.gguf.*\)/\1/p' "$STDERR")
PATH=$(dirname "$MTPGRAFT"):$PATH expect_exit 0 bash -c "$command"
rm NEW.gguf models/Tuned-MTP-Q4_K_M.gguf
expect_exit 2 "$MTPGRAFT" graft --json models/Tuned-Q4_K_M.gguf --from-base
expect_json "x['error']['donors'][0]['path'] == 'models/mtp-base.gguf' and x['error']['donors'][0]['head_bytes'] > 1000000"

# A plan.
rm models/mtp-other.gguf models/mtp-cut.gguf models/mtp-trunk.gguf
echo '{"schema_version": 1, "defaults": {"donor": "from-base"}, "grafts": [{"target": "models/Tuned-*.gguf"}]}' >PLAN.json
expect_exit 0 "$MTPGRAFT" release --json --dry-run PLAN.json
expect_json "x['result']['grafts'][0]['donor'] == 'models/mtp-base.gguf'"
expect_json "x['result']['grafts'][0]['arguments'][:3] == ['graft', 'models/Tuned-Q4_K_M.gguf', 'models/mtp-base.gguf']"
expect_exit 0 "$MTPGRAFT" release -q PLAN.json
expect_text models/../release.json 'mtpgraft graft models/Tuned-Q4_K_M.gguf models/mtp-base.gguf -o models/Tuned-MTP-Q4_K_M.gguf'
expect_exit 0 "$MTPGRAFT" verify models/Tuned-MTP-Q4_K_M.gguf --target models/Tuned-Q4_K_M.gguf --donor models/mtp-base.gguf
expect_exit 0 "$MTPGRAFT" release --json PLAN.json
expect_json "x['result']['grafts'][0]['state'] == 'skipped'"
rm models/mtp-base.gguf
name_bases models/Tuned-Q4_K_M.gguf
expect_exit 3 "$MTPGRAFT" release PLAN.json
expect_text "$STDERR" '^mtpgraft: models/Tuned-Q4_K_M.gguf: names no model that it was made of \(/grafts/0\)$'
expect_text "$STDERR" '^  hint: name what has the head as "donor": '
