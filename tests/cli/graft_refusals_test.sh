#!/usr/bin/env bash
# Pairs that no runtime could load, or that would crash it: exit code 3, the whole message, no output.
. "$(dirname "$0")/common.sh"

# expect_refusal TARGET DONOR [OPTION...], the message on standard input.
expect_refusal() {
  local target=$1 donor=$2 code
  cat >"$SCRATCH/message"
  rm -f ./*
  use "$target" "$donor"
  for option in '' --dry-run; do
    # shellcheck disable=SC2086  # empty is no argument
    expect_exit 3 "$MTPGRAFT" graft $option "$@" -o out.gguf
    expect_nothing_on stdout
    expect_stderr <"$SCRATCH/message"
    no_leftovers . "$target" "$donor"
  done
}

expect_refusal "$TARGET" donor-no-head.gguf <<'END'
mtpgraft: donor-no-head.gguf: the donor has no head (no 'blk.N.nextn.*' tensors)
  hint: give the base model's GGUF with its MTP head, or an mtp-*.gguf of it
END
expect_refusal "$TARGET" donor-no-eh-proj.gguf <<'END'
mtpgraft: donor-no-eh-proj.gguf: the donor's head is broken
  - the head lacks 'blk.8.nextn.eh_proj.weight'
  hint: give the base model's GGUF with its MTP head, or an mtp-*.gguf of it
END
expect_refusal "$TARGET" target-shard.gguf <<'END'
mtpgraft: target-shard.gguf: is the first of 2 files by its keys, so its name must end with '-00001-of-00002.gguf' (at byte 26972)
  hint: the files of a split model stand in one directory, named as they were made
END
expect_refusal "$TARGET" donor-wrong-arch.gguf <<'END'
mtpgraft: donor-wrong-arch.gguf: general.architecture: target qwen35, donor qwen35moe
  hint: take the head from the model that the target was made from
END
expect_refusal "$TARGET" donor-wrong-width.gguf <<'END'
mtpgraft: target-12L-Q4_K_M.gguf: the head of 'donor-wrong-width.gguf' does not fit
  - embedding_length: target 256, donor 512
  hint: take the head from the model that the target was made from
END
expect_refusal "$TARGET" donor-ffn.gguf <<'END'
mtpgraft: target-12L-Q4_K_M.gguf: the head of 'donor-ffn.gguf' does not fit
  - feed_forward_length: target 768, donor 1024
  hint: take the head from the model that the target was made from
END
expect_refusal "$TARGET" donor-transposed-eh-proj.gguf <<'END'
mtpgraft: target-12L-Q4_K_M.gguf: the head of 'donor-transposed-eh-proj.gguf' does not fit
  - head tensor 'blk.8.nextn.eh_proj.weight' has shape [256, 512, 1, 1], the target asks for [512, 256, 1, 1]
END
expect_refusal "$TARGET" donor-two-heads.gguf <<'END'
mtpgraft: target-12L-Q4_K_M.gguf: the head of 'donor-two-heads.gguf' does not fit
  - the donor's head has 2 blocks, llama.cpp drafts with 1 in qwen35 models
END
expect_refusal "$TARGET" donor-fork-type.gguf <<'END'
mtpgraft: target-12L-Q4_K_M.gguf: the head of 'donor-fork-type.gguf' does not fit
  - head tensor 'blk.8.nextn.eh_proj.weight' has type IQ4_K, which upstream llama.cpp does not read; all of the target's types are upstream's
END
expect_refusal "$TARGET" donor-unknown-type.gguf <<'END'
mtpgraft: target-12L-Q4_K_M.gguf: the head of 'donor-unknown-type.gguf' does not fit
  - head tensor 'blk.8.nextn.eh_proj.weight' has type #199, which upstream llama.cpp does not read; all of the target's types are upstream's
END
expect_refusal "$TARGET" donor-nvfp4-scales.gguf <<'END'
mtpgraft: target-12L-Q4_K_M.gguf: the head of 'donor-nvfp4-scales.gguf' does not fit
  - head tensor 'blk.8.nextn.eh_proj.scale' is an NVFP4 scale: llama.cpp then loads the file only when drafting; use a donor in BF16 or Q8_0
END
expect_refusal target-with-head.gguf "$DONOR" <<'END'
mtpgraft: target-with-head.gguf: the target already has a head at blk.12 (15 tensors)
  hint: use --replace to put the donor's head in its place
END
expect_refusal target-with-head-first.gguf "$DONOR" <<'END'
mtpgraft: target-with-head-first.gguf: the target already has a head at blk.12 (15 tensors)
  hint: use --replace to put the donor's head in its place
END
expect_refusal target-head-norms-f16.gguf "$DONOR" <<'END'
mtpgraft: target-head-norms-f16.gguf: the target already has a head at blk.12 (15 tensors)
  hint: use --replace to put the donor's head in its place
END
expect_refusal target-broken-head.gguf "$DONOR" <<'END'
mtpgraft: target-broken-head.gguf: the target's head is broken
  - the head lacks 'blk.12.nextn.eh_proj.weight'
  hint: use --replace to put the donor's head in its place
END
expect_refusal target-undeclared-head.gguf "$DONOR" <<'END'
mtpgraft: target-undeclared-head.gguf: the target's head is broken
  - it has a head at blk.12, but no key 'qwen35.nextn_predict_layers' that declares it
  hint: use --replace to put the donor's head in its place
END
expect_refusal target-shard.gguf "$DONOR" <<'END'
mtpgraft: target-shard.gguf: is the first of 2 files by its keys, so its name must end with '-00001-of-00002.gguf' (at byte 26972)
  hint: the files of a split model stand in one directory, named as they were made
END

# A target that is itself only a head, or the donor of another.
expect_refusal mtp-base-8L-BF16.gguf "$DONOR" <<'END'
mtpgraft: mtp-base-8L-BF16.gguf: the target is a head without trunk
  hint: the model comes first, the head's donor second
END
expect_refusal head-only-base-8L-BF16.gguf "$DONOR" <<'END'
mtpgraft: head-only-base-8L-BF16.gguf: the target is a head without trunk
  hint: the model comes first, the head's donor second
END
expect_refusal "$DONOR" "$TARGET" <<'END'
mtpgraft: mtp-base-8L-Q8_0.gguf: the target is a head without trunk
  hint: the model comes first, the head's donor second: target-12L-Q4_K_M.gguf mtp-base-8L-Q8_0.gguf
END
expect_refusal moe-qwen35moe-target.gguf "$DONOR" <<'END'
mtpgraft: mtp-base-8L-Q8_0.gguf: general.architecture: target qwen35moe, donor qwen35
  hint: take the head from the model that the target was made from
END
expect_refusal moe-qwen3next-target.gguf moe-qwen35moe-donor.gguf <<'END'
mtpgraft: moe-qwen35moe-donor.gguf: general.architecture: target qwen3next, donor qwen35moe
  hint: take the head from the model that the target was made from
END

# --replace mends a head, not a model in pieces or of another kind.
expect_refusal target-shard.gguf "$DONOR" --replace <<'END'
mtpgraft: target-shard.gguf: is the first of 2 files by its keys, so its name must end with '-00001-of-00002.gguf' (at byte 26972)
  hint: the files of a split model stand in one directory, named as they were made
END
expect_refusal target-with-head.gguf donor-wrong-width.gguf --replace <<'END'
mtpgraft: target-with-head.gguf: the head of 'donor-wrong-width.gguf' does not fit
  - embedding_length: target 256, donor 512
  hint: take the head from the model that the target was made from
END
for target in target-with-head target-with-head-first target-head-norms-f16 target-broken-head target-undeclared-head; do
  rm -f ./*
  use "$target.gguf" "$DONOR" "$TARGET"
  expect_exit 0 "$MTPGRAFT" graft -q --strict --replace "$target.gguf" "$DONOR" -o out.gguf
  expect_exit 0 "$MTPGRAFT" verify -q out.gguf --target "$target.gguf" --donor "$DONOR"
done
