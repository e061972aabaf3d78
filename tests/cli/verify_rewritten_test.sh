#!/usr/bin/env bash
# Grafts that other tools have written anew: keys and tensors are compared by name, and a graft that was requantised is
# called that.
. "$(dirname "$0")/common.sh"
use "$TARGET" "$DONOR"
"$MTPGRAFT" graft -q --no-sync "$TARGET" "$DONOR" -o graft.gguf
against=(--target "$TARGET" --donor "$DONOR")

# rewrite HOW...: makes rewritten.gguf of graft.gguf.
cat >"$SCRATCH/rewrite.py" <<'END'
import sys
sys.path.insert(0, sys.argv[1])
import gguf_file as g
F16, F32 = 1, 0
model = g.GgufFile.read("graft.gguf")
for how in sys.argv[2:]:
    if how == "keys":
        model.keys = dict(reversed(model.keys.items()))
    elif how == "tensors":
        model.tensors.reverse()
    elif how == "template":
        model.set("tokenizer.chat_template", 8, "{{ poison }}" * 50)
    elif how == "new-key":
        model.set("new.key", 4, 1)
    elif how == "no-key":
        del model.keys["general.name"]
    elif how == "weight":
        tensor = model.tensors[20]
        data = open("graft.gguf", "rb").read()[tensor.data.offset:tensor.data.offset + len(tensor.data)]
        tensor.data = data[:-1] + bytes([data[-1] ^ 1])
    elif how == "no-tensor":
        del model.tensors[20]
    elif how == "new-tensor":
        model.tensors.append(g.Tensor("blk.0.new.weight", (32,), F32, bytes(128)))
    elif how in ("body", "head", "all"):
        for tensor in model.tensors:
            is_head = tensor.name.startswith("blk.12.")
            if len(tensor.shape) == 2 and (how == "all" or is_head == (how == "head")):
                tensor.type_id, tensor.data = F16, bytes(range(16)) * (2 * tensor.shape[0] * tensor.shape[1] // 16)
model.write("rewritten.gguf")
END
rewrite() { python3 "$SCRATCH/rewrite.py" "$SOURCE_DIR/tests/support" "$@"; }
elsewhere='equal, but stand at other places in the file than in the graft'

for how in keys tensors 'keys tensors'; do
  # shellcheck disable=SC2086
  rewrite $how
  expect_exit 1 "$MTPGRAFT" verify rewritten.gguf "${against[@]}"
  expect_stdout <<END
rewritten.gguf: all keys and tensors are $elsewhere
rewritten.gguf: FAILED, 7.4 MiB checked
END
  expect_exit 0 "$MTPGRAFT" verify rewritten.gguf --tensors-only "${against[@]}"
  expect_stdout <<END
rewritten.gguf: keys were not compared
rewritten.gguf: OK, 7.4 MiB checked
END
done

rewrite keys template new-key no-key
expect_exit 1 "$MTPGRAFT" verify rewritten.gguf "${against[@]}"
sed -E 's/ \(at byte [0-9]+\)$//' "$STDOUT" | sort >"$SCRATCH/said"
sort >"$SCRATCH/expected" <<END
rewritten.gguf: FAILED, 7.4 MiB checked
rewritten.gguf: all other keys and tensors are $elsewhere
rewritten.gguf: key 'general.name' is missing: the graft has "tiny-qwen35-target-12L"
rewritten.gguf: key 'new.key' is not in the graft
rewritten.gguf: key 'tokenizer.chat_template' differs: it is "{{ poison }}{{ poison }}{{ poison }}{{ poison }}{{ poison }}{{ poison }}... (600 bytes)", in the graft "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|... (149 bytes)"
END
diff -u "$SCRATCH/expected" "$SCRATCH/said" >&2 || fail "other differences"
expect_exit 0 "$MTPGRAFT" verify rewritten.gguf --tensors-only "${against[@]}"

# One changed template and nothing else: all behind it stands elsewhere, and is not listed.
rewrite template
expect_exit 1 "$MTPGRAFT" verify rewritten.gguf "${against[@]}"
[[ $(wc -l <"$STDOUT") == 3 ]] || fail "not three lines: $(cat "$STDOUT")"
expect_exit 1 "$MTPGRAFT" verify --json rewritten.gguf "${against[@]}"
[[ $(json 'len(x["result"]["findings"])') == 2 ]] || fail "not two findings: $(cat "$STDOUT")"

# Tensors.
rewrite keys weight
for option in '' --tensors-only; do
  # shellcheck disable=SC2086
  expect_exit 1 "$MTPGRAFT" verify rewritten.gguf $option "${against[@]}"
  expect_text "$STDOUT" "the data of tensor '.*' differ: 1 of [0-9]+ bytes \(at byte [0-9]+\)$"
done
rewrite no-tensor new-tensor
for option in '' --tensors-only; do
  # shellcheck disable=SC2086
  expect_exit 1 "$MTPGRAFT" verify rewritten.gguf $option "${against[@]}"
  expect_text "$STDOUT" "tensor '.*' is missing$"
  expect_text "$STDOUT" "tensor 'blk.0.new.weight' is not in the graft"
done
# A truncated file is no file to be compared by names.
head -c 5000000 graft.gguf >short.gguf
expect_exit 3 "$MTPGRAFT" verify short.gguf --tensors-only "${against[@]}"

# Requantised.
for how in all body head; do
  rewrite $how
  expect_exit 1 "$MTPGRAFT" verify rewritten.gguf "${against[@]}"
  expect_text "$STDOUT" '^rewritten.gguf: the graft was requantised after it was made: [0-9]+ of 177 tensors have other types than in the graft: .* -> F16 \([0-9]+\)'
  [[ $(grep -c "tensor '" "$STDOUT") == 0 ]] || fail "each tensor is listed: $(cat "$STDOUT")"
  run "$MTPGRAFT" verify rewritten.gguf
  expect_text "$STDOUT" 'requantised after the graft'
  expect_exit 0 "$MTPGRAFT" strip -n rewritten.gguf -o back.gguf
  if [[ $how == head ]]; then
    # The trunk is what it was, and so is what is left.
    expect_nothing_on stderr
  else
    expect_stderr <<END
mtpgraft: warning: the tensors have other sizes than the record tells: the graft was requantised after it was made, or the record is not its own. The original '$TARGET' cannot be restored, the result has the types that the tensors have now
END
  fi
done
expect_exit 0 "$MTPGRAFT" strip -n --json rewritten.gguf -o back.gguf
[[ $(json 'x["result"]["restores_original"], x["result"]["data_checked"]') == '(True, False)' ]] || fail "$(cat "$STDOUT")"

# So has a graft whose head is a file of its own.
"$MTPGRAFT" graft -q --no-sync --split-head "$TARGET" "$DONOR" -o split.gguf
expect_exit 0 "$MTPGRAFT" verify split-00001-of-00002.gguf --tensors-only "${against[@]}"
