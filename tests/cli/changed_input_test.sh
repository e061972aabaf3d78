#!/usr/bin/env bash
# Inputs that other programs change while they are read: an error that says so, nothing left, and never a signal. One
# that is replaced by another file is read to its end as it was.
. "$(dirname "$0")/common.sh"
[[ -e /proc/self/io ]] || skip_all "no /proc to see how much is read"
use "$DONOR"
cp "$MODELS_DIR/$TARGET" before.gguf
cp "$MODELS_DIR/mtp-base-8L-Q4_K_M.gguf" small.gguf
cp before.gguf "$TARGET"
"$MTPGRAFT" graft -q --no-sync "$TARGET" "$DONOR" -o graft.gguf
"$MTPGRAFT" extract -q --no-sync graft.gguf -o head.gguf
"$MTPGRAFT" checksum before.gguf >before.sums
mkdir out

# at_read BYTES ACTION COMMAND...: runs the shell's ACTION when the command has read so much.
at_read() {
  local bytes=$1 action=$2
  shift 2
  run timeout 60 python3 -B "$TEST_DIR/when.py" "read=$bytes" "$action" "$MTPGRAFT" "$@"
  last_command="$*, with '$action' after $bytes bytes"
}

# changed WAYS FILE BYTES COMMAND...: FILE is changed in these ways while the command reads it: cut to nothing, cut in
# half, appended to, one byte overwritten at the front or at the end, filled with something else.
changed() {
  local ways=$1 file=$2 bytes=$3 action way size
  shift 3
  size=$(stat -c %s "$file")
  cp "$file" "$SCRATCH/kept"
  for way in $ways; do
    case $way in
      cut) action="truncate -s 0 $file" ;;
      half) action="truncate -s $((size / 2)) $file" ;;
      append) action="printf x >>$file" ;;
      front) action="printf x | dd of=$file bs=1 seek=100 conv=notrunc status=none" ;;
      end) action="printf x | dd of=$file bs=1 seek=$((size - 100)) conv=notrunc status=none" ;;
      other) action="cat small.gguf >$file" ;;
    esac
    at_read "$bytes" "$action" "$@"
    [[ $code == 4 ]] || fail "exit code $code, expected 4: $last_command: $(cat "$STDERR")"
    expect_text "$STDERR" "^mtpgraft: $file: the file (changed while it was being read|ends earlier than when it was opened.*)\$"
    expect_text "$STDERR" '^  hint: another program is (writing to|changing) it; try again when it is done$'
    expect_nothing_on stdout
    no_leftovers out
    cat "$SCRATCH/kept" >"$file"
  done
}
changed "cut half append front end other" "$TARGET" 2000000 graft "$TARGET" "$DONOR" -o out/x.gguf
changed "half front" "$TARGET" 1500000 graft --split-head --copy=buffered --checksums out/x.sums "$TARGET" "$DONOR" -o out/x.gguf
changed "half front" graft.gguf 800000 extract graft.gguf -o out/x.gguf
changed "half front" graft.gguf 2000000 strip graft.gguf -o out/x.gguf
changed "half append front" "$TARGET" 2000000 checksum "$TARGET"
changed "half append front end" "$TARGET" 2000000 verify "$TARGET" -c before.sums
changed "cut append front" graft.gguf 4000000 verify graft.gguf --target "$TARGET" --donor "$DONOR"
changed "half append front" "$TARGET" 4000000 verify graft.gguf --target "$TARGET" --donor "$DONOR"
changed "half front" head.gguf 900000 verify head.gguf

# Replaced: the old file is read to its end.
# replaced FILE COMMAND...
replaced() {
  local file=$1
  shift
  cp "$file" "$SCRATCH/kept"
  cp small.gguf new
  at_read 1200000 "mv new $file" "$@"
  [[ $code == 0 ]] || fail "exit code $code, expected 0: $last_command: $(cat "$STDERR")"
  cp "$SCRATCH/kept" "$file"
}
replaced "$TARGET" graft -q "$TARGET" "$DONOR" -o out/x.gguf
expect_same out/x.gguf graft.gguf
rm out/x.gguf
replaced "$TARGET" checksum "$TARGET"
expect_same "$STDOUT" before.sums
replaced graft.gguf verify -q graft.gguf --target "$TARGET" --donor "$DONOR"
replaced graft.gguf extract -q graft.gguf -o out/x.gguf
expect_same out/x.gguf head.gguf
rm out/x.gguf
# A shard that would be linked, and has lost its name: there is nothing to link to.
cp "$FIXTURES_DIR"/split/four-* .
at_read 2600000 "mv small.gguf four-Q4_K_M-00003-of-00004.gguf" graft four-Q4_K_M-00001-of-00004.gguf "$DONOR" -o out/x.gguf
[[ $code == 4 ]] || fail "exit code $code, expected 4: $last_command"
expect_text "$STDERR" "^mtpgraft: out/x-00003-of-00005.gguf: cannot hard-link 'four-Q4_K_M-00003-of-00004.gguf': No such file"
no_leftovers out
