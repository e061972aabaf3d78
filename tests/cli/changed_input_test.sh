#!/usr/bin/env bash
# Inputs that other programs change while they are read: an error that says so, nothing left, and never a signal. One
# that is replaced by another file is read to its end as it was.
. "$(dirname "$0")/common.sh"
use "$DONOR"
command -v taskset >/dev/null || skip_all "no taskset"
cp "$MODELS_DIR/$TARGET" before.gguf
cp "$MODELS_DIR/mtp-base-8L-Q4_K_M.gguf" small.gguf
cp before.gguf "$TARGET"
"$MTPGRAFT" graft -q --no-sync "$TARGET" "$DONOR" -o graft.gguf
"$MTPGRAFT" extract -q --no-sync graft.gguf -o head.gguf
"$MTPGRAFT" checksum before.gguf >before.sums
mkdir out

# at_read BYTES ACTION COMMAND...: runs the shell's ACTION when the command has read so much, which is then continued.
# It is traced from one system call of its first thread to the next, and has one core, so that it is the only one to read
# files that are verified.
cat >"$SCRATCH/at_read.py" <<'PYTHON'
import ctypes, os, re, signal, subprocess, sys
PTRACE_TRACEME, PTRACE_DETACH, PTRACE_SYSCALL = 0, 17, 24
ptrace = ctypes.CDLL(None).ptrace
ptrace.argtypes = [ctypes.c_long, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p]
wanted, action, *command = sys.argv[1:]
pid = os.fork()
if pid == 0:
    os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
    ptrace(PTRACE_TRACEME, 0, None, None)
    os.execv(command[0], command)
_, status = os.waitpid(pid, 0)
with open(f"/proc/{pid}/io") as io:
    def bytes_read():
        io.seek(0)
        return int(re.search(r"rchar: (\d+)", io.read())[1])
    start = bytes_read()
    while os.WIFSTOPPED(status) and bytes_read() - start < int(wanted):
        ptrace(PTRACE_SYSCALL, pid, None, None)
        _, status = os.waitpid(pid, 0)
if not os.WIFSTOPPED(status):
    sys.exit("it ended before it had read as much")
subprocess.run(action, shell=True, check=True)
ptrace(PTRACE_DETACH, pid, None, None)
code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
sys.exit(128 - code if code < 0 else code)
PYTHON
at_read() {
  local bytes=$1 action=$2
  shift 2
  run timeout 60 python3 "$SCRATCH/at_read.py" "$bytes" "$action" "$MTPGRAFT" "$@"
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
