#!/usr/bin/env bash
# Who may read an output: those who may read what it is made of, as far as the user's umask lets them.
. "$(dirname "$0")/common.sh"
cp "$MODELS_DIR/$TARGET" target.gguf
cp "$MODELS_DIR/$DONOR" donor.gguf
cp "$FIXTURES_DIR"/split/four-* .
FOUR=four-Q4_K_M-00001-of-00004.gguf
mkdir out
# What the file system makes of permissions; some have their own.
touch probe
chmod 640 probe
[[ $(stat -c %a probe) == 640 ]] || skip_all "this file system keeps no permissions"

# expect_mode MODE FILE...
expect_mode() {
  local mode=$1 file
  for file in "${@:2}"; do
    [[ $(stat -c %a "$file") == "$mode" ]] || fail "$file has $(stat -c %a "$file") and not $mode: $last_command"
  done
}

# Target, umask, output: no more than the target has, no more than the umask lets, and the owner may always write.
graft() { expect_exit 0 "$MTPGRAFT" graft -q --no-sync "$@"; }
for row in "644 022 644" "600 022 600" "640 022 640" "444 022 644" "400 077 600" "666 002 664" "664 022 644" "755 022 644" \
  "4755 000 644" "440 0277 600" "644 0777 200"; do
  read -r target_mode mask mode <<<"$row"
  chmod "$target_mode" target.gguf
  umask "$mask"
  graft target.gguf donor.gguf -o out/x.gguf --checksums out/x.sums
  umask 022
  expect_mode "$mode" out/x.gguf out/x.sums
  # Over a file that had others.
  chmod 666 out/x.gguf
  umask "$mask"
  graft --force target.gguf donor.gguf -o out/x.gguf
  umask 022
  expect_mode "$mode" out/x.gguf
  rm out/*
done

# The target's, whatever the donor has, and its record is all that strip has. extract's is the donor.
chmod 640 target.gguf
chmod 600 donor.gguf
graft target.gguf donor.gguf -o out/x.gguf
expect_mode 640 out/x.gguf
chmod 664 out/x.gguf
umask 002
expect_exit 0 "$MTPGRAFT" strip -q out/x.gguf -o out/strip.gguf
expect_exit 0 "$MTPGRAFT" extract -q out/x.gguf -o out/head.gguf
expect_exit 0 "$MTPGRAFT" extract -q out/x.gguf --head-type bf16 -o out/head.safetensors
expect_mode 664 out/strip.gguf out/head.gguf out/head.safetensors
expect_exit 0 "$MTPGRAFT" extract -q donor.gguf --for target.gguf -o out/for.gguf
expect_exit 0 "$MTPGRAFT" extract -q --head-type=Q8_0 donor.gguf -o out/q8.gguf
expect_mode 600 out/for.gguf out/q8.gguf
# A checkpoint's head has what all of the files have that it is made of.
cp -r "$MODELS_DIR/hf-base-8L" checkpoint
chmod 600 checkpoint/*
expect_exit 0 "$MTPGRAFT" extract -q checkpoint --for target.gguf -o out/new.gguf
expect_mode 600 out/new.gguf
umask 022
rm out/*

# Split models: a file that stays keeps its own, and the new ones have what all of the target's have.
chmod 640 four-*
chmod 600 four-Q4_K_M-00002-of-00004.gguf
graft --link=copy "$FOUR" donor.gguf -o out/x.gguf
expect_mode 600 out/x-0000{1,2,5}-of-00005.gguf
expect_mode 640 out/x-0000{3,4}-of-00005.gguf
chmod 640 target.gguf
graft --split-head target.gguf donor.gguf -o out/y.gguf --checksums out/y.sums
expect_mode 640 out/y-*.gguf out/y.sums
rm out/*

# In place nothing changes.
if ! is_plain_posix; then
  for mode in 640 604; do
    cp "$MODELS_DIR/$TARGET" out/place.gguf
    chmod $mode out/place.gguf
    run "$MTPGRAFT" graft -q --in-place out/place.gguf donor.gguf --checksums out/place.sums
    [[ $code == 5 ]] && skip_part "in place: $(head -n 1 "$STDERR")" && break
    expect_mode $mode out/place.gguf out/place.sums
    rm out/*
  done
fi

# The lists of a release: each that of its output, and those of all what all have.
mkdir models
cp "$MODELS_DIR/$TARGET" models/a-Q4_K_M.gguf
cp "$MODELS_DIR/$TARGET" models/b-Q4_K_M.gguf
chmod 644 models/a-Q4_K_M.gguf
chmod 640 models/b-Q4_K_M.gguf
cat >plan.json <<END
{"schema_version": 1, "grafts": [
  {"target": "models/a-Q4_K_M.gguf", "donor": "donor.gguf", "output": "a.gguf"},
  {"target": "models/b-Q4_K_M.gguf", "donor": "donor.gguf", "output": "b.gguf"}
], "output_directory": "released"}
END
expect_exit 0 "$MTPGRAFT" release plan.json
expect_mode 644 released/a.gguf released/a.gguf.sums
expect_mode 640 released/b.gguf released/b.gguf.sums released/SHA256SUMS released/release.json
