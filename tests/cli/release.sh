# shellcheck shell=bash
# Sourced after common.sh by the tests of releases.
cp "$MODELS_DIR/$TARGET" "$SCRATCH/target-Q4_K_M.gguf"
cp "$FIXTURES_DIR/target-shuffled-keys.gguf" "$SCRATCH/target-Q5_K_M.gguf"
cp "$FIXTURES_DIR/target-align-64.gguf" "$SCRATCH/target-Q6_K.gguf"
cp "$MODELS_DIR/mtp-base-8L-BF16.gguf" "$SCRATCH/donor-BF16.gguf"
cp "$MODELS_DIR/$DONOR" "$SCRATCH/donor-Q8_0.gguf"
cp "$MODELS_DIR/mtp-base-8L-Q4_K_M.gguf" "$SCRATCH/donor-Q4_K.gguf"
outputs=(Tiny-MTP-Q6_K.gguf Tiny-MTP-Q5_K_M.gguf Tiny-MTP-Q4_K_M.gguf)
# shellcheck disable=SC2034  # for the tests
release_files=(SHA256SUMS release.json "${outputs[@]}" "${outputs[@]/%/.sums}")

# make_release DIR: three quants, three heads, a plan.
make_release() {
  mkdir -p "$1/quants" "$1/heads"
  ln "$SCRATCH/target-Q4_K_M.gguf" "$1/quants/Tiny-Q4_K_M.gguf"
  ln "$SCRATCH/target-Q5_K_M.gguf" "$1/quants/Tiny-Q5_K_M.gguf"
  ln "$SCRATCH/target-Q6_K.gguf" "$1/quants/Tiny-Q6_K.gguf"
  ln "$SCRATCH/donor-BF16.gguf" "$1/heads/mtp-Base-BF16.gguf"
  ln "$SCRATCH/donor-Q8_0.gguf" "$1/heads/mtp-Base-Q8_0.gguf"
  ln "$SCRATCH/donor-Q4_K.gguf" "$1/heads/mtp-Base-Q4_K.gguf"
  cat >"$1/PLAN.json" <<'JSON'
{
  "schema_version": 1,
  "output_directory": "out",
  "defaults": {"options": {"strict": true}},
  "grafts": [
    {"target": "quants/*-Q6_K.gguf", "donor": "heads/mtp-*-BF16.gguf"},
    {"target": "quants/*-Q5_K_M.gguf", "donor": "heads/mtp-*-Q8_0.gguf",
     "options": {"set": ["general.description=str:with its head"]}},
    {"target": "quants/*-Q4_K_M.gguf", "donor": "heads/mtp-*-Q4_K.gguf"}
  ]
}
JSON
}

# check_release DIR: its lists fit its files.
check_release() {
  (cd "$1" && sha256sum -c --quiet --strict SHA256SUMS) || fail "sha256sum finds differences in $1"
  for output in "${outputs[@]}"; do
    expect_exit 0 "$MTPGRAFT" verify "$1/$output" -c "$1/$output.sums" --exact --quiet
  done
}

expect_json() {
  [[ $(json "$1") == True ]] || fail "not true: $1, of: $last_command: $(head -c 2000 "$STDOUT")"
}
stamps() { stat -c '%n %i %y' "$1"/*; }
