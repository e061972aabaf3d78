#!/usr/bin/env bash
# GGUF donors whose heads keep the names of a checkpoint, as exports by Ollama and others, and the first fork's own
# architecture: a graft of one is that of the same head in llama.cpp's names. make_dialects.py made both.
. "$(dirname "$0")/common.sh"
use "$TARGET"
python3 -B "$SOURCE_DIR/tests/support/make_dialects.py" "$MODELS_DIR" .
mapfile -t inputs < <(ls -A)

# expect_graft_of_standard DONOR [OPTION]...: the graft of DONOR is that of standard/DONOR.
expect_graft_of_standard() {
  expect_exit 0 "$MTPGRAFT" graft -q --no-sync --no-record "${@:2}" "$TARGET" "$1" -o x.gguf
  expect_exit 0 "$MTPGRAFT" graft -q --no-sync --no-record "${@:2}" "$TARGET" "standard/$1" -o reference.gguf
  expect_same x.gguf reference.gguf
  rm x.gguf reference.gguf
}

# All names of the checkpoint, or those outside of the layer only; norms without the 1 where the name is the
# checkpoint's. The file is a model's that declares no head.
for kind in BF16 Q8_0 Q4_K_M; do
  for names in checkpoint-names half-renamed; do
    expect_graft_of_standard $names-$kind.gguf
  done
done
expect_graft_of_standard checkpoint-names-BF16.gguf --head-type q8_0

# A mixture of experts: a matrix for each, or gates and ups in one tensor.
"$MTPGRAFT" strip -q --no-sync standard/experts.gguf -o no-head.gguf
for donor in experts-apart experts-fused; do
  expect_exit 0 "$MTPGRAFT" graft -q --no-sync --no-record no-head.gguf $donor.gguf -o x.gguf
  expect_exit 0 "$MTPGRAFT" verify -q x.gguf --target no-head.gguf --donor standard/experts.gguf
  rm x.gguf
done
rm no-head.gguf

# What is said of it; the choice of the 1 is in the record, so that verify makes the same of the donor.
expect_exit 0 "$MTPGRAFT" graft --no-sync "$TARGET" half-renamed-Q8_0.gguf -o x.gguf
expect_text "$STDOUT" "^donor: the head is in the names of a checkpoint: they become llama\.cpp's, experts are stacked$"
expect_text "$STDOUT" '^donor: norm weights have a mean of about .*: 1 is added$'
expect_exit 0 "$MTPGRAFT" verify -q x.gguf --target "$TARGET" --donor half-renamed-Q8_0.gguf
expect_exit 0 "$MTPGRAFT" graft -q -f --no-sync --norm-offset 1 "$TARGET" half-renamed-Q8_0.gguf -o x.gguf
expect_exit 0 "$MTPGRAFT" verify -q x.gguf --target "$TARGET" --donor half-renamed-Q8_0.gguf
expect_exit 2 "$MTPGRAFT" graft -f --norm-offset 1 "$TARGET" standard/half-renamed-Q8_0.gguf -o x.gguf
rm x.gguf

# The architecture of the first fork that drafted.
expect_graft_of_standard mtp-architecture.gguf
expect_exit 0 "$MTPGRAFT" graft -n "$TARGET" mtp-architecture.gguf -o x.gguf
expect_text "$STDOUT" '^donor: .* general\.architecture is read without its _mtp$'

# inspect shows the file as it is, and the head as a graft reads it.
expect_exit 0 "$MTPGRAFT" inspect --json checkpoint-names-BF16.gguf mtp-architecture.gguf experts-apart.gguf
[[ $(json '[(f["mtp"]["dialects"], f["mtp"]["state"], f["mtp"]["tensors"]) for f in x["result"]["files"]]') == \
  "[(['checkpoint'], 'sidecar', 15), (['mtp-architecture'], 'sidecar', 15), (['checkpoint'], 'present', 20)]" ]] ||
  fail "other dialects: $(cat "$STDOUT")"

# A name that is neither the checkpoint's nor llama.cpp's is refused, not left out.
expect_exit 3 "$MTPGRAFT" graft "$TARGET" raw.gguf -o x.gguf
expect_text "$STDERR" "'mtp\.eh_proj\.weight' is none that qwen35 models are known to have"
no_leftovers . "${inputs[@]}"
