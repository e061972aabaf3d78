#!/usr/bin/env bash
# Each checksum is what xxhsum says of the tensor's bytes, cut out of the file by the offsets that inspect gives.
. "$(dirname "$0")/common.sh"
use "$TARGET" "$DONOR" golden target-odd-keys.gguf target-unpadded-end.gguf target-align-4096.gguf donor-fork-type.gguf

"$MTPGRAFT" graft -q "$TARGET" "$DONOR"

# xxhsum writes blanks to standard error, also where that is no terminal.
if command -v xxhsum >/dev/null; then
  for file in "$TARGET" "$GRAFT" golden/all-types-tensors.gguf target-unpadded-end.gguf target-align-4096.gguf; do
    expect_exit 0 "$MTPGRAFT" checksum "$file"
    expect_nothing_on stderr
    cp "$STDOUT" printed
    rm -rf pieces
    mkdir pieces
    expect_exit 0 "$MTPGRAFT" inspect --json --tensors "$file"
    python3 -c 'import json, sys
data = open(sys.argv[1], "rb").read()
file = json.load(sys.stdin)["result"]["files"][0]
names = open("names", "w")
for i, tensor in enumerate(file["tensors"]):
    open(f"pieces/{i:04}", "wb").write(data[tensor["offset"]:tensor["offset"] + tensor["bytes"]])
    print(tensor["name"], file=names)' "$file" <"$STDOUT"
    paste -d' ' <(cd pieces && xxhsum -H128 ./* 2>/dev/null | cut -d' ' -f1) names | sed -E 's/^([0-9a-f]+) (.*)$/XXH128 (\2) = \1/' \
      >expected
    # The first line is the metadata's.
    tail -n +2 printed | diff - expected >"$SCRATCH/diff" || fail "$(head -n 3 "$SCRATCH/diff"): checksum $file"
  done

  # The metadata end with the last tensor info, before the padding.
  expect_exit 0 "$MTPGRAFT" checksum "$TARGET"
  end=$(python3 - "$SOURCE_DIR/tests/support" "$TARGET" <<'END'
import sys
sys.path.insert(0, sys.argv[1])
import gguf_file as g
m = g.GgufFile.read(sys.argv[2])
print(24 + sum(len(g.encode_key(name, *value)) for name, value in m.keys.items())
      + sum(len(g.encode_info(t.name, t.shape, t.type_id, 0)) for t in m.tensors))
END
  )
  digest=$(head -c "$end" "$TARGET" | xxhsum -H128 2>/dev/null | cut -d' ' -f1)
  expect_text "$STDOUT" "^XXH128 \(metadata: .*\) = $digest\$"

  # A list written by xxhsum itself, in both of its forms, is understood.
  mkdir apart
  expect_exit 0 "$MTPGRAFT" inspect --json --tensors=output_norm.weight "$TARGET"
  python3 -c 'import json, sys
tensor = json.load(sys.stdin)["result"]["files"][0]["tensors"][0]
data = open(sys.argv[1], "rb").read()
open("apart/output_norm.weight", "wb").write(data[tensor["offset"]:tensor["offset"] + tensor["bytes"]])' "$TARGET" <"$STDOUT"
  for form in '' --tag; do
    # shellcheck disable=SC2086
    (cd apart && xxhsum -H128 $form output_norm.weight 2>/dev/null) >list
    expect_exit 0 "$MTPGRAFT" verify -c list "$GRAFT"
    expect_stdout <<'END'
output_norm.weight: OK
END
  done
else
  skip_part "no xxhsum to compare with (Debian package xxhash)"
fi

# A graft has every line of its target, and those of the head.
"$MTPGRAFT" checksum "$TARGET" | grep -v '^XXH128 (metadata' | sort >target-lines
"$MTPGRAFT" checksum "$GRAFT" | grep -v '^XXH128 (metadata' | sort >graft-lines
[[ $(comm -23 target-lines graft-lines | wc -l) == 0 ]] || fail "the graft lacks lines of its target"
[[ $(comm -13 target-lines graft-lines | wc -l) == 15 ]] || fail "the graft has not 15 lines more"
# The head's are the donor's but for the number of the block.
"$MTPGRAFT" checksum "$DONOR" | grep '^XXH128 (blk' | sed 's/blk\.8\./blk.12./' | sort >donor-lines
comm -13 target-lines graft-lines | diff donor-lines - >"$SCRATCH/diff" || fail "the head differs from the donor's"

# The form: one line for the metadata, then the tensors in file order; the same every time.
expect_exit 0 "$MTPGRAFT" checksum "$TARGET"
cp "$STDOUT" first
[[ $(grep -cEx 'XXH128 \(.+\) = [0-9a-f]{32}' first) == 163 ]] || fail "lines of another form"
for _ in 1 2 3; do
  expect_exit 0 "$MTPGRAFT" checksum "$TARGET"
  expect_same "$STDOUT" first
done

# Types of unknown size, and names with line breaks and backslashes, survive the way through a list.
python3 - "$SOURCE_DIR/tests/support" <<'END'
import sys
sys.path.insert(0, sys.argv[1])
import gguf_file as g
model = g.GgufFile.read(sys.argv[1] + "/../models/mtp-base-8L-Q8_0.gguf")
for name in ["line\nbreak", "back\\slash\\n", "car\rriage", "paren) = 0", "two  spaces", "# hash", "\\n"]:
    model.tensors.append(g.Tensor(name, (8,), g.F32, name.encode().ljust(32, b"!")))
model.write("names.gguf")
END
for file in names.gguf donor-fork-type.gguf target-odd-keys.gguf; do
  "$MTPGRAFT" checksum "$file" >list
  expect_exit 0 "$MTPGRAFT" verify -q --exact --strict -c list "$file"
  expect_nothing_on stdout stderr
done
"$MTPGRAFT" checksum names.gguf >list
expect_no_control_characters list
for line in '\XXH128 (line\nbreak) = ' '\XXH128 (back\\slash\\n) = ' '\XXH128 (car\rriage) = ' 'XXH128 (paren) = 0) = ' \
  '\XXH128 (\\n) = '; do
  grep -Fq -e "$line" list || fail "no line '$line' in the list"
done
# Untagged lines of the same names.
sed -E 's/^(\\?)XXH128 \((.*)\) = ([0-9a-f]{32})$/\1\3  \2/' list >untagged
expect_exit 0 "$MTPGRAFT" verify -q --exact --strict -c untagged names.gguf
expect_nothing_on stdout stderr
