#!/usr/bin/env bash
# Each graft made alone by the command that the release tells, and all by two jobs, are the same bytes.
. "$(dirname "$0")/common.sh"
. "$TEST_DIR/release.sh"

make_release one
expect_exit 0 "$MTPGRAFT" release -q --no-sync one/PLAN.json

# As a workflow does it: the grafts by the commands of release.json, and the lists by a release at the end.
make_release alone
(
  cd alone
  mkdir out
  PATH=$(dirname "$MTPGRAFT"):$PATH
  python3 -c 'import json
for graft in json.load(open("../one/out/release.json"))["grafts"]:
    print(graft["command"], "-q --no-sync")' | sh -e
)
expect_exit 0 "$MTPGRAFT" release alone/PLAN.json --no-sync
expect_stderr <<'TEXT'
alone/out/Tiny-MTP-Q6_K.gguf: skipped: all 8.3 MiB are there as planned
alone/out/Tiny-MTP-Q5_K_M.gguf: skipped: all 7.4 MiB are there as planned
alone/out/Tiny-MTP-Q4_K_M.gguf: skipped: all 7.0 MiB are there as planned
TEXT

make_release jobs
expect_exit 0 "$MTPGRAFT" release -q --no-sync -j 2 jobs/PLAN.json
expect_nothing_on stdout stderr
for other in alone jobs; do
  diff -r one/out $other/out >&2 || fail "other bytes: $other"
done
