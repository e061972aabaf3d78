#!/usr/bin/env bash
# What the Hugging Face cache has is not fetched again; a part of it that is broken is named, and never replaced in
# silence.
. "$(dirname "$0")/common.sh"
. "$TEST_DIR/remote.sh"
use_hub
HUB_CACHE=$XDG_CACHE_HOME/huggingface/hub
lay_out() { python3 -B "$SOURCE_DIR/tests/support/make_hub_cache.py" "$@"; }
commit_of() { python3 -c 'import json, sys; print(json.load(sys.stdin)["sha"])' <"$HUB/www/api/models/$1/revision/main"; }
commit=$(commit_of lab/$BASE)
store=$HUB_CACHE/models--lab--$BASE
snapshot=$store/snapshots/$commit
graft "hf://lab/$BASE"
mv out.gguf from-hub.gguf
inputs+=(from-hub.gguf)
forget_cache
forget_requests

# Named by its commit, or offline, a donor in the cache needs no request. The bytes are those of the hub's.
for way in '' --copies; do
  rm -rf "$HUB_CACHE"
  lay_out ${way:+"$way"} "$LOCAL/$BASE" "$HUB_CACHE" lab/$BASE "$commit"
  graft "hf://lab/$BASE@$commit"
  expect_same out.gguf from-hub.gguf
  HF_HUB_OFFLINE=Yes graft "hf://lab/$BASE"
  expect_same out.gguf from-hub.gguf
done
expect_requests ''
[[ ! -e $CACHE ]] || fail "kept what is in a cache: $(ls "$CACHE")"

# The folder of the repository, and its snapshot, are donors as any.
for donor in "$store" "$snapshot" "$store/snapshots"; do
  graft "$donor"
  expect_same out.gguf from-hub.gguf
done
expect_requests ''

# Else the hub is asked what main is now; the files are here.
rm -rf "$HUB_CACHE"
lay_out "$LOCAL/$BASE" "$HUB_CACHE" lab/$BASE "$commit"
graft "hf://lab/$BASE"
expect_same out.gguf from-hub.gguf
expect_requests "hub 200 $(stat -Lc %s "$HUB/www/api/models/lab/$BASE/revision/main") /api/models/lab/$BASE/revision/main?blobs=true"
graft "hf://lab/$BASE" --no-cache
(($(sent) > 1000000)) || fail "not fetched: $last_command"

# A later commit with the same files: they are blobs already.
forget_cache
mv "$snapshot" "$store/snapshots/${commit//[0-9]/0}"
forget_requests
graft "hf://lab/$BASE"
expect_same out.gguf from-hub.gguf
if requests | grep -q safetensors; then
  fail "fetched what is a blob: $last_command"
fi
mv "$store/snapshots/${commit//[0-9]/0}" "$snapshot"

# Of a part of the repository the rest comes from the hub, or is named.
shard=model-00003-of-00004.safetensors
blob=$(readlink -f "$snapshot/$shard")
cp "$blob" "$SCRATCH/shard"
rm "$snapshot/$shard" "$blob"
rm out.gguf
HF_HUB_OFFLINE=1 expect_error 4 "hf://lab/$BASE: .$shard. is not in the Hugging Face cache, and HF_HUB_OFFLINE .*" \
  "'hf download lab/$BASE --revision $commit $shard' fetches it where that is allowed" "hf://lab/$BASE"
forget_cache
forget_requests
graft "hf://lab/$BASE@$commit"
expect_same out.gguf from-hub.gguf
if requests | grep 'model-0000[124]'; then
  fail "fetched what is in the cache: $last_command"
fi
rm out.gguf

# A link whose blob is gone, one that is still being fetched, and one that was cut.
forget_cache
forget_requests
ln -s "../../blobs/${blob##*/}" "$snapshot/$shard"
for donor in "hf://lab/$BASE@$commit" "hf://lab/$BASE" "$store"; do
  expect_error 4 "$snapshot/$shard: cannot open: No such file or directory" ".*symbolic link.*${blob##*/}.*" "$donor"
done
rm "$snapshot/$shard"
touch "$blob.incomplete"
for donor in "hf://lab/$BASE@$commit" "hf://lab/$BASE"; do
  expect_error 4 ".*$shard. is still being fetched to the Hugging Face cache, or that was interrupted: .*incomplete.*" \
    "wait for it, or let it be completed: hf download lab/$BASE --revision $commit $shard" "$donor"
done
expect_error 4 "$snapshot/$shard: cannot open: No such file or directory" \
  "its download is not done: '$blob.incomplete'; wait for it, or start it again" "$store"
rm "$blob.incomplete"
ln -s "../../blobs/${blob##*/}" "$snapshot/$shard"
head -c 1000000 "$SCRATCH/shard" >"$blob"
expect_error 4 "$snapshot/$shard: has 1000000 bytes, and the hub's file has .*" "" "hf://lab/$BASE"
if requests | grep -q safetensors; then
  fail "fetched in silence what is broken"
fi

# A link that leads out of the repository's folder is not followed.
rm "$snapshot/$shard"
cp "$SCRATCH/shard" "$SCRATCH/elsewhere"
ln -s "$SCRATCH/elsewhere" "$snapshot/$shard"
expect_error 5 "$snapshot/$shard: is a symbolic link that leads out of the folder" "" "hf://lab/$BASE@$commit"

# A model in the cache is a target, too. The output is not put there.
rm -rf "$HUB_CACHE"
lay_out "$LOCAL/One-GGUF" "$HUB_CACHE" lab/One-GGUF "$commit"
cp "$LOCAL/One-GGUF/Base-Q4_K_M.gguf" Base-Q4_K_M.gguf
expect_exit 0 "$MTPGRAFT" graft --no-sync -q Base-Q4_K_M.gguf "$LOCAL/$BASE" -o by-file.gguf
for way in '' --copies; do
  rm -rf "$HUB_CACHE"
  lay_out ${way:+"$way"} "$LOCAL/One-GGUF" "$HUB_CACHE" lab/One-GGUF "$commit"
  expect_exit 0 "$MTPGRAFT" graft --no-sync -q "$HUB_CACHE/models--lab--One-GGUF" "$LOCAL/$BASE"
  expect_same Base-MTP-Q4_K_M.gguf by-file.gguf
  expect_exit 0 "$MTPGRAFT" verify -q Base-MTP-Q4_K_M.gguf --target "$HUB_CACHE/models--lab--One-GGUF" --donor "$LOCAL/$BASE"
  rm Base-MTP-Q4_K_M.gguf
done

# Its two models: one is the target, the other has the head.
expect_exit 0 "$MTPGRAFT" graft --no-sync -q "$HUB_CACHE/models--lab--One-GGUF" "$HUB_CACHE/models--lab--One-GGUF"
rm Base-MTP-Q4_K_M.gguf

# Where several can be meant, they are listed.
lay_out "$LOCAL/Base-GGUF" "$HUB_CACHE" lab/Base-GGUF "$commit"
expect_exit 2 "$MTPGRAFT" graft "$HUB_CACHE/models--lab--Base-GGUF" "$LOCAL/$BASE"
expect_text "$STDERR" "Base-MTP-Q8_0.gguf"
expect_exit 2 "$MTPGRAFT" graft "$TARGET" "$HUB_CACHE/models--lab--Base-GGUF" -o out.gguf
expect_text "$STDERR" "mtp-Base-BF16.gguf"

# A repository of GGUF files needs no request either, where what is here has a head, also without refs/main.
rm -rf "$HUB_CACHE"
commit=$(commit_of lab/One-GGUF)
lay_out "$LOCAL/One-GGUF" "$HUB_CACHE" lab/One-GGUF "$commit"
forget_cache
forget_requests
for donor in "hf://lab/One-GGUF@$commit" "hf://lab/One-GGUF@$commit:Q8_0" "hf://lab/One-GGUF@$commit:mtp-*"; do
  graft "$donor"
done
rm "$HUB_CACHE/models--lab--One-GGUF/refs/main"
HF_HUB_OFFLINE=1 graft hf://lab/One-GGUF
expect_requests ''

# Where what is here has none, the hub tells of more.
rm -rf "$HUB_CACHE"
lay_out "$LOCAL/One-GGUF" "$HUB_CACHE" lab/One-GGUF "$commit" Base-Q4_K_M.gguf
graft "hf://lab/One-GGUF@$commit"
requests | grep -q cdn || fail "nothing was fetched: $last_command"

# What mtpgraft has fetched itself counts, too, beside a snapshot without a model.
rm -rf "$HUB_CACHE"
commit=$(commit_of lab/$BASE)
lay_out "$LOCAL/$BASE" "$HUB_CACHE" lab/$BASE "$commit" README.md
graft "hf://lab/$BASE"
forget_requests
HF_HUB_OFFLINE=1 graft "hf://lab/$BASE"
expect_requests ''

inputs+=(Base-Q4_K_M.gguf by-file.gguf)
# A broken link is told also where the hub cannot be reached. A snapshot that is a link to elsewhere is none.
rm -rf "$HUB_CACHE" out.gguf
forget_cache
lay_out "$LOCAL/$BASE" "$HUB_CACHE" lab/$BASE "$commit"
rm "$(readlink -f "$snapshot/$shard")"
HF_ENDPOINT=http://127.0.0.1:9 expect_error 4 "$snapshot/$shard: cannot open: No such file or directory" \
  ".*symbolic link.*" "hf://lab/$BASE@$commit"
mv "$snapshot" "$SCRATCH/elsewhere-snapshot"
ln -s "$SCRATCH/elsewhere-snapshot" "$snapshot"
HF_HUB_OFFLINE=1 expect_error 4 "hf://lab/$BASE: is not in a cache, .*" '' "hf://lab/$BASE"
