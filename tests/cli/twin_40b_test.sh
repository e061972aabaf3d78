#!/usr/bin/env bash
# Models of real size: 96 layers, 1275 tensors, 24 to 33 GB, sparse, so that they cost little disk.
. "$(dirname "$0")/common.sh"

targets=(twin-40b-Q4_K_M twin-40b-Q5_K_M twin-40b-Q6_K)
donors=(twin-27b-head-Q4_K twin-27b-head-Q8_0 twin-27b-head-BF16)
python3 "$SOURCE_DIR/tests/support/make_fixtures.py" --models "$MODELS_DIR" -o . "${targets[@]}" "${donors[@]}" >/dev/null
if (($(du -m "${targets[0]}.gguf" | cut -f1) > 1000)); then
  skip_all "this file system keeps no holes: $(stat -f -c %T .)"
fi

# run_within CODE KIB COMMAND...: runs it and checks the peak of its memory.
cat >"$SCRATCH/peak.py" <<'END'
import resource, subprocess, sys
code = subprocess.call(sys.argv[2:])
open(sys.argv[1], "w").write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
sys.exit(code)
END
run_within() {
  local code=$1 limit=$2 peak
  shift 2
  expect_exit "$code" python3 "$SCRATCH/peak.py" "$SCRATCH/peak" "$@"
  peak=$(cat "$SCRATCH/peak")
  ((peak < limit)) || fail "$peak KiB of memory, more than $limit: $last_command"
}

for i in 0 1 2; do
  target=${targets[i]}.gguf
  donor=${donors[i]}.gguf
  # Address space counts what is mapped, too: there is nothing that grows with the files.
  run_within 0 65536 prlimit --as=67108864 "$MTPGRAFT" graft --no-sync "$target" "$donor" -o graft.gguf
  # They have nothing but holes, which is all that is said against them.
  ! grep -v -e '^mtpgraft: warning: head tensor .* zero bytes from' -e "^mtpgraft: warning: '.*' has a hole in tensor" \
    "$STDERR" || fail "another warning than of holes"
  expect_text "$STDOUT" '^output  graft.gguf .* 1290 tensors, .* head at blk\.96$'
  (($(du -m graft.gguf | cut -f1) < 40)) || fail "the graft takes $(du -m graft.gguf | cut -f1) MiB of disk"

  run_within 0 65536 "$MTPGRAFT" inspect --json --tensors --kv graft.gguf
  cp "$STDOUT" graft.json
  expect_exit 0 "$MTPGRAFT" inspect --json --tensors "$target"
  cp "$STDOUT" target.json
  expect_exit 0 "$MTPGRAFT" inspect --json --tensors "$donor"
  cp "$STDOUT" donor.json
  python3 - graft.json target.json donor.json >ranges <<'END' || fail "inspect tells of another model: $target + $donor"
import json, sys
graft, target, donor = (json.load(open(path))["result"]["files"][0] for path in sys.argv[1:])
assert graft["tensor_count"] == len(graft["tensors"]) == 1290
assert target["tensor_count"] == 1275
assert (graft["block_count"], graft["nextn_predict_layers"], graft["trunk_blocks"]) == (97, 1, 96)
mtp = graft["mtp"]
assert (mtp["state"], mtp["first_block"], mtp["blocks"], mtp["tensors"]) == ("present", 96, 1, 15), mtp
expected = {"blk.96." + name for name in """
    attn_k.weight attn_k_norm.weight attn_norm.weight attn_output.weight attn_q.weight attn_q_norm.weight
    attn_v.weight ffn_down.weight ffn_gate.weight ffn_up.weight nextn.eh_proj.weight nextn.enorm.weight
    nextn.hnorm.weight nextn.shared_head_norm.weight post_attention_norm.weight""".split()}
head = [t for t in graft["tensors"] if t["name"].startswith("blk.96.")]
assert {t["name"] for t in head} == expected and len(head) == 15
# The trunk's tensors are the target's, at the same places of the data.
for ours, theirs in zip(graft["tensors"], target["tensors"]):
    assert {**ours, "offset": ours["offset"] - graft["data_offset"]} == \
           {**theirs, "offset": theirs["offset"] - target["data_offset"]}
by_name = {t["name"]: t for t in donor["tensors"]}
for tensor in head:
    source = by_name[tensor["name"].replace("blk.96.", "blk.64.")]
    assert (tensor["type"], tensor["shape"], tensor["bytes"]) == (source["type"], source["shape"], source["bytes"])
    # The first and the last MiB of each; the rest is zeros. The checksums below see all of it.
    for at in {0, max(0, tensor["bytes"] - (1 << 20))}:
        print(tensor["offset"] + at, source["offset"] + at, min(tensor["bytes"] - at, 1 << 20))
END
  while read -r ours theirs length; do
    cmp -s -n "$length" -i "$ours:$theirs" graft.gguf "$donor" || fail "head bytes at $ours differ: $target + $donor"
  done <ranges

  # The head as a whole against the record's digest.
  run_within 1 65536 "$MTPGRAFT" verify graft.gguf
  ! grep -q '(at byte' <(grep -v ' zero bytes from' "$STDOUT") || fail "verify found more than holes"
  [[ $(grep -c "fit the record's digest" "$STDOUT") == 1 ]] || fail "verify did not check the head"
  rm graft.gguf "$target"
done
