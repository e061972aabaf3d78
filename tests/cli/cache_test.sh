#!/usr/bin/env bash
# The cache is listed and cleared, whatever lies in its directory.
. "$(dirname "$0")/common.sh"
export XDG_CACHE_HOME=$WORK/home TZ=UTC
CACHE=$XDG_CACHE_HOME/mtpgraft
STATE=0123456789abcdef

# entry_of URL: its directory in the cache, as docs/design.md tells.
entry_of() { printf '%s/%s' "$CACHE" "$(printf '%s' "$1" | sha256sum | cut -c1-32)"; }

# put_source URL SIZE DATE
put_source() {
  local entry
  entry=$(entry_of "$1")
  mkdir -p "$entry"
  printf '%s\n"v1"\n%s\n' "$1" "$2" >"$entry/source"
  touch -d "$3" "$entry/source"
}

# put_part URL OFFSET LENGTH: its bytes do not matter here.
put_part() { truncate -s "$(($3 + 32))" "$(entry_of "$1")/$STATE-$2-$3"; }

expect_exit 0 "$MTPGRAFT" cache
expect_stdout <<'END'
WORK/home/mtpgraft: 0 bytes of 0 files
END
expect_nothing_on stderr
expect_exit 0 "$MTPGRAFT" cache --clear
expect_stdout <<'END'
WORK/home/mtpgraft: 0 bytes freed
END
no_leftovers "$WORK"

fill() {
  put_source https://example.org/base.gguf 20000000000 2026-10-02
  put_part https://example.org/base.gguf 0 524288
  put_part https://example.org/base.gguf 1000000 1048576
  put_source https://example.org/model.safetensors 2048 2026-09-30
  put_part https://example.org/model.safetensors 8 1024
}
fill
expect_exit 0 "$MTPGRAFT" cache --list
expect_stdout <<'END'
last used   size      here     parts  URL
2026-09-30  2.0 KiB   1.0 KiB  1      https://example.org/model.safetensors
2026-10-02  18.6 GiB  1.5 MiB  2      https://example.org/base.gguf
WORK/home/mtpgraft: 1.5 MiB of 2 files
END
cp "$STDOUT" list
expect_exit 0 "$MTPGRAFT" cache --quiet
expect_same "$STDOUT" list
expect_exit 0 "$MTPGRAFT" cache --json
[[ $(json '[f["stored_bytes"] for f in x["result"]["files"]]') == '[1024, 1572864]' ]] || fail "other bytes"
[[ $(json 'x["result"]["files"][1]["last_used"]') == "$(date -d 2026-10-02 +%s)" ]] || fail "another time"

expect_exit 0 "$MTPGRAFT" cache --clear
expect_stdout <<'END'
WORK/home/mtpgraft: 1.5 MiB freed
END
no_leftovers "$XDG_CACHE_HOME"
fill
expect_exit 0 "$MTPGRAFT" cache --clear -q
expect_nothing_on stdout stderr
no_leftovers "$XDG_CACHE_HOME"
fill
expect_exit 0 "$MTPGRAFT" cache --clear --json
[[ $(json 'x["result"]["freed_bytes"] > 1573888 and x["result"]["files"] == []') == True ]] || fail "freed something else"

# What others have put there is neither believed, nor followed, nor removed.
directory=$(entry_of https://example.org/directory)
fifo=$(entry_of https://example.org/fifo)
huge=$(entry_of https://example.org/huge)
link=$(entry_of https://example.org/link)
linked_directory=$(entry_of https://example.org/linked-directory)
odd=$(entry_of https://example.org/odd)
put_source "$(printf 'https://example.org/\033[2J\xe2\x80\xaeevil')" 1 2026-10-01
put_source https://example.org/huge 1 2026-10-01
put_part https://example.org/huge 0 10
truncate -s 1T "$huge/source"
touch -d 2026-09-01 "$huge/source"
mkdir -p "$directory/source" "$directory/$STATE-0-10" "$fifo" "$link" mine
mkfifo "$fifo/source" "$fifo/$STATE-0-10"
printf 'https://example.org/link\n"v1"\n1\n' >mine/source
truncate -s 42 "mine/$STATE-0-10"
ln -s "$WORK/mine/source" "$WORK/mine/$STATE-0-10" "$link"
ln -s "$WORK/mine" "$linked_directory"
put_source https://example.org/odd 1 '1969-12-31 23:59'
put_part https://example.org/odd 5 10
truncate -s 10 "$odd/$STATE-0-10"
touch "$odd/notes.txt" "$CACHE/notes.txt"
cp -r mine "$CACHE"

expect_exit 0 timeout 20 "$MTPGRAFT" cache
expect_no_control_characters "$STDOUT"
expect_stdout <<'END'
last used   size    here      parts  URL
1969-12-31  1 byte  10 bytes  1      https://example.org/odd
2026-09-01  ?       10 bytes  1      unknown
2026-10-01  1 byte  0 bytes   0      https://example.org/\x1b[2J\xe2\x80\xaeevil
WORK/home/mtpgraft: 20 bytes of 3 files
END
expect_exit 0 timeout 20 "$MTPGRAFT" cache --json
expect_exit 0 timeout 20 "$MTPGRAFT" cache --clear
no_leftovers mine source "$STATE-0-10"
no_leftovers "$CACHE/mine" source "$STATE-0-10"
no_leftovers "$odd" notes.txt
no_leftovers "$CACHE" notes.txt mine "${directory##*/}" "${fifo##*/}" "${link##*/}" "${linked_directory##*/}" \
  "${odd##*/}"

expect_exit 2 "$MTPGRAFT" cache --list --clear
expect_exit 2 "$MTPGRAFT" cache base.gguf
unset XDG_CACHE_HOME
HOME=$WORK expect_exit 0 "$MTPGRAFT" cache
expect_stdout <<'END'
WORK/.cache/mtpgraft: 0 bytes of 0 files
END
HOME='' expect_exit 2 "$MTPGRAFT" cache
expect_stderr <<'END'
mtpgraft: there is no cache: neither XDG_CACHE_HOME nor HOME is set
  hint: set XDG_CACHE_HOME to the directory that the cache is in
END
touch mtpgraft
XDG_CACHE_HOME=$WORK expect_exit 4 "$MTPGRAFT" cache --clear
expect_stderr <<'END'
mtpgraft: WORK/mtpgraft: cannot open the cache: Not a directory
END
