#!/usr/bin/env bash
# Targets and donors of a release may be of several files; each file has its line, its sum and its size.
. "$(dirname "$0")/common.sh"
. "$TEST_DIR/release.sh"

# Of a split model every file has a line, and links to the target's own files are no offence the second time.
mkdir split
for i in 1 2 3 4; do
  cp "$FIXTURES_DIR/split/four-Q4_K_M-0000$i-of-00004.gguf" split
done
cp "$SCRATCH/donor-Q8_0.gguf" split/donor.gguf
echo '{"schema_version": 1, "grafts": [{"target": "*-Q4_K_M*.gguf", "donor": "donor.gguf"}]}' >split/plan.json
for round in written skipped; do
  expect_exit 0 "$MTPGRAFT" release split/plan.json
  expect_text "$STDERR" "^split/four-MTP-Q4_K_M-00001-of-00005.gguf: $round"
done
[[ $(wc -l <split/SHA256SUMS) == 5 ]] || fail "not five files in SHA256SUMS"
(cd split && sha256sum -c --quiet --strict SHA256SUMS) || fail "sha256sum finds differences in a split model"
expect_exit 0 "$MTPGRAFT" verify split/four-MTP-Q4_K_M-00001-of-00005.gguf --exact --quiet \
  -c split/four-MTP-Q4_K_M-00001-of-00005.gguf.sums
# As if it had been killed between the names of the last file and the first.
rm split/four-MTP-Q4_K_M-00001-of-00005.gguf
expect_exit 0 "$MTPGRAFT" release split/plan.json
(cd split && sha256sum -c --quiet --strict SHA256SUMS) || fail "an incomplete split model is not mended"
rm -r split

# Of a donor every file is counted once.
make_release one
cd one
cp -rL "$MODELS_DIR/hf-base-8L" heads
echo '{"schema_version": 1, "output_directory": "hf", "grafts": [{"target": "quants/Tiny-Q6_K.gguf", "donor": "heads/hf-base-8L"}]}' \
  >hf.json
expect_exit 0 "$MTPGRAFT" release -q --no-sync hf.json
python3 - heads/hf-base-8L/* <<'PYTHON' || fail "release.json tells another size of a checkpoint"
import json, os, sys
donor = json.load(open("hf/release.json"))["grafts"][0]["donor"]
assert donor["bytes"] == sum(map(os.path.getsize, sys.argv[1:])), donor
PYTHON
