#!/usr/bin/env bash
# What a graft and a dry run print.
. "$(dirname "$0")/common.sh"
use "$TARGET" "$DONOR" target-with-head.gguf donor-norms-f16.gguf

expect_exit 0 "$MTPGRAFT" graft --dry-run "$TARGET" "$DONOR"
expect_nothing_on stderr
expect_stdout <<'END'
target  target-12L-Q4_K_M.gguf      qwen35  12 trunk blocks, no head
donor   mtp-base-8L-Q8_0.gguf       qwen35  sidecar, a head without trunk: blk.8: 15 tensors, 1.0 MiB: Q8_0 1020.0 KiB (8), F32 5.5 KiB (7)
output  target-12L-MTP-Q4_K_M.gguf  qwen35  177 tensors, 7.4 MiB (7774208 bytes), head at blk.12
keys
  qwen35.block_count           u32     12   ->  13
  qwen35.nextn_predict_layers  u32     new  ->  1
  mtpgraft.record              string  new  ->  origin, old values, digest of the head
tensors
  blk.8.attn_k.weight                  ->  blk.12.attn_k.weight                  Q8_0  [256, 128]  34816 bytes
  blk.8.attn_k_norm.weight             ->  blk.12.attn_k_norm.weight             F32   [64]        256 bytes
  blk.8.attn_norm.weight               ->  blk.12.attn_norm.weight               F32   [256]       1024 bytes
  blk.8.attn_output.weight             ->  blk.12.attn_output.weight             Q8_0  [256, 256]  69632 bytes
  blk.8.attn_q.weight                  ->  blk.12.attn_q.weight                  Q8_0  [256, 512]  139264 bytes
  blk.8.attn_q_norm.weight             ->  blk.12.attn_q_norm.weight             F32   [64]        256 bytes
  blk.8.attn_v.weight                  ->  blk.12.attn_v.weight                  Q8_0  [256, 128]  34816 bytes
  blk.8.ffn_down.weight                ->  blk.12.ffn_down.weight                Q8_0  [768, 256]  208896 bytes
  blk.8.ffn_gate.weight                ->  blk.12.ffn_gate.weight                Q8_0  [256, 768]  208896 bytes
  blk.8.ffn_up.weight                  ->  blk.12.ffn_up.weight                  Q8_0  [256, 768]  208896 bytes
  blk.8.nextn.eh_proj.weight           ->  blk.12.nextn.eh_proj.weight           Q8_0  [512, 256]  139264 bytes
  blk.8.nextn.enorm.weight             ->  blk.12.nextn.enorm.weight             F32   [256]       1024 bytes
  blk.8.nextn.hnorm.weight             ->  blk.12.nextn.hnorm.weight             F32   [256]       1024 bytes
  blk.8.nextn.shared_head_norm.weight  ->  blk.12.nextn.shared_head_norm.weight  F32   [256]       1024 bytes
  blk.8.post_attention_norm.weight     ->  blk.12.post_attention_norm.weight     F32   [256]       1024 bytes
dry run: nothing was written; 7.4 MiB needed, N free
dry run: of the head's values only norms and biases were looked at; the others are before a byte is written
END
cp "$STDOUT" "$SCRATCH/dry-run"
no_leftovers . "$TARGET" "$DONOR" target-with-head.gguf donor-norms-f16.gguf

expect_exit 0 "$MTPGRAFT" graft -n -q "$TARGET" "$DONOR"
expect_nothing_on stdout stderr

expect_exit 0 "$MTPGRAFT" graft "$TARGET" "$DONOR"
expect_nothing_on stderr
expect_stdout <<'END'
target  target-12L-Q4_K_M.gguf      qwen35  12 trunk blocks, no head
donor   mtp-base-8L-Q8_0.gguf       qwen35  sidecar, a head without trunk: blk.8: 15 tensors, 1.0 MiB: Q8_0 1020.0 KiB (8), F32 5.5 KiB (7)
output  target-12L-MTP-Q4_K_M.gguf  qwen35  177 tensors, 7.4 MiB (7774208 bytes), head at blk.12
keys
  qwen35.block_count           u32     12   ->  13
  qwen35.nextn_predict_layers  u32     new  ->  1
  mtpgraft.record              string  new  ->  origin, old values, digest of the head
7.4 MiB in N s: WAYS; to draft with it:
  llama-server -m target-12L-MTP-Q4_K_M.gguf --spec-type draft-mtp --spec-draft-n-max 2
to prove it byte for byte:
  mtpgraft verify target-12L-MTP-Q4_K_M.gguf --target target-12L-Q4_K_M.gguf --donor mtp-base-8L-Q8_0.gguf
END
[[ $(stat -c %s "$GRAFT") == 7774208 ]] || fail "the output has another size than was printed"

# The listing of a dry run, with -v.
expect_exit 0 "$MTPGRAFT" graft -v -f "$TARGET" "$DONOR"
{
  sed '/^dry run: /d' "$SCRATCH/dry-run"
  sed -n '/^copies$/,/^  donor /p' "$STDOUT"
  echo '7.4 MiB in N s: WAYS; to draft with it:'
  echo "  llama-server -m $GRAFT --spec-type draft-mtp --spec-draft-n-max 2"
  echo 'to prove it byte for byte:'
  echo "  mtpgraft verify $GRAFT --target $TARGET --donor $DONOR"
} | normalise >"$SCRATCH/expected"
expect_stdout <"$SCRATCH/expected"

# A dry run ends as the real one would, but shows the plan first.
expect_exit 5 "$MTPGRAFT" graft -n "$TARGET" "$DONOR"
expect_stdout < <(sed -E '/^dry run: /s/[0-9.]+ [GKM]iB free/N free/' "$SCRATCH/dry-run" | normalise)
expect_stderr <<'END'
mtpgraft: target-12L-MTP-Q4_K_M.gguf: the output exists
  hint: use --force to replace it, or -o for another name
END

# Inputs that are taken apart or converted are said to be.
expect_exit 0 "$MTPGRAFT" graft --replace target-with-head.gguf donor-norms-f16.gguf -o other.gguf
expect_nothing_on stderr
expect_stdout <<'END'
target  target-with-head.gguf  qwen35  12 trunk blocks, head at blk.12: 15 tensors, 1.0 MiB: Q8_0 1020.0 KiB (8), F32 5.5 KiB (7)
donor   donor-norms-f16.gguf   qwen35  sidecar, a head without trunk: blk.8: 15 tensors, 1.9 MiB: BF16 1.9 MiB (8), F16 2.8 KiB (7)
output  other.gguf             qwen35  177 tensors, 8.3 MiB (8696768 bytes), head at blk.12
keys
  mtpgraft.record  string  new  ->  origin, old values, digest of the head
7 head tensors of one dimension converted to F32, which llama.cpp needs to draft
15 tensors of the target's old head taken out
8.3 MiB in N s: WAYS; to draft with it:
  llama-server -m other.gguf --spec-type draft-mtp --spec-draft-n-max 2
to prove it byte for byte:
  mtpgraft verify other.gguf --target target-with-head.gguf --donor donor-norms-f16.gguf
END

expect_exit 0 "$MTPGRAFT" graft -q "$TARGET" "$DONOR" -o quiet.gguf
expect_nothing_on stdout stderr
expect_same quiet.gguf "$GRAFT"
