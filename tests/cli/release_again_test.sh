#!/usr/bin/env bash
# A release into a directory that has other files than the plan makes writes nothing over them without --force.
. "$(dirname "$0")/common.sh"
. "$TEST_DIR/mounts.sh"
. "$TEST_DIR/release.sh"

make_release one
cd one
expect_exit 0 "$MTPGRAFT" release -q --no-sync PLAN.json

# A damaged output is found before anything is written, and named with its tensor; --force replaces it alone.
cp -a out sound
stat -c '%n %i %y' out/Tiny-MTP-Q6_K.gguf >before
cp /dev/null out/Tiny-MTP-Q5_K_M.gguf
flip_byte out/Tiny-MTP-Q4_K_M.gguf 1000000
expect_exit 0 "$MTPGRAFT" release --dry-run PLAN.json
expect_text "$STDOUT" ' out/Tiny-MTP-Q5_K_M.gguf .* is there, of another size$'
expect_text "$STDOUT" ' out/Tiny-MTP-Q4_K_M.gguf .* is there, not compared$'
rm out/Tiny-MTP-Q5_K_M.gguf
expect_exit 5 "$MTPGRAFT" release PLAN.json
expect_text "$STDERR" '^mtpgraft: out/Tiny-MTP-Q4_K_M.gguf: is there already, and not what the plan makes \(/grafts/2\)$'
expect_text "$STDERR" "^  - the data of tensor 'blk\.[0-9]+\..*' differ: 1 of [0-9]+ bytes$"
expect_text "$STDERR" '^mtpgraft: 1 problem; nothing was written$'
expect_nothing_on stdout
[[ ! -e out/Tiny-MTP-Q5_K_M.gguf ]] || fail "something was written beside a damaged output"
expect_exit 0 "$MTPGRAFT" release -q --no-sync --force PLAN.json
diff -r sound out >&2 || fail "the damage is not mended"
stat -c '%n %i %y' out/Tiny-MTP-Q6_K.gguf | diff before - >&2 || fail "--force wrote what was sound"
rm -r sound before

# A list that is someone else's is not replaced without --force.
cp -a out sound
echo mine >out/Tiny-MTP-Q6_K.gguf.sums
echo mine >>out/SHA256SUMS
expect_exit 5 "$MTPGRAFT" release PLAN.json
expect_text "$STDERR" '^mtpgraft: out/SHA256SUMS: exists, and is not a list of a release$'
expect_text "$STDERR" '^mtpgraft: out/Tiny-MTP-Q6_K.gguf.sums: exists, and is not a list of a release$'
rm -r out
mv sound out

# What has left the plan is told, so that nobody publishes a file that no list has.
sed '/Q4_K_M/d; s/with its head"\]}},/with its head"]}}/' PLAN.json >shorter.json
expect_exit 5 "$MTPGRAFT" release shorter.json
expect_stderr <<'TEXT'
mtpgraft: out/SHA256SUMS: names 'Tiny-MTP-Q4_K_M.gguf', which the plan does not make
  hint: if that has left the release, delete this list, or use --force, which replaces it
mtpgraft: 1 problem; nothing was written
TEXT
expect_exit 0 "$MTPGRAFT" release --no-sync --force shorter.json
expect_text "$STDERR" '^mtpgraft: warning: out/Tiny-MTP-Q4_K_M.gguf: is no longer part of the release$'
[[ $(wc -l <out/SHA256SUMS) == 2 ]] || fail "not two files in SHA256SUMS"
