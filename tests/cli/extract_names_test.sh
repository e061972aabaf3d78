#!/usr/bin/env bash
# Without -o a head's file is called mtp-MODEL-TYPE.gguf, beside the model, and never in a cache.
. "$(dirname "$0")/common.sh"

# expect_name OUTPUT ARGUMENT...: in an empty directory but for what is there; then the output goes.
expect_name() {
  local output=$1
  shift
  expect_exit 0 "$MTPGRAFT" extract --no-sync "$@"
  [[ -f $output ]] || fail "no $output: $last_command: $(cat "$STDOUT")"
  expect_text "$STDOUT" "^output  $output "
  rm -f "$output"
}
mkdir dir
cp "$FIXTURES_DIR/target-with-head.gguf" dir/Base-MTP-Q4_K_M.gguf
cp "$MODELS_DIR/mtp-base-8L-BF16.gguf" mtp-Base-BF16.gguf
cp "$MODELS_DIR/$TARGET" dir/Model-UD-Q4_K_XL.gguf
cp -r "$MODELS_DIR/hf-base-8L" dir/Qwen3.5-9B
cp "$MODELS_DIR/$DONOR" head.gguf
before=$(find . | sort)

# The type is the head's, not that of the donor's name.
expect_name dir/mtp-Base-Q8_0.gguf dir/Base-MTP-Q4_K_M.gguf
expect_name dir/mtp-Base-Q8_0.gguf dir/Base-MTP-Q4_K_M.gguf --tensors-only
expect_name ./mtp-Base-Q8_0.gguf ./mtp-Base-BF16.gguf --head-type q8_0
expect_name mtp-head-Q8_0.gguf head.gguf
expect_name dir/mtp-Model-BF16.gguf mtp-Base-BF16.gguf --for dir/Model-UD-Q4_K_XL.gguf
expect_name dir/mtp-Model-BF16.gguf dir/Qwen3.5-9B --for dir/Model-UD-Q4_K_XL.gguf
expect_name dir/mtp-Qwen3.5-9B-BF16.gguf dir/Qwen3.5-9B --tensors-only
expect_name dir/mtp-Qwen3.5-9B-Q8_0.gguf dir/Qwen3.5-9B/ --tensors-only --head-type q8_0
cp -r dir/Qwen3.5-9B Here
cd Here
expect_name mtp-Here-BF16.gguf . --tensors-only
cd ..
rm -r Here

# In caches nothing is written: the current directory gets it.
mkdir -p blobs models--Qwen--Qwen3.5-4B/{blobs,snapshots/0123456789abcdef0123456789abcdef01234567}
digest=$(sha256sum <dir/Base-MTP-Q4_K_M.gguf | cut -d' ' -f1)
cp dir/Base-MTP-Q4_K_M.gguf "blobs/sha256-$digest"
snapshot=models--Qwen--Qwen3.5-4B/snapshots/0123456789abcdef0123456789abcdef01234567
cp dir/Base-MTP-Q4_K_M.gguf "models--Qwen--Qwen3.5-4B/blobs/$digest"
ln -s "../../blobs/$digest" "$snapshot/Small-MTP-Q4_K_M.gguf"
cp dir/Qwen3.5-9B/* "$snapshot/"
# By general.name, as its own says nothing.
expect_name mtp-tiny-qwen35-target-12L-Q8_0.gguf "blobs/sha256-$digest"
expect_name mtp-Small-Q8_0.gguf "$snapshot/Small-MTP-Q4_K_M.gguf"
rm "$snapshot/Small-MTP-Q4_K_M.gguf"
expect_name mtp-Qwen3.5-4B-BF16.gguf "$snapshot" --tensors-only
cd "$snapshot"
expect_exit 2 "$MTPGRAFT" extract . --tensors-only
expect_text "$STDERR" '^mtpgraft: the current directory is in a cache'
cd - >/dev/null
rm -r blobs models--*

# A name that is the donor's or the target's own is said, and nothing is replaced without --force.
expect_exit 2 "$MTPGRAFT" extract mtp-Base-BF16.gguf
expect_nothing_on stdout
expect_stderr <<'END'
mtpgraft: 'mtp-Base-BF16.gguf' is the name that the head's file would have, and is read here
  hint: give the output a name with -o
END
expect_exit 2 "$MTPGRAFT" extract --force mtp-Base-BF16.gguf
expect_exit 2 "$MTPGRAFT" extract --json mtp-Base-BF16.gguf
[[ $(json 'x["error"]["remedy"]') == name-output ]] || fail "another error: $(cat "$STDOUT")"
cp mtp-Base-BF16.gguf mtp-head-Q8_0.gguf
expect_exit 5 "$MTPGRAFT" extract head.gguf
expect_same mtp-head-Q8_0.gguf mtp-Base-BF16.gguf
expect_exit 0 "$MTPGRAFT" extract -q --force head.gguf
expect_exit 0 "$MTPGRAFT" verify mtp-head-Q8_0.gguf
rm mtp-head-Q8_0.gguf
# A dry run tells the name.
expect_exit 0 "$MTPGRAFT" extract -n --json dir/Base-MTP-Q4_K_M.gguf
[[ $(json 'x["result"]["output"]') == dir/mtp-Base-Q8_0.gguf ]] || fail "another name: $(cat "$STDOUT")"
[[ $(find . | sort) == "$before" ]] || fail "something is left: $(find . | sort)"
