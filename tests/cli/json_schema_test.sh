#!/usr/bin/env bash
# Every field that docs/schema has for a command occurs in an output here, and so does every state, way, outcome and
# code; that each output follows its schema is checked by common.sh. The words behind --complete need file systems that
# clone or insert, for which there are other tests, or models that only the unit tests have.
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/bench.sh"
! is_plain_posix || skip_all "the program does not change files in place, and then has not all fields"
use "$TARGET" "$DONOR" split malformed target-{odd-keys,placeholder,broken-head,trailing-bytes}.gguf \
  donor-{nan,hole,wrong-width,rope,other-merges,norms-unshifted,base-model,tensors-only-no-keys}.gguf \
  target-{base-model,with-head}.gguf mmproj-256.gguf mmproj-512.gguf
# shellcheck disable=SC2034  # common.sh uses it
json_check=(--complete clone cloned insert Infinity architecture-unknown file-holes fork-type forks-only head-skipped
  head-structure head-type-fallback left-release not-measured nothing-matches sidecar-refused tensor-missing tensor-unasked
  type-unknown base-without-head hub hub_cache)

# answer CODE COMMAND ARGUMENT...
answer() { expect_exit "$1" "$MTPGRAFT" "$2" --json "${@:3}"; }

# failure CODE ERROR COMMAND ARGUMENT...
failure() {
  answer "$1" "${@:3}"
  grep -Fq "\"error\":{\"code\":\"$2\"," "$STDOUT" || fail "another error than $2: $last_command"
}

# interruption CODE SIGNAL FILE COMMAND ARGUMENT...: a signal as soon as FILE is open.
interruption() {
  expect_exit "$1" python3 "$SOURCE_DIR/tests/support/signal_when_open.py" "$2" "$3" "$MTPGRAFT" "$4" --json "${@:5}"
  grep -Fq '"error":{"code":"interrupted",' "$STDOUT" || fail "not interrupted: $last_command"
  [[ ! -e none.gguf ]] || fail "an output was left by: $last_command"
}

expect_exit 0 "$MTPGRAFT" --version --json
cp "$TARGET" written.gguf
exec 5<>written.gguf
answer 0 inspect written.gguf
exec 5>&-
answer 0 graft --no-sync "$TARGET" "$DONOR"
answer 0 graft --no-sync "$TARGET" donor-nan.gguf -o nan.gguf
answer 0 graft --no-sync "$TARGET" donor-hole.gguf -o hole.gguf
answer 1 verify nan.gguf
answer 0 graft -n --replace "$GRAFT" donor-rope.gguf -o none.gguf
answer 0 inspect target-base-model.gguf
answer 0 graft -n --from-base target-base-model.gguf
ln -s "$DONOR" mtp-other.gguf
failure 2 usage graft --from-base target-base-model.gguf
rm mtp-other.gguf
answer 0 graft -n "$TARGET" "$DONOR" -o none-mtp-x.gguf --set qwen35.context_length=u64:1 --yarn 4
answer 0 graft -n "$TARGET" donor-other-merges.gguf -o none.gguf
answer 0 graft -n "$TARGET" donor-norms-unshifted.gguf -o none.gguf
answer 0 graft -n target-base-model.gguf donor-base-model.gguf -o none.gguf
for link in hard sym copy; do
  answer 0 graft --no-sync -f --link=$link split/four-Q4_K_M-00001-of-00004.gguf "$DONOR" -o four.gguf
done
failure 2 usage graft "$TARGET"
failure 3 incompatible graft "$TARGET" donor-wrong-width.gguf -o none.gguf
failure 4 io graft missing.gguf "$DONOR" -o none.gguf
failure 5 refused graft "$TARGET" "$DONOR"
interruption 130 INT "$TARGET" graft "$TARGET" "$DONOR" -o none.gguf

# A donor on a server; of a build that cannot read one, not all fields are asked for.
export XDG_CACHE_HOME=$SCRATCH/cache
if "$MTPGRAFT" --version | grep -q '^features.*, http '; then
  coproc python3 -B "$SOURCE_DIR/tests/support/bad_server.py" "$MODELS_DIR" /dev/null
  read -r port _ <&"${COPROC[0]}"
  answer 0 graft -n "$TARGET" "http://127.0.0.1:$port/good/$DONOR" -o none.gguf
  answer 0 extract -n "http://127.0.0.1:$port/good/$DONOR" -o none.gguf
  answer 0 inspect "http://127.0.0.1:$port/good/$DONOR"
  failure 4 io inspect "http://127.0.0.1:$port/no-ranges/$DONOR"
else
  json_check=()
fi

answer 0 inspect "$MODELS_DIR/hf-base-8L"
answer 0 inspect "$TARGET" "$GRAFT" target-placeholder.gguf target-broken-head.gguf "$DONOR" \
  donor-tensors-only-no-keys.gguf split/four-Q4_K_M-00002-of-00004.gguf
answer 0 inspect --kv --tensors target-odd-keys.gguf
mkdir dialects
PYTHONPATH=$SOURCE_DIR/tests/support python3 -B "$SOURCE_DIR/tests/support/make_dialects.py" "$MODELS_DIR" dialects
answer 0 inspect dialects/{qwen4exp-*,trimmed,borrowing,experts-apart,mtp-architecture}.gguf
answer 0 graft -n dialects/deepseek4.gguf dialects/mtp-deepseek4.gguf -o none.gguf
answer 0 inspect --tensors='*.nextn.*' four-00001-of-00005.gguf
answer 0 inspect --mmproj mmproj-256.gguf "$GRAFT"
answer 3 inspect --mmproj mmproj-512.gguf "$GRAFT"
failure 3 unsupported inspect --mmproj "$TARGET" "$GRAFT"
failure 3 malformed inspect "$TARGET" malformed/bad-magic.gguf
failure 2 usage inspect

answer 0 extract --no-sync "$DONOR" -o mtp.gguf
answer 0 extract -n donor-rope.gguf --for "$TARGET" -o none.gguf
answer 0 extract -n --tensors-only "$DONOR" -o none.gguf
answer 0 extract -n --head-type bf16 "$DONOR" -o none.safetensors
answer 0 extract -n --no-shared-tensors "$FIXTURES_DIR/archs/qwen4exp/full.gguf" -o none.gguf
answer 0 extract -n --tensors-only "$FIXTURES_DIR/checkpoints/qwen35-fp8-row" -o none.gguf
answer 0 graft -n "$TARGET" "$MODELS_DIR/hf-base-8L" -o none.gguf
failure 3 incompatible extract "$TARGET" -o none.gguf
interruption 143 TERM "$DONOR" extract "$DONOR" -o none.gguf

answer 0 strip --no-sync "$GRAFT" -o stripped.gguf
answer 0 strip -n four-00001-of-00005.gguf -o none.gguf
answer 0 graft --no-sync target-trailing-bytes.gguf "$DONOR" -o trailing.gguf
cat trailing.gguf >unfinished.gguf.part
answer 0 inspect unfinished.gguf.part
answer 0 verify unfinished.gguf.part
answer 0 strip -n trailing.gguf -o none.gguf
answer 0 graft --no-sync --replace target-with-head.gguf "$DONOR" -o replaced.gguf
answer 0 strip -n replaced.gguf -o none.gguf
LC_ALL=C sed '0,/tiny-qwen35-target-12L/s//tiny-qwen35-target-12X/' "$GRAFT" >renamed.gguf
answer 0 strip -n renamed.gguf -o none.gguf
failure 3 incompatible strip "$TARGET" -o none.gguf
failure 2 usage strip "$GRAFT"
interruption 129 HUP "$GRAFT" strip "$GRAFT" -o none.gguf

answer 0 verify "$GRAFT" --target "$TARGET" --donor "$DONOR"
answer 0 verify "$GRAFT"
answer 1 verify "$GRAFT" --target "$TARGET" --donor donor-rope.gguf
answer 1 verify "$TARGET"
# Keys that were set, a list of files, and a graft whose tensors were written in another type.
"$MTPGRAFT" graft -q --no-sync "$TARGET" "$DONOR" --set 'general.tags=str[]:["a"]' --unset general.name -o edited.gguf
answer 1 verify edited.gguf --target "$TARGET" --donor "$DONOR"
answer 0 verify edited.gguf --allow-edits --target "$TARGET" --donor "$DONOR"
answer 0 verify edited.gguf --tensors-only --target "$TARGET" --donor "$DONOR"
answer 0 inspect edited.gguf
failure 2 usage verify "$TARGET" --target edited.gguf --donor "$DONOR"
sha256sum "$TARGET" "$DONOR" >files
answer 0 verify "$TARGET" -c files
python3 -B - "$SOURCE_DIR/tests/support" edited.gguf requantised.gguf <<'END'
import sys
sys.path.insert(0, sys.argv[1])
import gguf_file as g
model = g.GgufFile.read(sys.argv[2])
for tensor in model.tensors:
    if len(tensor.shape) == 2:
        tensor.type_id, tensor.data = 1, b"\1" * (2 * tensor.shape[0] * tensor.shape[1])  # F16
model.write(sys.argv[3])
END
answer 0 strip -n requantised.gguf -o none.gguf
"$MTPGRAFT" checksum "$TARGET" >sums
answer 0 verify -c sums "$GRAFT"
{
  echo nonsense
  sed 's/^\(XXH128 (output.weight) = \)./\1x/' sums
  echo "XXH128 (none) = $(printf '0%.0s' {1..32})"
} >other
answer 1 verify --exact -c other "$GRAFT"
"$MTPGRAFT" checksum "$DONOR" >donor
answer 1 verify -c donor "$GRAFT"
python3 -B - "$SOURCE_DIR/tests/support" "$TARGET" >manifest <<'END'
import hashlib, sys
sys.path.insert(0, sys.argv[1])
import gguf_file as g
data = [(":" + tensor.name, tensor.read()) for tensor in g.GgufFile.read(sys.argv[2]).tensors]
for name, content in [*data, ("", b"".join(content for _, content in data))]:
    print(f"sha256    {hashlib.sha256(content).hexdigest()}  model{name}")
END
answer 0 verify -c manifest "$TARGET"
answer 0 verify -c manifest "$GRAFT"
tail -n 1 manifest >all-data
answer 1 verify -c all-data "$GRAFT"
failure 3 malformed verify -c "$TARGET" "$GRAFT"
failure 4 io verify missing.gguf

answer 0 checksum "$TARGET"
answer 0 checksum --algorithm sha256 "$TARGET"
failure 3 malformed checksum malformed/empty.gguf

cat >plan.json <<END
{"schema_version": 1, "output_directory": "out", "grafts": [{"target": "$TARGET", "donor": "$DONOR"},
  {"target": "target-base-model.gguf", "donor": "donor-base-model.gguf"}]}
END
answer 0 release -n plan.json
answer 0 release --no-sync plan.json
answer 0 release --no-sync plan.json
answer 0 release -n plan.json
printf 'x' >>out/"$GRAFT"
answer 5 release plan.json
failure 3 malformed release "$TARGET"
interruption 130 INT "$TARGET" release plan.json

# A model that only declares a head is mended in place on any file system, and a journal of it undone or done.
cp -L target-placeholder.gguf model.gguf
expect_exit 137 python3 "$SOURCE_DIR/tests/support/signal_when_open.py" KILL model.gguf.mtpgraft-journal \
  "$MTPGRAFT" strip --in-place model.gguf
failure 5 refused strip --in-place model.gguf
cp model.gguf.mtpgraft-journal journal
answer 0 recover model.gguf
answer 0 recover model.gguf
answer 0 strip --in-place model.gguf
sed '1s/step 1/step 3/' journal >model.gguf.mtpgraft-journal
answer 0 recover model.gguf
failure 4 io recover missing.gguf

# Texts that differ, and a server that fails.
"$MTPGRAFT" graft -q --no-sync "$TARGET" "$DONOR" -o measured.gguf
FAKE_SERVER=other-text answer 0 bench measured.gguf --depths 1,2 --predict 8
FAKE_SERVER=dies failure 4 io bench measured.gguf --depths 1 --predict 8
failure 3 incompatible bench "$TARGET"

# A file of the cache, and one of which only a part is left.
export XDG_CACHE_HOME=$PWD
entry=mtpgraft/$(printf 'https://example.org/a' | sha256sum | cut -c1-32)
mkdir -p "$entry" "mtpgraft/$(printf '0%.0s' {1..32})"
printf 'https://example.org/a\nv1\n1000\n' >"$entry/source"
head -c 42 /dev/zero | tee "$entry/0123456789abcdef-0-10" >"mtpgraft/$(printf '0%.0s' {1..32})/0123456789abcdef-0-10"
answer 0 cache
answer 0 cache --clear
failure 2 usage cache --list --clear
touch not-a-directory
XDG_CACHE_HOME=$PWD/not-a-directory failure 4 io cache

for arguments in "" "grfat $TARGET" "--bogus"; do
  # shellcheck disable=SC2086
  expect_exit 2 "$MTPGRAFT" --json $arguments
done
