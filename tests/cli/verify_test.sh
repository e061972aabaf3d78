#!/usr/bin/env bash
# verify: a graft as it was made passes, and every kind of damage is found and named.
. "$(dirname "$0")/common.sh"
use "$TARGET" "$DONOR" head-only-base-8L-BF16.gguf mtp-base-8L-BF16.gguf mtp-base-8L-Q4_K_M.gguf mtp-random-8L-F16.gguf \
  target-unpadded-end.gguf target-shard.gguf donor-norms-f16.gguf

donors=("$DONOR" head-only-base-8L-BF16.gguf mtp-base-8L-BF16.gguf mtp-base-8L-Q4_K_M.gguf mtp-random-8L-F16.gguf
  donor-norms-f16.gguf)
for donor in "${donors[@]}"; do
  for record in '' --no-record; do
    rm -f graft.gguf
    # shellcheck disable=SC2086  # empty is no argument
    expect_exit 0 "$MTPGRAFT" graft -q --no-sync $record "$TARGET" "$donor" -o graft.gguf
    expect_exit 0 "$MTPGRAFT" verify graft.gguf --target "$TARGET" --donor "$donor"
    expect_nothing_on stderr
    expect_text "$STDOUT" '^graft.gguf: OK, '
    expect_exit 0 "$MTPGRAFT" verify -q graft.gguf
    expect_nothing_on stdout stderr
  done
done

"$MTPGRAFT" graft -q --no-sync "$TARGET" "$DONOR"
expect_exit 0 "$MTPGRAFT" verify "$GRAFT" --target "$TARGET" --donor "$DONOR"
expect_stdout <<'END'
target-12L-MTP-Q4_K_M.gguf: OK, 7.4 MiB checked
END
expect_exit 0 "$MTPGRAFT" verify "$GRAFT"
expect_stdout <<'END'
target-12L-MTP-Q4_K_M.gguf: the structure is sound
target-12L-MTP-Q4_K_M.gguf: the head's 1050112 bytes fit the record's digest
target-12L-MTP-Q4_K_M.gguf: grafted by mtpgraft VERSION from 'mtp-base-8L-Q8_0.gguf' into 'target-12L-Q4_K_M.gguf'
target-12L-MTP-Q4_K_M.gguf: OK, 1.0 MiB checked
target-12L-MTP-Q4_K_M.gguf: the other 6.4 MiB of tensor data were not checked; --target and --donor do that, or -c
END
expect_exit 0 "$MTPGRAFT" verify -q "$GRAFT" --target "$TARGET" --donor "$DONOR"
expect_nothing_on stdout stderr

# Other names change nothing: the record keeps the old ones.
mkdir renamed
cp "$TARGET" renamed/t
cp "$DONOR" renamed/d
cp "$GRAFT" renamed/g
expect_exit 0 "$MTPGRAFT" verify renamed/g --target renamed/t --donor renamed/d
expect_exit 0 "$MTPGRAFT" verify renamed/g

# Sources that are not the graft's: verify_sources_test.sh.
for donor in mtp-base-8L-Q4_K_M.gguf mtp-base-8L-BF16.gguf; do
  expect_exit 1 "$MTPGRAFT" verify "$GRAFT" --target "$TARGET" --donor "$donor"
  expect_text "$STDOUT" "^target-12L-MTP-Q4_K_M.gguf: the donor is not the one of the record, '$DONOR', "
  expect_nothing_on stderr
done
expect_exit 3 "$MTPGRAFT" verify "$GRAFT" --target "$TARGET" --donor "$TARGET"
expect_exit 4 "$MTPGRAFT" verify "$GRAFT" --target missing.gguf --donor "$DONOR"
expect_exit 4 "$MTPGRAFT" verify "$GRAFT" --target "$TARGET" --donor missing.gguf
expect_exit 3 "$MTPGRAFT" verify target-shard.gguf

# Models without a sound head, on their own.
expect_exit 1 "$MTPGRAFT" verify "$TARGET"
expect_text "$STDOUT" '^target-12L-Q4_K_M.gguf: the file has no head'

# One flipped byte at every boundary and in the middle of things. The expected place comes from the fixtures' own
# reader. The second graft has padding between body and head.
"$MTPGRAFT" graft -q --no-sync target-unpadded-end.gguf "$DONOR" -o padded.gguf
cp "$GRAFT" sound.gguf
cat >"$SCRATCH/flip.py" <<'END'
"""Flips bytes of GRAFT one at a time and checks what verify says of each."""
import subprocess, sys
sys.path.insert(0, sys.argv[1])
import gguf_file as g
program, graft, target, donor = sys.argv[2:]
model = g.GgufFile.read(graft)
data = open(graft, "rb").read()

regions = [(0, 24, "magic, version and counts differ", "counts")]
at = 24
for name, value in model.keys.items():
    end = at + len(g.encode_key(name, *value))
    regions.append((at, end, f"key '{name}' differs", "key"))
    at = end
for tensor in model.tensors:
    end = at + len(g.encode_info(tensor.name, tensor.shape, tensor.type_id, 0))
    regions.append((at, end, f"the info of tensor '{tensor.name}' differs", "info"))
    at = end
start = g.pad(at, model.alignment)
if at < start:
    regions.append((at, start, "the padding before the tensor data differs", "padding"))
for tensor, offset in zip(model.tensors, model.offsets()):
    end = start + offset + len(tensor.data)
    regions.append((start + offset, end, f"the data of tensor '{tensor.name}' differ", "data"))
    padded = min(g.pad(end, model.alignment), len(data))
    if end < padded:
        regions.append((end, padded, f"the padding after tensor '{tensor.name}' differs", "padding"))
assert regions[-1][1] == len(data), "this reader and the file disagree"
assert {kind for *_, kind in regions} >= {"counts", "key", "info", "padding", "data"}

head = [t.name for t in model.tensors if t.name.startswith("blk.12.")]
paddings = [r for r in regions if r[3] == "padding"]
chosen = [regions[0], paddings[0], paddings[len(paddings) // 2], paddings[-1]]
for wanted in ("key 'general.architecture'", "key 'qwen35.block_count'", "key 'tokenizer.ggml.tokens'",
               "key 'qwen35.nextn_predict_layers'", "key 'mtpgraft.record'", "tensor 'output.weight'",
               "tensor 'blk.5.ffn_up.weight'", f"tensor '{model.tensors[-16].name}'", f"tensor '{head[0]}'",
               "tensor 'blk.12.nextn.eh_proj.weight'", f"tensor '{head[-1]}'"):
    found = [r for r in regions if wanted in r[2]]
    assert found, wanted
    chosen += found

def verify(*arguments):
    done = subprocess.run([program, "verify", "damaged.gguf", *arguments], capture_output=True, timeout=20)
    return done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")

flips = bad = 0
for begin, end, message, kind in chosen:
    for offset in sorted({begin, (begin + end) // 2, end - 1}):
        damaged = bytearray(data)
        damaged[offset] ^= 0x20
        with open("damaged.gguf", "wb") as out:
            out.write(damaged)
        flips += 1
        code, said, errors = verify("--target", target, "--donor", donor)
        if code != 1 or message not in said or f"(at byte {offset})" not in said or errors or "FAILED" not in said:
            bad += 1
            print(f"{graft}: byte {offset} of {message!r}: exit code {code}\n{said}{errors}", file=sys.stderr)
        # On its own a graft knows the head's bytes and its own record.
        if (kind == "data" and "blk.12." in message) or "mtpgraft.record" in message and offset not in (begin,):
            code, said, errors = verify()
            if code not in (1, 3) or (kind == "data" and (code != 1 or "the record says" not in said)):
                bad += 1
                print(f"{graft}: alone, byte {offset} of {message!r}: exit code {code}\n{said}{errors}", file=sys.stderr)
print(flips)
sys.exit(bad > 0)
END
for pair in "sound.gguf $TARGET" "padded.gguf target-unpadded-end.gguf"; do
  read -r graft target <<<"$pair"
  expect_exit 0 python3 "$SCRATCH/flip.py" "$SOURCE_DIR/tests/support" "$MTPGRAFT" "$graft" "$target" "$DONOR"
done

# Shorter and longer files.
size=$(stat -c %s "$GRAFT")
for length in 10 1000 36000 40512 3000000 7000000 $((size - 1)); do
  head -c "$length" "$GRAFT" >damaged.gguf
  expect_exit 1 "$MTPGRAFT" verify damaged.gguf --target "$TARGET" --donor "$DONOR"
  expect_text "$STDOUT" "the file has $length bytes, the graft $size\$"
  expect_nothing_on stderr
  expect_exit 3 "$MTPGRAFT" verify damaged.gguf
done
(cat "$GRAFT" && printf 'x') >damaged.gguf
expect_exit 1 "$MTPGRAFT" verify damaged.gguf --target "$TARGET" --donor "$DONOR"
expect_text "$STDOUT" "the file has $((size + 1)) bytes, the graft $size\$"
: >damaged.gguf
expect_exit 1 "$MTPGRAFT" verify damaged.gguf --target "$TARGET" --donor "$DONOR"

# A run of zeros where a download has a hole.
cp "$GRAFT" damaged.gguf
dd if=/dev/zero of=damaged.gguf bs=4096 seek=500 count=300 conv=notrunc status=none
expect_exit 1 "$MTPGRAFT" verify damaged.gguf --target "$TARGET" --donor "$DONOR"
expect_exit 1 "$MTPGRAFT" verify -q damaged.gguf --target "$TARGET" --donor "$DONOR"
expect_text "$STDOUT" "^damaged.gguf: the data of tensor '.*' differ"
