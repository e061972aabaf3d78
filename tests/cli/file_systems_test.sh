#!/usr/bin/env bash
# Every command that writes, on every file system that can be had here: the same bytes everywhere, nothing left, and what
# the file system cannot do is said or done in another way. MTPGRAFT_FIGURES=1 prints the table of docs/reliability.md,
# for which strace is needed.
. "$(dirname "$0")/common.sh"
. "$TEST_DIR/mounts.sh"
figures=${MTPGRAFT_FIGURES:-}
cp "$MODELS_DIR/$TARGET" t.gguf
cp "$MODELS_DIR/$DONOR" d.gguf
cp "$FIXTURES_DIR"/split/four-* .
mkdir expected
"$MTPGRAFT" graft -q --no-sync t.gguf d.gguf -o expected/x.gguf --checksums expected/x.sums
"$MTPGRAFT" extract -q --no-sync expected/x.gguf -o expected/h.gguf
"$MTPGRAFT" graft -q --no-sync --split-head t.gguf d.gguf -o expected/s.gguf

# How the last call that strace saw gave the name $2.
naming_call() {
  case $(grep -E "\"$2\"" "$1" | grep -E '^([0-9]+ +)?(linkat|link|renameat2|rename)\(.* = 0$' | tail -n 1) in
    *linkat*) echo "a file without a name, \`linkat\`" ;;
    *renameat2*) echo "\`renameat2\`" ;;
    *link*) echo "\`link\`" ;;
    *rename*) echo "\`rename\` over an empty file" ;;
    *) echo "?" ;;
  esac
}

[[ -z $figures ]] || echo "| file system | the name is given by | shards that stay | \`--copy=clone\` | in place | free space |
|---|---|---|---|---|---|"

large='its file system has blocks of 16384 bytes, and the data go by blocks of 4096'

# try FS SHARDS CLONE IN_PLACE FREE: what is expected of it.
try() {
  local fs=$1 shards clone in_place free name
  mount_fs "$fs" || return 0
  rm -rf "$fs/lost+found"
  local inputs=(t.gguf d.gguf four-*)
  cp "${inputs[@]}" "$fs"

  expect_exit 0 "$MTPGRAFT" graft -q "$fs/t.gguf" "$fs/d.gguf" -o "$fs/x.gguf" --checksums "$fs/x.sums"
  expect_exit 0 "$MTPGRAFT" strip -q "$fs/x.gguf" -o "$fs/o.gguf"
  expect_exit 0 "$MTPGRAFT" extract -q "$fs/x.gguf" -o "$fs/h.gguf"
  expect_exit 0 "$MTPGRAFT" graft -q --split-head "$fs/t.gguf" "$fs/d.gguf" -o "$fs/s.gguf"
  for name in x.gguf x.sums h.gguf s-0000{1,2}-of-00002.gguf; do
    expect_same "$fs/$name" "expected/$name"
  done
  expect_same "$fs/o.gguf" t.gguf
  expect_exit 5 "$MTPGRAFT" graft -q "$fs/t.gguf" "$fs/d.gguf" -o "$fs/x.gguf"
  expect_exit 0 "$MTPGRAFT" graft -q --force "$fs/t.gguf" "$fs/d.gguf" -o "$fs/x.gguf"
  # A hidden file of FUSE's own may take a moment to go.
  ls -A "$fs" >/dev/null
  no_leftovers "$fs" "${inputs[@]}" x.gguf x.sums o.gguf h.gguf s-0000{1,2}-of-00002.gguf
  rm "$fs"/{x.gguf,x.sums,o.gguf,h.gguf,s-*}

  mkdir "$fs/r"
  cat >"$fs/r/PLAN.json" <<'END'
{"schema_version": 1, "grafts": [{"target": "../t.gguf", "donor": "../d.gguf", "output": "x.gguf"}], "output_directory": "out"}
END
  expect_exit 0 "$MTPGRAFT" release -q "$fs/r/PLAN.json"
  no_leftovers "$fs/r/out" x.gguf x.gguf.sums SHA256SUMS release.json
  rm -r "$fs/r"

  expect_exit 0 "$MTPGRAFT" graft --json "$fs/four-Q4_K_M-00001-of-00004.gguf" "$fs/d.gguf" -o "$fs/y.gguf"
  shards=$(python3 -c 'import json, sys; print(json.load(sys.stdin)["result"]["outputs"][1]["way"])' <"$STDOUT")
  expect_exit 0 "$MTPGRAFT" verify -q "$fs/y-00001-of-00005.gguf" --target "$fs/four-Q4_K_M-00001-of-00004.gguf" --donor "$fs/d.gguf"
  rm "$fs"/y-*
  expect_exit 0 "$MTPGRAFT" graft --json --dry-run "$fs/t.gguf" "$fs/d.gguf" -o "$fs/x.gguf"
  free=$(python3 -c 'import json, sys
print("unknown" if json.load(sys.stdin)["result"]["free_bytes"] is None else "known")' <"$STDOUT")

  run "$MTPGRAFT" graft -q --copy=clone "$fs/t.gguf" "$fs/d.gguf" -o "$fs/x.gguf"
  case $code in
    0) clone=yes && rm "$fs/x.gguf" ;;
    4) clone=no && expect_text "$STDERR" "cannot clone the target's tensor data: $([[ $fs != xfs-16k ]] || is_plain_posix || echo "$large")" ;;
    *) fail "exit code $code: $last_command" && clone='?' ;;
  esac
  if [[ -n $figures ]]; then
    strace -f -o trace -e trace=link,linkat,rename,renameat2 "$MTPGRAFT" graft -q "$fs/t.gguf" "$fs/d.gguf" -o "$fs/x.gguf"
    named=$(naming_call trace "$fs/x.gguf")
    rm "$fs/x.gguf"
  fi
  run "$MTPGRAFT" graft --json --in-place "$fs/t.gguf" "$fs/d.gguf"
  case $code in
    0)
      in_place=$(python3 -c 'import json, sys; print(json.load(sys.stdin)["result"]["in_place"])' <"$STDOUT")
      expect_exit 0 "$MTPGRAFT" strip -q --in-place "$fs/t.gguf"
      expect_same "$fs/t.gguf" t.gguf
      ;;
    5)
      in_place=refused
      expect_same "$fs/t.gguf" t.gguf
      [[ $fs != xfs-16k ]] || is_plain_posix || expect_text "$STDOUT" "\"message\": *\"$large\""
      ;;
    *) fail "exit code $code: $last_command" && in_place='?' ;;
  esac
  no_leftovers "$fs" "${inputs[@]}"
  if is_plain_posix; then
    set -- "$fs" "${2/cloned/copied}" no refused "$5"
  fi
  [[ "$shards $clone $in_place $free" == "${*:2}" ]] || fail "$fs: $shards $clone $in_place $free, expected ${*:2}"
  [[ -z $figures ]] || echo "| $fs | $named | $shards | $clone | $in_place | $free |"
}

try ext4 hard-linked no insert known
try xfs hard-linked yes clone known
try xfs-16k hard-linked no refused known
try btrfs hard-linked yes clone known
try tmpfs hard-linked no refused known
try ramfs hard-linked no refused unknown
try overlay hard-linked no refused known
try ntfs-3g hard-linked no refused known
try exfat-fuse copied no refused known
