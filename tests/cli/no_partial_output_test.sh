#!/usr/bin/env bash
# However a graft ends, its output is whole or not there, and nothing else is left, hidden files included.
. "$(dirname "$0")/common.sh"
use "$DONOR"

mkdir place
make_big_model place/target.gguf

# Starts a graft of $1 to $1.out and stops it while it writes. Sets pid.
start_and_stop() {
  last_command="mtpgraft graft $1"
  "$MTPGRAFT" graft "$1" "$DONOR" -o "$1.out" >"$STDOUT" 2>"$STDERR" &
  pid=$!
  stop_while_writing "$pid" "$(dirname "$1")"
}

# expect_killed SIGNAL CODE
expect_killed() {
  local signal=$1 expected=$2 code=0
  start_and_stop place/target.gguf || return 0
  kill "-$signal" "$pid"
  kill -CONT "$pid"
  wait "$pid" 2>/dev/null || code=$?
  last_command="graft that gets SIG$signal"
  [[ $code == "$expected" ]] || fail "exit code $code, expected $expected: $last_command"
  expect_nothing_on stdout
  no_leftovers place target.gguf
}
if [[ -d /proc/self/fd ]]; then
  expect_killed INT 130
  expect_stderr <<'END'
mtpgraft: interrupted
END
  expect_killed TERM 143
  expect_killed HUP 129
  # Nobody can clean up after SIGKILL, but a file without a name needs no cleaning.
  if ! is_plain_posix && python3 -c 'import os, sys; os.close(os.open(sys.argv[1], os.O_TMPFILE | os.O_RDWR))' place 2>/dev/null; then
    expect_killed KILL 137
    rm -f place/.*.mtpgraft-*
  else
    skip_part "no files without a name in $(stat -f -c %T place): SIGKILL leaves a hidden file there"
  fi
else
  skip_part "no /proc to see when a graft writes"
fi

# The copy that was stopped was a good one.
expect_exit 0 "$MTPGRAFT" graft -q --no-sync place/target.gguf "$DONOR" -o place/out.gguf
expect_exit 0 "$MTPGRAFT" verify -q place/out.gguf
rm place/out.gguf

# A limit on the size of files.
mkdir small
ln -s "$MODELS_DIR/$TARGET" small/target.gguf
limited_graft() (
  ulimit -f 1000
  exec "$MTPGRAFT" graft small/target.gguf "$DONOR" -o small/out.gguf
)
expect_exit 4 limited_graft
expect_nothing_on stdout
expect_stderr <<'END'
mtpgraft: small/out.gguf: cannot create: File too large
  hint: raise the limit ('ulimit -f'), if it is not the file system's own (FAT32: 4 GiB), or write to another disk with -o
END
no_leftovers small target.gguf

# A full disk.
if [[ $(id -u) == 0 ]] && mkdir disk && mount -t tmpfs -o size=4m tmpfs disk 2>/dev/null; then
  cleanups+=("umount '$WORK/disk'")
  expect_exit 4 "$MTPGRAFT" graft small/target.gguf "$DONOR" -o disk/out.gguf
  expect_nothing_on stdout
  expect_stderr <<'END'
mtpgraft: disk/out.gguf: no space: 7.4 MiB needed, N free
  hint: free some space, or write to another disk with -o
END
  no_leftovers disk
  expect_exit 4 "$MTPGRAFT" graft -n small/target.gguf "$DONOR" -o disk/out.gguf
  expect_text "$STDOUT" '^dry run: nothing was written; 7\.4 MiB needed, 4\.0 MiB free$'

  # No room for one more name.
  mount -o remount,size=20m,nr_inodes=1 disk
  expect_exit 4 "$MTPGRAFT" graft small/target.gguf "$DONOR" -o disk/out.gguf
  expect_nothing_on stdout
  expect_stderr <<'END'
mtpgraft: disk/out.gguf: cannot create: No space left on device
  hint: free some space, or write to another disk
END
  no_leftovers disk

  # One that others fill meanwhile.
  mount -o remount,size=700m,nr_inodes=100 disk
  mv place/target.gguf disk
  if start_and_stop disk/target.gguf; then
    dd if=/dev/zero of=disk/filler bs=1M status=none 2>/dev/null || true
    kill -CONT "$pid"
    code=0
    wait "$pid" 2>/dev/null || code=$?
    last_command="graft onto a disk that gets full"
    # Either it had taken its space before, or it gets none.
    if [[ $code == 0 ]]; then
      rm disk/filler
      expect_exit 0 "$MTPGRAFT" verify disk/target.gguf.out --target disk/target.gguf --donor "$DONOR"
    else
      [[ $code == 4 ]] || fail "exit code $code, expected 0 or 4: $last_command"
      expect_nothing_on stdout
      expect_stderr <<'END'
mtpgraft: disk/target.gguf.out: cannot reserve space for the output: No space left on device
  hint: free some space, or write to another disk
END
      no_leftovers disk target.gguf filler
    fi
  fi
else
  skip_part "a full disk: mounting a tmpfs is not permitted here"
fi

# Inputs that are no files, or not there, or empty: an error at once, no waiting for a writer.
mkdir inputs
mkfifo inputs/pipe
touch inputs/empty.gguf
mkdir inputs/directory.gguf
ln -s loop inputs/loop
expect_bad_input() {
  local expected=$1 path=$2
  local commands=("graft $path $DONOR -o inputs/out.gguf" "verify $path" "checksum $path")
  # As a donor, and to be looked at, a folder is a checkpoint.
  [[ -d $path ]] || commands+=("graft small/target.gguf $path -o inputs/out.gguf" "inspect $path")
  cat >"$SCRATCH/message"
  for command in "${commands[@]}"; do
    # shellcheck disable=SC2086
    expect_exit "$expected" timeout 10 "$MTPGRAFT" $command
    expect_nothing_on stdout
    expect_stderr <"$SCRATCH/message"
  done
  no_leftovers inputs pipe empty.gguf directory.gguf loop
}
expect_bad_input 4 inputs/pipe <<'END'
mtpgraft: inputs/pipe: is not a regular file
  hint: GGUF files are read at many offsets; give a file
END
expect_bad_input 4 /dev/stdin < <(
  echo 'mtpgraft: /dev/stdin: is not a regular file'
  echo '  hint: GGUF files are read at many offsets; give a file'
)
expect_bad_input 4 /dev/zero <<'END'
mtpgraft: /dev/zero: is not a regular file
  hint: GGUF files are read at many offsets; give a file
END
expect_bad_input 4 inputs/directory.gguf <<'END'
mtpgraft: inputs/directory.gguf: is an empty folder
  hint: name a .gguf file; a donor can be a .safetensors file, or the folder of a checkpoint, too
END
for command in "inspect" "graft -o inputs/out.gguf small/target.gguf"; do
  # shellcheck disable=SC2086
  expect_exit 4 "$MTPGRAFT" $command inputs/directory.gguf
  expect_stderr <<'END'
mtpgraft: inputs/directory.gguf: is an empty folder
  hint: name a .gguf file; a donor can be a .safetensors file, or the folder of a checkpoint, too
END
done
expect_bad_input 3 inputs/empty.gguf <<'END'
mtpgraft: inputs/empty.gguf: the file is empty (at byte 0)
  hint: download or copy it again
END
expect_bad_input 4 inputs/missing.gguf <<'END'
mtpgraft: inputs/missing.gguf: cannot open: No such file or directory
  hint: the folder 'inputs' has 'directory.gguf' and 'empty.gguf'
END
expect_bad_input 4 inputs/loop/x.gguf <<'END'
mtpgraft: inputs/loop/x.gguf: cannot open: Too many levels of symbolic links
  hint: symbolic links lead in a circle there: 'ls -l' shows them
END
# A file on standard input has offsets, and is a file like any other.
expect_exit 0 "$MTPGRAFT" inspect /dev/stdin <small/target.gguf

if [[ $(id -u) != 0 ]]; then
  install -m 000 small/target.gguf inputs/secret.gguf
  expect_exit 4 "$MTPGRAFT" inspect inputs/secret.gguf
  expect_stderr <<'END'
mtpgraft: inputs/secret.gguf: cannot open: Permission denied
  hint: chmod u+r inputs/secret.gguf lets you read it
END
fi
