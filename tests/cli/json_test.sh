#!/usr/bin/env bash
# --json: one object on stdout, on success and on failure, and nothing else on either stream but warnings; and values that
# JSON readers have trouble with. That the objects follow docs/schema is checked in every test that has --json.
. "$(dirname "$0")/common.sh"
use "$TARGET" "$DONOR" donor-rope.gguf donor-wrong-width.gguf target-odd-keys.gguf malformed

# expect_json CODE ARGUMENT...: the command line has --json; keeps the object for `json`.
expect_json() { expect_exit "$1" "$MTPGRAFT" "${@:2}"; }

expect_value() {
  local value
  value=$(json "$1") || value=
  [[ $value == "$2" ]] || fail "$1 is $value, expected $2: $last_command"
}

# inspect
expect_json 0 inspect --json "$TARGET" "$DONOR"
expect_nothing_on stderr
expect_value 'list(x["result"])' "['files']"
expect_value 'list(x["result"]["files"][0])' "['path', 'format', 'kind', 'size', 'gguf_version', 'alignment', 'data_offset', 'architecture', 'name', 'key_count', 'tensor_count', 'parameters', 'types', 'block_count', 'nextn_predict_layers', 'trunk_blocks', 'block_pattern', 'notes', 'warnings', 'base_models', 'mtp']"
expect_value 'list(x["result"]["files"][0]["mtp"])' "['state', 'usable', 'values_checked', 'first_block', 'blocks', 'tensors', 'bytes', 'types', 'problems', 'verdict', 'llama_cpp', 'advice', 'grafted_from']"
expect_value '[f["mtp"]["state"] for f in x["result"]["files"]]' "['none', 'sidecar']"
expect_value 'x["result"]["files"][0]["size"]' "$(stat -L -c %s "$TARGET")"
expect_value 'x["result"]["files"][0]["parameters"]' 10792200
expect_value 'type(x["result"]["files"][0]["parameters"]).__name__' str

# Values with which JSON readers have trouble.
expect_json 0 inspect --json '--kv=odd.[uif]*' --tensors=output_norm.weight target-odd-keys.gguf
expect_nothing_on stderr
key='next(k for k in x["result"]["files"][0]["keys"] if k["key"] == "%s")'
for pair in 'odd.u64 18446744073709551615' 'odd.i64 -9223372036854775808' 'odd.f32.nan NaN' \
  'odd.f64.infinity -Infinity' 'odd.f64 1e+300' 'odd.u32 4294967295' 'odd.f32 -1.5'; do
  read -r name value <<<"$pair"
  # shellcheck disable=SC2059
  expect_value "$(printf "$key" "$name")['value']" "$value"
done
# shellcheck disable=SC2059
expect_value "type($(printf "$key" odd.u64)['value']).__name__" str
expect_value 'list(x["result"]["files"][0]["tensors"][0])' "['name', 'type', 'type_id', 'shape', 'offset', 'bytes']"
expect_json 0 inspect --json --kv --tensors target-odd-keys.gguf
expect_value 'len(x["result"]["files"][0]["keys"])' 82
expect_value 'len(x["result"]["files"][0]["tensors"])' 162
if LC_ALL=C grep -qaP '[\x00-\x09\x0b-\x1f]' "$STDOUT"; then
  fail "raw control characters: $last_command"
fi

# Some files fail: the answers about the others are still there.
expect_json 3 inspect --json "$TARGET" malformed/key-duplicate.gguf missing.gguf
expect_nothing_on stderr
expect_value 'list(x)' "['schema_version', 'command', 'ok', 'result', 'error']"
expect_value '[f["path"] for f in x["result"]["files"]]' "['$TARGET']"
expect_value '[(f["path"], f["error"]["code"]) for f in x["result"]["failed"]]' \
  "[('malformed/key-duplicate.gguf', 'malformed'), ('missing.gguf', 'io')]"
expect_value 'x["error"]["offset"]' 70

# graft
expect_json 0 graft --json --dry-run "$TARGET" "$DONOR"
expect_nothing_on stderr
expect_value '(x["result"]["dry_run"], x["result"]["seconds"])' '(True, None)'
expect_json 0 graft --json "$TARGET" "$DONOR"
expect_nothing_on stderr
python3 - "$STDOUT" >"$SCRATCH/pretty" <<'END'
import json, sys
x = json.load(open(sys.argv[1]))
result = x["result"]
assert result["seconds"] > 0 and result["free_bytes"] > 0
assert result["bytes_cloned"] + result["bytes_copied"] == result["output_size"]
assert 0 < result["bytes_allocated"] <= result["output_size"] + 8192 - result["bytes_cloned"]
for name in "seconds", "free_bytes", "bytes_cloned", "bytes_copied", "bytes_allocated":
    result[name] = "varies"
json.dump(x, sys.stdout, indent=1)
print()
END
diff -u "$TEST_DIR/graft.json" "$SCRATCH/pretty" >&2 || fail "graft --json differs from tests/cli/graft.json"

expect_json 0 graft --json "$TARGET" donor-rope.gguf -o rope.gguf
expect_value '[w["id"] for w in x["result"]["warnings"]]' "['parameter-differs']"
expect_json 3 graft --json "$TARGET" donor-wrong-width.gguf -o other.gguf
expect_nothing_on stderr
expect_value 'x["error"]["code"]' incompatible
expect_value 'x["error"]["details"]' "['embedding_length: target 256, donor 512']"
expect_json 5 graft --json "$TARGET" "$DONOR"
expect_nothing_on stderr
expect_value 'x["error"]["path"]' "$GRAFT"
expect_json 4 graft --json "$TARGET" "$DONOR" -o missing/out.gguf
expect_nothing_on stderr

expect_json 2 graft --json "$TARGET" "$DONOR" --set x
expect_nothing_on stderr

# extract and strip
expect_json 0 extract --json "$DONOR" -o mtp-out.gguf
expect_nothing_on stderr
expect_json 0 strip --json "$GRAFT" -o stripped.gguf
expect_nothing_on stderr
expect_json 5 strip --json "$GRAFT" -o stripped.gguf
expect_json 3 strip --json "$TARGET" -o other.gguf
expect_json 2 strip --json "$GRAFT"
expect_json 3 extract --json "$TARGET" -o other.gguf
expect_json 4 extract --json missing.gguf -o other.gguf
expect_json 2 extract --json "$DONOR"
expect_nothing_on stderr

# verify
expect_json 0 verify --json "$GRAFT"
expect_nothing_on stderr
expect_value 'list(x["result"])' "['path', 'compared_bytes', 'shared_bytes', 'unchecked_bytes', 'findings', 'notes', 'warnings', 'edits', 'head_type', 'norm_offset', 'recorded']"
expect_json 0 verify --json "$GRAFT" --target "$TARGET" --donor "$DONOR"
expect_value 'x["result"]["compared_bytes"]' "$(stat -c %s "$GRAFT")"
cp "$GRAFT" damaged.gguf
printf '\xff' | dd of=damaged.gguf bs=1 seek=7000000 conv=notrunc status=none
expect_json 1 verify --json damaged.gguf --target "$TARGET" --donor "$DONOR"
expect_nothing_on stderr
expect_value '[f["offset"] for f in x["result"]["findings"]]' '[7000000]'
expect_json 3 verify --json malformed/bad-magic.gguf

# checksum, and verify -c
expect_json 0 checksum --json "$TARGET"
expect_nothing_on stderr
expect_value 'list(x["result"])' "['path', 'algorithm', 'checksums']"
expect_value 'len(x["result"]["checksums"])' 163
"$MTPGRAFT" checksum "$TARGET" >list
expect_json 0 verify --json -c list "$GRAFT"
expect_value 'list(x["result"])' "['path', 'checkfile', 'tensors', 'files', 'other_files', 'not_listed', 'unlisted_trunk_tensors', 'bad_lines', 'metadata_equal', 'all_data']"
expect_value '{t["result"] for t in x["result"]["tensors"]}' "{'ok'}"
echo nonsense >>list
expect_json 1 verify --json --exact --strict -c list "$GRAFT"
expect_nothing_on stderr
expect_value '(len(x["result"]["not_listed"]), x["result"]["bad_lines"], x["result"]["metadata_equal"])' '(15, [164], False)'
expect_json 3 verify --json -c "$TARGET" "$GRAFT"
expect_nothing_on stderr

# Wrong command lines.
expect_json 2 graft --json
expect_nothing_on stderr
expect_json 2 inspect --bogus --json "$TARGET"
expect_nothing_on stderr
expect_json 2 verify "$GRAFT" --json --exact
expect_nothing_on stderr
expect_json 2 --json
expect_nothing_on stderr

# Paths that are no UTF-8 or hold control characters.
cp "$DONOR" $'odd\xff\e\n"name.gguf'
expect_json 0 inspect --json $'odd\xff\e\n"name.gguf'
expect_json 4 inspect --json $'missing\xff\e\n"name.gguf'
for name in tensor-name-nul empty value-cut key-count-huge; do
  expect_json 3 inspect --json "malformed/$name.gguf"
  expect_nothing_on stderr
done
