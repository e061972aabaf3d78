#!/usr/bin/env bash
# strip gives the target back byte for byte, also where it has what other writers would not write.
. "$(dirname "$0")/common.sh"
use "$TARGET" "$DONOR"

# there_and_back TARGET [WARNING]: with what is said on the way there.
there_and_back() {
  rm -f graft.gguf back.gguf
  expect_exit 0 "$MTPGRAFT" graft -q --no-sync "$1" "$DONOR" -o graft.gguf
  if [[ -n ${2:-} ]]; then expect_stderr <<<"mtpgraft: warning: $2"; else expect_nothing_on stderr; fi
  expect_exit 0 "$MTPGRAFT" verify -q graft.gguf --target "$1" --donor "$DONOR"
  expect_exit 0 "$MTPGRAFT" strip -q --no-sync graft.gguf -o back.gguf
  expect_nothing_on stderr
  expect_same back.gguf "$1"
}

# edit FROM TO STATEMENT: of Python, with `file` and what is in gguf_file.
edit() {
  PYTHONPATH="$SOURCE_DIR/tests/support" python3 -B -c 'import sys
from gguf_file import *
file = GgufFile.read(sys.argv[1])
exec(sys.argv[3])
file.write(sys.argv[2])' "$@"
}

# Padding that is not zero: in front of the data, between tensors and at the end.
python3 - "$TARGET" padded.gguf "$("$MTPGRAFT" inspect --json --tensors "$TARGET")" <<'END'
import json, sys
data = bytearray(open(sys.argv[1], "rb").read())
file = json.loads(sys.argv[3])["result"]["files"][0]
assert data[file["data_offset"] - 1] == 0
ends = [file["data_offset"] - 1] + [tensor["offset"] + tensor["bytes"] for tensor in file["tensors"]]
begins = [tensor["offset"] for tensor in file["tensors"]] + [len(data)]
for end, begin in zip(ends, begins):
    data[end:begin] = b"\xa5" * (begin - end)
open(sys.argv[2], "wb").write(data)
END
there_and_back padded.gguf

# What has the record's name, and is none.
replaced="the target's key 'mtpgraft.record' is no record that can be read, or is damaged: the graft's takes its place, and \
has it as an old value"
for value in 'U32, 7' 'STRING, "not JSON"' 'STRING, "{\"record\": 9}"' 'ARRAY, (U32, [1, 2])'; do
  edit "$TARGET" foreign.gguf "file.set('mtpgraft.record', $value)"
  there_and_back foreign.gguf "$replaced"
  expect_exit 3 "$MTPGRAFT" graft --strict foreign.gguf "$DONOR" -o strict.gguf
  rm -f graft.gguf
  expect_exit 0 "$MTPGRAFT" graft -q --no-sync --no-record foreign.gguf "$DONOR" -o graft.gguf
  expect_nothing_on stderr
  for file in foreign graft; do
    "$MTPGRAFT" inspect --kv=mtpgraft.record $file.gguf | grep 'mtpgraft.record ' >$file.key || fail "no such key: $value"
  done
  cmp foreign.key graft.key || fail "another value than $value"
  expect_exit 0 "$MTPGRAFT" verify graft.gguf --target foreign.gguf --donor "$DONOR"
done

# Too long a value for the record: refused, with the way out.
edit "$TARGET" foreign.gguf "file.set('mtpgraft.record', STRING, 'x' * 70000)"
expect_exit 3 "$MTPGRAFT" graft foreign.gguf "$DONOR" -o strict.gguf
expect_text "$STDERR" 'hint: .*--no-record'

# Counts of another type, and under another architecture's prefix: the graft has what loaders want.
for change in "file.set('qwen35.block_count', I32, 12)" "file.set('qwen35.block_count', U64, 12)" \
  "file.set('qwen35.block_count', U32, 13); file.set('qwen35.nextn_predict_layers', I32, 1)" \
  "file.set('qwen35.block_count', U32, 13); file.set('qwen35.nextn_predict_layers', U64, 1)" \
  "file.set('qwen35.block_count', U32, 13); file.set('qwen35.nextn_predict_layers', I8, 1)" \
  "file.set('qwen35.block_count', U32, 13); file.set('llama.nextn_predict_layers', U32, 1)" \
  "file.set('llama.nextn_predict_layers', U32, 1)"; do
  edit "$TARGET" odd.gguf "$change"
  rm -f graft.gguf back.gguf
  expect_exit 0 "$MTPGRAFT" graft -q --no-sync odd.gguf "$DONOR" -o graft.gguf
  "$MTPGRAFT" inspect --kv graft.gguf | sed -n 's/^ *\([a-z0-9]*\.\(block_count\|nextn_predict_layers\)\) */\1 /p' |
    tr -s ' ' | sort >keys
  [[ $(cat keys) == $'qwen35.block_count u32 13\nqwen35.nextn_predict_layers u32 1' ]] || fail "$change: $(cat keys)"
  expect_exit 0 "$MTPGRAFT" verify -q graft.gguf
  expect_exit 0 "$MTPGRAFT" strip -q --no-sync graft.gguf -o back.gguf
  expect_same back.gguf odd.gguf
done
