#!/usr/bin/env bash
# Builds the fuzz targets with clang and lets each look for faults for a while, three at a time:
#   fuzz.sh [SECONDS] [TARGET...]      20 seconds and all targets, if it is not said otherwise
# Starts from tests/fuzz/corpus, what was once a finding, and seeds of the models and, where `ctest --preset asan` has
# made them, of the fixtures. New inputs stay in build/asan/fuzz. Fails if there is a finding, and tells how to see it.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-20}
[[ $seconds =~ ^[1-9][0-9]*$ ]] || { sed -n '3s/^# */usage: /p' "$0" >&2; exit 2; }
targets=("${@:2}")
if ((${#targets[@]} == 0)); then
  targets=(header plan safetensors checksums split record server)
fi
for target in "${targets[@]}"; do
  [[ -f tests/fuzz/${target}_fuzzer.cc ]] || { echo "no such target: $target" >&2; exit 2; }
done
declare -A dictionary=([header]=gguf [plan]=gguf [split]=gguf [safetensors]=json [record]=json [checksums]=checksums [server]=json)

scripts/build.sh asan --target "${targets[@]/%/_fuzzer}"
out=build/asan/fuzz
rm -rf "$out/seeds"
python3 -B tests/fuzz/make_seeds.py --fixtures build/asan/tests/fixtures "$out/seeds"
# Freed memory need not be held back for long: no input is large.
export ASAN_OPTIONS=${ASAN_OPTIONS:-quarantine_size_mb=32}

# fuzz TARGET: its log, and what it found, are in $out/TARGET.
fuzz() {
  local target=$1 work=$out/$1 starts=("$out/seeds/$1")
  mkdir -p "$work/inputs" "$work/findings"
  rm -f "$work/findings"/*
  for folder in tests/fuzz/{corpus,regressions}/"$target"; do
    [[ ! -d $folder ]] || starts+=("$folder")
  done
  exec build/asan/tests/fuzz/"${target}_fuzzer" -max_total_time="$seconds" -timeout=5 -rss_limit_mb=512 \
    -malloc_limit_mb=64 -max_len=16384 -dict="tests/fuzz/dictionaries/${dictionary[$target]}.dict" \
    -artifact_prefix="$work/findings/" -print_final_stats=1 "$work/inputs" "${starts[@]}" >"$work/log" 2>&1
}

show() {
  local target=$1 log=$out/$1/log finding
  printf '%-12s %9s executions, %s\n' "$target" "$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")" \
    "$(grep -oE 'cov: [0-9]+ ft: [0-9]+' "$log" | tail -n 1)"
  for finding in "$out/$target/findings"/*; do
    [[ ! -e $finding ]] || echo "  reproduce: build/asan/tests/fuzz/${target}_fuzzer $finding"
  done
}

failed=0
pids=()
# Programs in the background do not hear of Ctrl-C.
trap 'kill "${pids[@]}" 2>/dev/null || true' EXIT
for ((i = 0; i < ${#targets[@]}; i += 3)); do
  together=("${targets[@]:i:3}")
  pids=()
  for target in "${together[@]}"; do
    fuzz "$target" &
    pids+=($!)
  done
  for j in "${!pids[@]}"; do
    code=0
    wait "${pids[j]}" || code=$?
    show "${together[j]}"
    if ((code != 0)); then
      failed=1
      grep -E 'broken promise|runtime error|ERROR: |SUMMARY: ' "$out/${together[j]}/log" || tail -n 5 "$out/${together[j]}/log"
    fi
  done
  pids=()
done
exit "$failed"
