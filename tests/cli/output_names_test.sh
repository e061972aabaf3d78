#!/usr/bin/env bash
# The output of a target that is stored under a digest goes to the current directory, under a name that people know;
# and names in upper case or of downloads give plain ones. All else is in graft_output_name_test.sh.
. "$(dirname "$0")/common.sh"
use "$DONOR"
digest=$(sha256sum <"$MODELS_DIR/$TARGET" | cut -d' ' -f1)
mkdir -p hub/blobs hub/snapshots/main ollama/blobs here
cp "$MODELS_DIR/$TARGET" "hub/blobs/$digest"
ln -s "../../blobs/$digest" hub/snapshots/main/Model-Q4_K_M.gguf
ln "hub/blobs/$digest" "ollama/blobs/sha256-$digest"
ln -s "$WORK/hub/snapshots/main/Model-Q4_K_M.gguf" link.gguf
ln -s "$WORK/ollama/blobs/sha256-$digest" "here/$digest"
find hub ollama here >"$SCRATCH/before"

# expect_name TARGET OUTPUT: in the current directory, and printed.
expect_name() {
  expect_exit 0 "$MTPGRAFT" graft --no-sync "$1" "$DONOR"
  expect_text "$STDOUT" "^output  $2 "
  [[ -s $2 ]] || fail "no $2 of: $last_command"
  expect_exit 0 "$MTPGRAFT" verify -q "$2" --target "$1" --donor "$DONOR"
  rm -f "$2"
}
expect_name hub/snapshots/main/Model-Q4_K_M.gguf Model-MTP-Q4_K_M.gguf
expect_name link.gguf link-MTP.gguf
for target in "hub/blobs/$digest" "ollama/blobs/sha256-$digest" "here/$digest"; do
  expect_name "$target" tiny-qwen35-target-12L-MTP.gguf
done
diff "$SCRATCH/before" <(find hub ollama here) >&2 || fail "something was written beside the targets"

# Not where such files are kept: unknown ones are deleted there.
cd ollama/blobs
expect_exit 2 "$MTPGRAFT" graft "sha256-$digest" "../../$DONOR"
expect_text "$STDERR" '^  hint: give the output a name with -o$'
cd ../..
diff "$SCRATCH/before" <(find hub ollama here) >&2 || fail "something was written among the digests"

# Of a split model.
mkdir sets
for number in 1 2 3 4; do
  name=four-Q4_K_M-0000$number-of-00004.gguf
  cp "$FIXTURES_DIR/split/$name" "hub/blobs/$(printf '%064d' $number)"
  ln -s "../hub/blobs/$(printf '%064d' $number)" "sets/$name"
done
expect_exit 0 "$MTPGRAFT" graft -q --no-sync sets/four-Q4_K_M-00001-of-00004.gguf "$DONOR"
rm four-MTP-Q4_K_M-0000{1,2,3,4,5}-of-00005.gguf || fail "not all files are here"

# A release has a directory for its outputs; without one they would stand in the cache, or have no name.
plan() { echo '{"schema_version": 1, '"$2"'"grafts": [{"target": "'"$1"'", "donor": "'"$DONOR"'"}]}' >PLAN.json; }
plan hub/snapshots/main/Model-Q4_K_M.gguf '"output_directory": "out", '
expect_exit 0 "$MTPGRAFT" release -q --no-sync PLAN.json
[[ -s out/Model-MTP-Q4_K_M.gguf ]] || fail "no out/Model-MTP-Q4_K_M.gguf"
plan hub/snapshots/main/Model-Q4_K_M.gguf ''
expect_exit 5 "$MTPGRAFT" release PLAN.json
expect_text "$STDERR" '^  hint: give the plan an output_directory outside the cache$'
plan "hub/blobs/$digest" '"output_directory": "out", '
expect_exit 3 "$MTPGRAFT" release PLAN.json
expect_text "$STDERR" "'hub/blobs/$digest' is stored under a digest, which is no name for an output\$"

# general.name is any text.
for name in ../../etc/passwd .hidden 'a/b\c:d*e?f"g<h>i|j' $'line\nbreak' "$(printf 'n%.0s' {1..400})" "$digest" ... \
  '' -rf; do
  python3 - "$SOURCE_DIR/tests/support" "$MODELS_DIR/$TARGET" "named/$digest" "$name" <<'END'
import pathlib
import sys
sys.path.insert(0, sys.argv[1])
import gguf_file
model = gguf_file.GgufFile.read(sys.argv[2])
model.set("general.name", gguf_file.STRING, sys.argv[4].encode())
pathlib.Path(sys.argv[3]).parent.mkdir(exist_ok=True)
model.write(sys.argv[3])
END
  mkdir empty
  cd empty
  expect_exit 0 "$MTPGRAFT" graft -q --no-sync "../named/$digest" "../$DONOR"
  cd ..
  mapfile -t made < <(ls -A empty)
  [[ ${#made[@]} == 1 && ${made[0]} =~ ^[A-Za-z0-9][A-Za-z0-9.-]*-MTP\.gguf$ && ${#made[0]} -lt 140 ]] ||
    fail "the model '$name' gave: ${made[*]}"
  rm -r empty
done
no_leftovers named "$digest"

# Upper case, and what programs append to the names of downloads that they have not finished.
for name in Model-Q6_K.{GGUF,Gguf,gguf.part,GGUF.Part,gguf.incomplete,gguf.crdownload,gguf.downloadInProgress}; do
  cp "$MODELS_DIR/$TARGET" "$name"
  expect_exit 0 "$MTPGRAFT" graft -q --no-sync "$name" "$DONOR"
  rm Model-MTP-Q6_K.gguf || fail "$name gave another name"
  rm "$name"
done
expect_exit 0 "$MTPGRAFT" graft -q --no-sync --split-head "$MODELS_DIR/$TARGET" "$DONOR" -o OUT.GGUF
ls OUT-0000{1,2}-of-00002.gguf >/dev/null || fail "the files of OUT.GGUF have other names"

# --force replaces a symbolic link, and leaves the file that it leads to as it is.
echo precious >precious
ln -s precious forced.gguf
ln -s nowhere dangling.gguf
for output in forced.gguf dangling.gguf; do
  expect_exit 5 "$MTPGRAFT" graft -q --no-sync "$MODELS_DIR/$TARGET" "$DONOR" -o "$output"
  expect_exit 0 "$MTPGRAFT" graft -q --no-sync --force "$MODELS_DIR/$TARGET" "$DONOR" -o "$output"
  [[ ! -L $output && -s $output ]] || fail "$output is still a link"
done
[[ $(cat precious) == precious && ! -e nowhere ]] || fail "a link was followed"
