#!/usr/bin/env bash
# extract --no-shared-tensors: a sidecar that borrows its model's tensors, where something is known to read it.
. "$(dirname "$0")/common.sh"
archs=$FIXTURES_DIR/archs
ln -s "$archs/qwen4exp/"{full,sidecar,trunk}.gguf .

expect_exit 0 "$MTPGRAFT" extract full.gguf --no-shared-tensors -o slim.gguf
expect_stderr <<'END_OF_TEXT'
mtpgraft: warning: llama.cpp v0.5.0 does not load a sidecar without the shared tensors; unsloth's fork does
END_OF_TEXT
expect_exit 0 "$MTPGRAFT" inspect --json slim.gguf
[[ $(json '[(f["kind"], f["mtp"]["state"], f["tensor_count"]) for f in x["result"]["files"]]') == \
  "[('borrowing-sidecar', 'sidecar', 32)]" ]] || fail "another kind of file: $(cat "$STDOUT")"
expect_exit 0 "$MTPGRAFT" inspect slim.gguf
grep -q 'sidecar that borrows' "$STDOUT" || fail "not told: $(cat "$STDOUT")"

# The keys of a target, and a donor as the other sidecar is.
expect_exit 0 "$MTPGRAFT" extract -q sidecar.gguf --for trunk.gguf --no-shared-tensors -o for.gguf
"$MTPGRAFT" graft -q --no-sync --no-record trunk.gguf full.gguf -o direct.gguf 2>/dev/null
for donor in slim.gguf for.gguf; do
  "$MTPGRAFT" graft -q --no-sync --no-record --force trunk.gguf "$donor" -o again.gguf 2>/dev/null
  expect_same again.gguf direct.gguf
done

# Nothing is known to read such a file of another architecture.
expect_exit 3 "$MTPGRAFT" extract "$archs/qwen35/full.gguf" --no-shared-tensors -o refused.gguf
grep -q 'nothing is known to read a sidecar of qwen35 models' "$STDERR" || fail "another reason: $(cat "$STDERR")"
[[ ! -e refused.gguf ]] || fail "written all the same"
