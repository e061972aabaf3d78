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
expect_same "out/$GRAFT" reference.gguf
rm -r PLAN.json out
