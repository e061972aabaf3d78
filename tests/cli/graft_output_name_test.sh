#!/usr/bin/env bash
# Without -o the output stands beside the target, with -MTP before the part of the name that tells the quantisation.
. "$(dirname "$0")/common.sh"

expect_name() {
  local target=$1 output=$2
  mkdir -p "$(dirname "$target")"
  cp "$MODELS_DIR/$TARGET" "$target"
  expect_exit 0 "$MTPGRAFT" graft -q --no-sync "$target" "$MODELS_DIR/$DONOR"
  no_leftovers "$(dirname "$target")" "$(basename "$target")" "$(basename "$output")"
  [[ -e $output ]] || fail "no $output"
  rm -f "$target" "$output"
}
expect_name Model-Q4_K_M.gguf Model-MTP-Q4_K_M.gguf
expect_name Model.Q6_K.gguf Model-MTP.Q6_K.gguf
expect_name Model-27B-v1.5-IQ3_XXS.gguf Model-27B-v1.5-MTP-IQ3_XXS.gguf
expect_name Model-UD-Q4_K_XL.gguf Model-MTP-UD-Q4_K_XL.gguf
expect_name Model-BF16.gguf Model-MTP-BF16.gguf
expect_name model-f16.gguf model-MTP-f16.gguf
expect_name Model-MXFP4_MOE.gguf Model-MTP-MXFP4_MOE.gguf
expect_name Model-TQ1_0.gguf Model-MTP-TQ1_0.gguf
expect_name Qwen3.gguf Qwen3-MTP.gguf
expect_name Model Model-MTP.gguf
expect_name 'Model with spaces-Q8_0.gguf' 'Model with spaces-MTP-Q8_0.gguf'
expect_name sub.directory/deep/Model-Q5_K_M.gguf sub.directory/deep/Model-MTP-Q5_K_M.gguf

# It is the target's directory as named, not the one that a link leads to.
mkdir store links
cp "$MODELS_DIR/$TARGET" store/blob
ln -s ../store/blob links/Model-Q4_K_M.gguf
expect_exit 0 "$MTPGRAFT" graft -q --no-sync links/Model-Q4_K_M.gguf "$MODELS_DIR/$DONOR"
no_leftovers links Model-Q4_K_M.gguf Model-MTP-Q4_K_M.gguf
no_leftovers store blob

# The default is taken or refused like any other name.
expect_exit 5 "$MTPGRAFT" graft links/Model-Q4_K_M.gguf "$MODELS_DIR/$DONOR"
expect_stderr <<'END'
mtpgraft: links/Model-MTP-Q4_K_M.gguf: the output exists
  hint: use --force to replace it, or -o for another name
END

# -o decides alone.
expect_exit 0 "$MTPGRAFT" graft -q --no-sync links/Model-Q4_K_M.gguf "$MODELS_DIR/$DONOR" -o any.name
[[ -s any.name ]] || fail "no any.name"
