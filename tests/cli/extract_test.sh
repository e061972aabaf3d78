#!/usr/bin/env bash
# extract: a head in a file of its own, as a sidecar for llama.cpp or as a small donor.
. "$(dirname "$0")/common.sh"
use "$TARGET" "$DONOR" target-with-head.gguf head-only-base-8L-BF16.gguf donor-norms-f16.gguf donor-wrong-width.gguf \
  donor-no-head.gguf donor-rope.gguf hf-base-8L
inputs=("$TARGET" "$DONOR" target-with-head.gguf head-only-base-8L-BF16.gguf donor-norms-f16.gguf donor-wrong-width.gguf
  donor-no-head.gguf donor-rope.gguf hf-base-8L "$GRAFT")
"$MTPGRAFT" graft -q --no-sync "$TARGET" "$DONOR"

head_lines='  blk.8.attn_k.weight                  ->  blk.12.attn_k.weight                  Q8_0  [256, 128]  34816 bytes
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
  blk.8.post_attention_norm.weight     ->  blk.12.post_attention_norm.weight     F32   [256]       1024 bytes'

# A sidecar, with what a dry run tells of it.
expect_exit 0 "$MTPGRAFT" extract "$GRAFT" -o mtp-own.gguf
expect_nothing_on stderr
expect_stdout <<END_OF_TEXT
donor   $GRAFT  qwen35  head at blk.12: 15 tensors, 1.0 MiB: Q8_0 1020.0 KiB (8), F32 5.5 KiB (7)
output  mtp-own.gguf                qwen35  18 tensors, 1.4 MiB (1441728 bytes), sidecar with a head at blk.12
1.4 MiB in N s: WAYS; to draft with it:
  llama-server -m MODEL -md mtp-own.gguf --spec-type draft-mtp --spec-draft-n-max 2
END_OF_TEXT
expect_exit 0 "$MTPGRAFT" inspect --json mtp-own.gguf
[[ $(json '[(f["mtp"]["state"], f["mtp"]["first_block"], f["mtp"]["grafted_from"]) for f in x["result"]["files"]]') == \
  "[('sidecar', 12, None)]" ]] || fail "another kind of file: $last_command: $(cat "$STDOUT")"
expect_exit 0 "$MTPGRAFT" verify mtp-own.gguf
expect_exit 0 "$MTPGRAFT" extract -n "$DONOR" --for "$TARGET" -o mtp-for.gguf
expect_nothing_on stderr
expect_stdout <<END_OF_TEXT
donor   $DONOR  qwen35  sidecar, a head without trunk: blk.8: 15 tensors, 1.0 MiB: Q8_0 1020.0 KiB (8), F32 5.5 KiB (7)
output  mtp-for.gguf           qwen35  18 tensors, 1.4 MiB (1441728 bytes), sidecar with a head at blk.12
keys
  qwen35.block_count           u32  12   ->  13
  qwen35.nextn_predict_layers  u32  new  ->  1
tensors
$head_lines
dry run: nothing was written; 1.4 MiB needed, N free
dry run: of the head's values only norms and biases were looked at; the others are before a byte is written
END_OF_TEXT
no_leftovers . "${inputs[@]}" mtp-own.gguf

# For a model, from its own head or from the donor's: the same file.
expect_exit 0 "$MTPGRAFT" extract -q "$DONOR" --for "$TARGET" -o mtp-for.gguf --checksums sums
expect_nothing_on stdout stderr
expect_same mtp-for.gguf mtp-own.gguf
"$MTPGRAFT" checksum mtp-for.gguf >other.sums
expect_same sums other.sums
rm sums other.sums mtp-for.gguf

# The head alone.
expect_exit 0 "$MTPGRAFT" extract "$GRAFT" --tensors-only -o head.gguf
expect_nothing_on stderr
expect_stdout <<END_OF_TEXT
donor   $GRAFT  qwen35  head at blk.12: 15 tensors, 1.0 MiB: Q8_0 1020.0 KiB (8), F32 5.5 KiB (7)
output  head.gguf                   qwen35  15 tensors, 1.0 MiB (1051104 bytes), head tensors only, at blk.12
1.0 MiB in N s: WAYS; to graft it:
  mtpgraft graft TARGET head.gguf
END_OF_TEXT

# Every form is a donor, and makes the graft that the donor itself makes.
"$MTPGRAFT" graft -q --no-sync --no-record "$TARGET" "$DONOR" -o direct.gguf
for donor in mtp-own.gguf head.gguf; do
  "$MTPGRAFT" graft -q --no-sync --no-record "$TARGET" "$donor" -o again.gguf
  expect_same again.gguf direct.gguf
  rm again.gguf
done
rm direct.gguf mtp-own.gguf head.gguf

# Norms become F32 at once.
expect_exit 0 "$MTPGRAFT" extract donor-norms-f16.gguf --tensors-only -o head.gguf
expect_text "$STDOUT" '^7 head tensors of one dimension converted to F32, which llama.cpp needs to draft$'
expect_exit 0 "$MTPGRAFT" inspect --json head.gguf
[[ $(json '[(t["type"], t["tensors"]) for t in x["result"]["files"][0]["types"]]') == "[('BF16', 8), ('F32', 7)]" ]] ||
  fail "other types: $last_command"
rm head.gguf

# A checkpoint's head, in another type.
expect_exit 0 "$MTPGRAFT" extract hf-base-8L --for "$TARGET" --head-type q8_0 -o mtp-hf.gguf
expect_nothing_on stderr
expect_stdout <<END_OF_TEXT
donor   hf-base-8L   qwen35  sidecar, a head without trunk: blk.8: 15 tensors, 1.0 MiB: Q8_0 1020.0 KiB (8), F32 5.5 KiB (7)
output  mtp-hf.gguf  qwen35  18 tensors, 1.4 MiB (1441728 bytes), sidecar with a head at blk.12
donor: norm weights have a mean of about 0.24: 1 is added
donor: matrices converted to Q8_0
keys
  qwen35.block_count           u32  12   ->  13
  qwen35.nextn_predict_layers  u32  new  ->  1
1.4 MiB in N s: WAYS; to draft with it:
  llama-server -m target-12L-Q4_K_M.gguf -md mtp-hf.gguf --spec-type draft-mtp --spec-draft-n-max 2
END_OF_TEXT
rm mtp-hf.gguf

# Warnings are graft's.
expect_exit 0 "$MTPGRAFT" extract donor-rope.gguf --for "$TARGET" -o out.gguf
expect_text "$STDERR" '^mtpgraft: warning: .*rope.freq_base'
expect_text "$STDOUT" '^1 warning, on stderr$'
rm out.gguf

# JSON.
expect_exit 0 "$MTPGRAFT" extract --json hf-base-8L --for "$TARGET" -o out.gguf
expect_nothing_on stderr
[[ $(json 'list(x["result"])') == "['dry_run', 'donor', 'donor_commit', 'donor_notes', 'donor_quantisation', 'fetch', 'form', 'output', 'output_size', 'outputs', 'needed_bytes', 'free_bytes', 'data_offset', 'tensor_count', 'head', 'values_checked', 'keys', 'tensors', 'warnings', 'in_place', 'bytes_cloned', 'bytes_kept', 'bytes_linked', 'bytes_copied', 'bytes_allocated', 'seconds']" ]] ||
  fail "other fields: $(json 'list(x["result"])')"
[[ $(json 'x["command"], x["result"]["form"], x["result"]["donor_notes"], x["result"]["head"]') == \
  "('extract', 'sidecar', ['norm weights have a mean of about 0.24: 1 is added'], {'first_block': 12, 'blocks': 1, 'bytes': 1971712})" ]] ||
  fail "other values: $(cat "$STDOUT")"
[[ $(json 'list(x["result"]["tensors"][0].values())[:4], len(x["result"]["tensors"]), x["result"]["tensor_count"]') == \
  "(['blk.12.attn_k.weight', 'blk.8.attn_k.weight', 'BF16', 'BF16'], 15, 18)" ]] || fail "other tensors: $(cat "$STDOUT")"
rm out.gguf
expect_exit 0 "$MTPGRAFT" extract --json -n --tensors-only "$DONOR" -o out.gguf
[[ $(json 'x["result"]["form"], x["result"]["dry_run"], x["result"]["seconds"], x["result"]["keys"]') == \
  "('tensors-only', True, None, [])" ]] || fail "other values: $(cat "$STDOUT")"

# Refusals leave nothing behind.
expect_refusal() {
  local expected=$1
  shift
  expect_exit "$expected" "$MTPGRAFT" extract "$@"
  expect_nothing_on stdout
  no_leftovers . "${inputs[@]}"
}
expect_refusal 3 donor-no-head.gguf -o out.gguf
expect_refusal 3 "$TARGET" -o out.gguf
for donor in head-only-base-8L-BF16.gguf hf-base-8L; do
  expect_refusal 3 "$donor" -o out.gguf
  expect_stderr <<END_OF_TEXT
mtpgraft: $donor: has no tensor 'token_embd.weight', which llama.cpp wants in a sidecar
  hint: --for TARGET takes it from the target; --tensors-only makes a donor without it; of a checkpoint only the head is read
END_OF_TEXT
done
expect_refusal 3 donor-wrong-width.gguf --for "$TARGET" -o out.gguf
expect_text "$STDERR" 'embedding_length: target 256, donor 512'
expect_refusal 3 "$DONOR" --for "$DONOR" -o out.gguf
expect_refusal 2 "$DONOR"
expect_refusal 2 -o out.gguf
expect_refusal 2 "$DONOR" -o ''
expect_refusal 2 "$DONOR" -o -
expect_refusal 2 "$DONOR" -o out.gguf --in-place
expect_refusal 4 none.gguf -o out.gguf
expect_refusal 4 "$DONOR" --for none.gguf -o out.gguf
expect_refusal 5 "$DONOR" -o "$DONOR"
expect_refusal 5 "$DONOR" --for "$TARGET" -f -o "./$TARGET"
expect_refusal 5 hf-base-8L -f -o hf-base-8L/mtp.safetensors
expect_refusal 5 "$DONOR" -o out.gguf --checksums out.gguf
