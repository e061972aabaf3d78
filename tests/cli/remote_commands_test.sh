#!/usr/bin/env bash
# extract, inspect and release read a donor on a server as they read its download.
. "$(dirname "$0")/common.sh"
. "$TEST_DIR/remote.sh"
use_hub

expect_exit 0 "$MTPGRAFT" extract --no-sync -q "$LOCAL/Base-GGUF/Base-MTP-Q8_0.gguf" -o local.gguf
expect_exit 0 "$MTPGRAFT" extract --no-sync -q hf://lab/Base-GGUF:Base-MTP-Q8_0.gguf -o out.gguf
expect_same out.gguf local.gguf
rm out.gguf local.gguf
expect_exit 0 "$MTPGRAFT" extract --no-sync -q --for "$TARGET" "$LOCAL/$BASE" -o local.gguf
expect_exit 0 "$MTPGRAFT" extract --no-sync -q --for "$TARGET" "hf://lab/$BASE" -o out.gguf
expect_same out.gguf local.gguf
rm out.gguf local.gguf

forget_cache
forget_requests
for file in Base-MTP-Q8_0.gguf split/Base-MTP-Q8_0-00001-of-00004.gguf mtp-Base-Q8_0.gguf; do
  expect_exit 0 "$MTPGRAFT" inspect "$LOCAL/Base-GGUF/$file"
  # The commands that it proposes are for a download.
  sed -e "1s#$LOCAL/#hf://lab/#" -e "s#-\(m\|md\) $LOCAL/.*/#-\1 #" "$STDOUT" >"$SCRATCH/inspected"
  expect_exit 0 "$MTPGRAFT" inspect "hf://lab/Base-GGUF:$file"
  expect_text "$STDOUT" '^ +only parts of [14] files? are read: the SHA-256 that the hub has of (it|them) is not checked$'
  sed -i -E '/^ {13}(hf:|only parts)/d' "$STDOUT"
  expect_stdout <"$SCRATCH/inspected"
done
expect_sent 500000
expect_exit 0 "$MTPGRAFT" inspect "hf://lab/$BASE"
expect_text "$STDOUT" '^  MTP +sidecar, .*15 tensors, 1.9 MiB: BF16 1.9 MiB \(8\), F32 5.5 KiB \(7\)$'
cat >PLAN.json <<END
{"schema_version": 1, "output_directory": "out", "grafts": [{"target": "$TARGET", "donor": "hf://lab/$BASE"}]}
END
expect_exit 0 "$MTPGRAFT" release --no-sync PLAN.json
expect_graft_of "out/$GRAFT"
main=$HUB/www/api/models/lab/$BASE/revision/main
commit=$(python3 -c 'import json, sys; print(json.load(sys.stdin)["sha"])' <"$main")
python3 - "$commit" <<'PYTHON' || fail "release.json does not tell the commit: $(cat out/release.json)"
import json, sys

donor = json.load(open("out/release.json"))["grafts"][0]
assert donor["donor"]["commit"] == donor["record"]["donor"]["commit"] == sys.argv[1], donor
PYTHON
rm -r PLAN.json out

# The commit is told in every answer, and the commands to paste name it.
expect_exit 0 "$MTPGRAFT" graft --no-sync "$TARGET" "hf://lab/$BASE" -o out.gguf
expect_text "$STDOUT" "^  mtpgraft verify out.gguf --target $TARGET --donor hf://lab/$BASE@$commit\$"
expect_exit 0 "$MTPGRAFT" graft --no-sync -f --json "$TARGET" "hf://lab/$BASE" -o out.gguf
expect_json "x['result']['donor_commit'] == '$commit'"
expect_exit 0 "$MTPGRAFT" inspect --json out.gguf
expect_json "x['result']['files'][0]['mtp']['recorded']['donor_commit'] == '$commit'"
expect_exit 0 "$MTPGRAFT" verify out.gguf --target "$TARGET" --donor "hf://lab/$BASE@$commit"
expect_exit 0 "$MTPGRAFT" verify --json out.gguf --target "$TARGET" --donor "$LOCAL/$BASE"
expect_json "x['ok'] and x['result']['recorded']['donor_commit'] == '$commit'"
expect_exit 0 "$MTPGRAFT" extract --json -n "hf://lab/$BASE" --for "$TARGET" -o out.gguf -f
expect_json "x['result']['donor_commit'] == '$commit'"
expect_exit 0 "$MTPGRAFT" graft --json -n "$TARGET" "$LOCAL/$BASE" -f -o out.gguf
expect_json "x['result']['donor_commit'] is None"
rm out.gguf

# The digests of a donor on the hub are what the hub tells: nothing more is fetched for them.
forget_requests
expect_exit 0 "$MTPGRAFT" graft --no-sync --json --source-digests "$TARGET" "hf://lab/$BASE" -o out.gguf
expect_sent 0
sha256sum "$LOCAL/$BASE"/model-0000[23]*.safetensors | cut -d' ' -f1 | sort >"$SCRATCH/sums"
json "'\n'.join(sorted(f['sha256'] for f in x['result']['source_digests']['donor']))" | diff - "$SCRATCH/sums" >&2 ||
  fail "other digests: $(json "x['result']['source_digests']")"
rm out.gguf

# A head's file has a name of its own, in the current directory.
expect_exit 0 "$MTPGRAFT" extract --no-sync -q --for "$TARGET" "hf://lab/$BASE"
[[ -e mtp-target-12L-BF16.gguf ]] || fail "another name: $(ls)"
expect_exit 0 "$MTPGRAFT" extract --no-sync -q hf://lab/Base-GGUF:Base-MTP-Q8_0.gguf
[[ -e mtp-Base-Q8_0.gguf ]] || fail "another name: $(ls)"
expect_exit 0 "$MTPGRAFT" extract --no-sync -q --tensors-only "hf://lab/$BASE"
[[ -e mtp-$BASE-BF16.gguf ]] || fail "another name: $(ls)"
rm mtp-*.gguf

