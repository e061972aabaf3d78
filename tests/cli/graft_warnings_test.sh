#!/usr/bin/env bash
# Each warning: on stderr beside a graft that is made, and with --strict a refusal that makes nothing.
. "$(dirname "$0")/common.sh"

# expect_warning TARGET DONOR OUTPUT, the warning on standard input.
expect_warning() {
  local target=$1 donor=$2 output=$3 warning
  warning=$(cat)
  rm -f ./*
  use "$target" "$donor"
  expect_exit 0 "$MTPGRAFT" graft --no-sync "$target" "$donor" -o "$output"
  expect_stderr <<<"mtpgraft: warning: $warning"
  expect_text "$STDOUT" '^output .*177 tensors'
  no_leftovers . "$target" "$donor" "$output"
  expect_exit 0 "$MTPGRAFT" graft --dry-run -f "$target" "$donor" -o "$output"
  expect_stderr <<<"mtpgraft: warning: $warning"
  expect_exit 0 "$MTPGRAFT" graft --no-sync -q -f "$target" "$donor" -o "$output"
  expect_nothing_on stdout
  expect_stderr <<<"mtpgraft: warning: $warning"

  rm "$output"
  expect_exit 3 "$MTPGRAFT" graft --strict "$target" "$donor" -o "$output"
  expect_nothing_on stdout
  expect_text "$STDERR" "$(sed 's/[][().*^$+?{}|\\]/\\&/g' <<<"$warning")"
  no_leftovers . "$target" "$donor"
}

expect_warning "$TARGET" donor-other-tokenizer.gguf out.gguf <<'END'
tokenizer.ggml.tokens differs from entry 300 on (target 1024 entries, donor 1024): a head trained on other tokens drafts noise
END
expect_warning "$TARGET" donor-other-merges.gguf out.gguf <<'END'
tokenizer.ggml.merges differs from entry 10 on (target 765 entries, donor 765): a head trained on other tokens drafts noise
END
expect_warning "$TARGET" donor-rope.gguf out.gguf <<'END'
rope.freq_base: target 10000, donor 1000000; the head will run with the target's
END
expect_warning "$TARGET" donor-eps.gguf out.gguf <<'END'
attention.layer_norm_rms_epsilon: target 1e-06, donor 1e-05; the head will run with the target's
END
expect_warning "$TARGET" donor-norms-unshifted.gguf out.gguf <<'END'
7 of the head's 7 norm weights are not 1 + w, as llama.cpp expects, and such a head drafts noise: 'blk.8.attn_k_norm.weight' has a mean of 0.70: without the 1; 'blk.8.attn_norm.weight' has a mean of 0.24: without the 1; 'blk.8.attn_q_norm.weight' has a mean of 0.72: without the 1; 'blk.8.nextn.enorm.weight' has a mean of 0.01: without the 1; 'blk.8.nextn.hnorm.weight' has a mean of 0.14: without the 1; 'blk.8.nextn.shared_head_norm.weight' has a mean of 0.68: without the 1; 'blk.8.post_attention_norm.weight' has a mean of -0.01: without the 1
END
expect_warning target-base-model.gguf donor-base-model.gguf out.gguf <<'END'
the target is based on 'https://huggingface.co/x/tiny-qwen35-base-8l', the donor's head belongs to 'https://huggingface.co/x/something-else-9b': a head of another model loads and drafts noise
END
expect_warning target-trailing-bytes.gguf "$DONOR" out.gguf <<'END'
the target has 5000 bytes after its last tensor; they are not part of the model and are dropped
END
expect_warning "$TARGET" "$DONOR" my-mtp-model.gguf <<'END'
'my-mtp-model.gguf' contains 'mtp-' in lower case: llama.cpp's -hf takes such files for sidecars and does not list them as models
END

# Where nothing is doubtful --strict changes nothing.
for pair in "$TARGET $DONOR" "target-base-model.gguf $DONOR" "target-placeholder.gguf $DONOR" \
  "target-head-count-kv-array-zeros.gguf $DONOR" "$TARGET donor-no-shared-head-norm.gguf" \
  "$TARGET donor-fused-qkv.gguf" "$TARGET head-only-base-8L-BF16.gguf" "target-odd-keys.gguf $DONOR" "target-unpadded-end.gguf $DONOR"; do
  read -r target donor <<<"$pair"
  rm -f ./*
  use "$target" "$donor"
  expect_exit 0 "$MTPGRAFT" graft -q --strict "$target" "$donor" -o out.gguf
  expect_nothing_on stdout stderr
done
