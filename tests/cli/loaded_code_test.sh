#!/usr/bin/env bash
# Which library is loaded says the user: not the folder that the program runs in, a plan, or the record of a file.
. "$(dirname "$0")/common.sh"
. "$TEST_DIR/release.sh"
use "$TARGET"
DONOR=mtp-base-8L-BF16.gguf
use "$DONOR"
unset MTPGRAFT_GGML LD_LIBRARY_PATH
# A real library, but no ggml: that it was loaded can be read in the message.
library=$(ldd "$MTPGRAFT" | awk '/libm\.so/ { print $3 }')
cp "$library" libggml-base.so
cp "$library" libggml-base.so.0
convert=("$MTPGRAFT" graft --dry-run "$TARGET" "$DONOR" --head-type q6_k)

expect_loaded() { expect_text "$STDERR" 'is not ggml'; }
expect_not_loaded() {
  [[ $code == 4 ]] || fail "exit code $code, expected 4: $last_command"
  expect_text "$STDERR" '^mtpgraft: found no ggml'
  ! grep -q 'is not ggml' "$STDOUT" "$STDERR" || fail "a library was loaded from the current directory: $last_command"
}

# Beside a llama-server in the current directory, or in what PATH has below it.
printf '#!/bin/sh\n' >llama-server
chmod +x llama-server
mkdir tools tls
cp "$library" tls/libggml-base.so
cp libggml-base.so llama-server tools
for path in "" ":$PATH" "$PATH:" "$PATH::/nowhere" ".:$PATH" "tools:$PATH" "./tools:$PATH"; do
  run env PATH="$path" "${convert[@]}"
  expect_not_loaded
done
for path in "" ":/nowhere" "/nowhere:" "/nowhere::/nothing" . "tools" "$PWD/nothing:tools"; do
  run env LD_LIBRARY_PATH="$path" "${convert[@]}"
  expect_not_loaded
done
# Named in full it is the user's word. What is no program makes no directory a llama.cpp's.
run env PATH="$PWD/tools:$PATH" "${convert[@]}"
expect_loaded
chmod -x tools/llama-server
run env PATH="$PWD/tools:$PATH" "${convert[@]}"
expect_not_loaded
rm tools/llama-server
mkdir tools/llama-server
run env PATH="$PWD/tools:$PATH" "${convert[@]}"
expect_not_loaded

# A plan's ggml counts only where the user names the same file, as its directory, by a link, or relative to the plan.
make_release plan
mkdir plan/lib
cp "$library" plan/lib/libggml-base.so
ln -s plan/lib/libggml-base.so linked.so
write_plan() {
  echo '{"schema_version": 1, "grafts": [{"target": "quants/Tiny-Q6_K.gguf", "donor": "heads/mtp-Base-BF16.gguf",' \
    "\"options\": {\"head_type\": \"q6_k\"$1}}]}" >plan/PLAN.json
}
write_plan ', "ggml": "lib/libggml-base.so"'
expect_exit 3 "$MTPGRAFT" release plan/PLAN.json
expect_stderr <<'TEXT'
mtpgraft: plan/PLAN.json: /grafts/0/options/ggml: 'plan/lib/libggml-base.so' is a library to load, which only the user may name
  hint: if you trust it: mtpgraft release --ggml plan/lib/libggml-base.so plan/PLAN.json
mtpgraft: 1 problem; nothing was written
TEXT
for named in libggml-base.so tools /nowhere; do
  expect_exit 3 "$MTPGRAFT" release plan/PLAN.json --ggml "$named"
  expect_text "$STDERR" 'is a library to load, which only the user may name'
  expect_exit 3 env MTPGRAFT_GGML="$named" "$MTPGRAFT" release plan/PLAN.json --json
  [[ $(json "x['error']['field']+' '+x['error']['remedy']") == "ggml allow-ggml" ]] || fail "another error"
done
# One that is not there is told, not refused again.
write_plan ', "ggml": "none.so"'
expect_exit 4 "$MTPGRAFT" release plan/PLAN.json --ggml plan/none.so
expect_text "$STDERR" 'none.so: cannot load ggml: cannot open shared object file'
write_plan ', "ggml": "lib/libggml-base.so"'
for named in plan/lib/libggml-base.so plan/lib "$PWD/plan/lib" linked.so; do
  expect_exit 3 "$MTPGRAFT" release plan/PLAN.json --ggml "$named"
  expect_loaded
  expect_exit 3 env MTPGRAFT_GGML="$named" "$MTPGRAFT" release plan/PLAN.json
  expect_loaded
done
# --ggml is for all grafts, and before the variable.
write_plan ''
expect_exit 3 env MTPGRAFT_GGML=/nowhere "$MTPGRAFT" release plan/PLAN.json --ggml tools
expect_loaded
no_leftovers plan/quants Tiny-Q4_K_M.gguf Tiny-Q5_K_M.gguf Tiny-Q6_K.gguf

# verify does not look for one because the file says how it was made.
"$MTPGRAFT" graft --no-sync -q "$TARGET" "$DONOR" --head-type q8_0 -o graft.gguf
python3 - "$SOURCE_DIR/tests/support" graft.gguf <<'PYTHON'
import pathlib, re, sys
sys.path.insert(0, sys.argv[1])
from attacks import xxh128
path = pathlib.Path(sys.argv[2])
data = path.read_bytes().replace(b'"head_type":"Q8_0"', b'"head_type":"Q6_K"')
body, digest = re.search(rb'(\{"record":.*),"xxh128":"([0-9a-f]{32})"\}', data).groups()
path.write_bytes(data.replace(digest, xxh128(body).encode()))
PYTHON
verify=("$MTPGRAFT" verify graft.gguf --target "$TARGET" --donor "$DONOR")
cp "$library" tools/libggml-base.so.0
printf '#!/bin/sh\n' >llama-server
mkdir bin
mv llama-server bin
chmod +x bin/llama-server
cp "$library" bin/libggml-base.so
PATH=$PWD/bin:$PATH
expect_exit 3 "${verify[@]}"
expect_stderr <<'TEXT'
mtpgraft: the head was made with a ggml, and none is loaded here but one that is named
  hint: name it: --ggml /path/to/libggml-base.so; or give --head-type, which takes that of the installed llama.cpp
TEXT
for way in "--ggml tools" "--head-type q6_k"; do
  # shellcheck disable=SC2086  # two words
  run "${verify[@]}" $way
  expect_loaded
done
expect_exit 3 env MTPGRAFT_GGML=tools "${verify[@]}"
expect_loaded
expect_exit 0 "$MTPGRAFT" verify graft.gguf
