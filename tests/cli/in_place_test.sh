#!/usr/bin/env bash
# graft --in-place: the target becomes the graft that -o would have written, or stays what it was.
. "$(dirname "$0")/common.sh"
. "$TEST_DIR/mounts.sh"
! is_plain_posix || skip_all "the program does not change files in place"
use "$TARGET" "$DONOR" target-with-head.gguf target-trailing-bytes.gguf

"$MTPGRAFT" graft -q --no-sync "$TARGET" "$DONOR" -o reference.gguf
"$MTPGRAFT" checksum reference.gguf >reference.sums
"$MTPGRAFT" graft -q --no-sync --replace target-with-head.gguf "$DONOR" -o replaced.gguf
"$MTPGRAFT" graft -q --no-sync target-trailing-bytes.gguf "$DONOR" -o trailing.gguf
python3 - "$SOURCE_DIR/tests/support" "$TARGET" sparse.gguf <<'PYTHON'
import sys
sys.path.insert(0, sys.argv[1])
import gguf_file
model = gguf_file.GgufFile.read(sys.argv[2])
model.tensors.append(gguf_file.Tensor("bulk.weight", (1_000_000,), 24, gguf_file.Sparse(1_000_000)))
model.write(sys.argv[3])
PYTHON
"$MTPGRAFT" graft -q --no-sync sparse.gguf "$DONOR" -o dense.gguf
sha_before=$(sha256sum <"$TARGET")

# fresh DIR: nothing in it but target and donor.
fresh() {
  find "$1" -mindepth 1 -not -name lost+found -delete
  cp -L --reflink=never --sparse=never "$TARGET" "$DONOR" "$1"
}

# expect_only DIR NAME...: the directory holds these names.
expect_only() {
  local directory=$1
  shift
  if [[ -e $directory/lost+found ]]; then
    set -- "$@" lost+found
  fi
  no_leftovers "$directory" "$@"
}

expect_unchanged() {
  [[ $(sha256sum <"$1") == "$sha_before" ]] || fail "$1 has changed after: $last_command"
  [[ ! -e $1.mtpgraft-journal ]] || fail "a journal was left by: $last_command"
}

expect_json() {
  [[ $(json "$1" 2>/dev/null) == True ]] || fail "not true: $1, of: $last_command: $(cat "$STDOUT")"
}

# refuses DIR PATTERN ARGUMENT...: exit code 5 and the reason; also in a dry run; the target is what it was.
refuses() {
  local directory=$1 pattern=$2 how
  shift 2
  for how in --dry-run ""; do
    # shellcheck disable=SC2086  # empty is no argument
    expect_exit 5 "$MTPGRAFT" graft --in-place $how "$@" "$directory/$TARGET" "$directory/$DONOR"
    expect_text "$STDERR" "^mtpgraft: .*$TARGET: $pattern"
    expect_unchanged "$directory/$TARGET"
  done
}

# at_journal ACTION TARGET DONOR: grafts in place into a fresh TARGET, stops when the journal is there and nothing else is
# changed, runs ACTION, which may use $pid and $target, and lets it go on. Sets code as run() does. An action that opens
# the target would wait for ever. The program is traced from one system call to the next, so that none is missed.
cat >"$SCRATCH/at_journal.py" <<'PYTHON'
import ctypes, os, signal, subprocess, sys
PTRACE_TRACEME, PTRACE_DETACH, PTRACE_SYSCALL = 0, 17, 24
ptrace = ctypes.CDLL(None).ptrace
ptrace.argtypes = [ctypes.c_long, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p]
action, target, *command = sys.argv[1:]
old_size = os.path.getsize(target)
journal = target + ".mtpgraft-journal"
pid = os.fork()
if pid == 0:
    ptrace(PTRACE_TRACEME, 0, None, None)
    os.execv(command[0], command)
_, status = os.waitpid(pid, 0)
while os.WIFSTOPPED(status) and not os.path.exists(journal):
    stopped_by = os.WSTOPSIG(status)
    ptrace(PTRACE_SYSCALL, pid, None, None if stopped_by == signal.SIGTRAP else stopped_by)
    _, status = os.waitpid(pid, 0)
if not os.WIFSTOPPED(status):
    sys.exit("it ended without a journal")
assert os.path.getsize(target) == old_size, "the target has changed before the journal was there"
ptrace(PTRACE_DETACH, pid, None, signal.SIGSTOP)
os.waitpid(pid, os.WUNTRACED)
subprocess.run(["bash", "-c", action], env=os.environ | {"pid": str(pid), "target": target}, check=True)
os.kill(pid, signal.SIGCONT)
code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
sys.exit(128 - code if code < 0 else code)
PYTHON
at_journal() {
  local action=$1 target=$2 donor=$3
  rm -f "$target" "$target.mtpgraft-journal"
  cp -L --reflink=never --sparse=never "$TARGET" "$target"
  run timeout 60 python3 "$SCRATCH/at_journal.py" "$action" "$target" "$MTPGRAFT" graft --in-place "$target" "$donor"
}
export -f leave_room

in_place_on() {
  local fs=$1 way=$2 inode
  local target=$fs/$TARGET donor=$fs/$DONOR

  # A dry run tells the way and changes nothing.
  fresh "$fs"
  expect_exit 0 "$MTPGRAFT" graft --in-place -n "$target" "$donor"
  if [[ $way == clone ]]; then
    expect_text "$STDOUT" "^in place: a new file that shares the target's blocks takes its name\$"
  else
    expect_text "$STDOUT" "^in place: 4\.0 KiB are inserted at the target's front, 1\.0 MiB appended\$"
  fi
  expect_text "$STDOUT" '^dry run: nothing was written; 1\.[01] MiB needed, '
  expect_unchanged "$target"
  expect_exit 0 "$MTPGRAFT" graft --in-place -n --json "$target" "$donor"
  expect_json "x['result']['in_place'] == '$way' and x['result']['seconds'] is None"
  expect_unchanged "$target"

  # The real one. Mode and owner stay, and the file is the same where it is changed itself.
  [[ $(id -u) == 0 ]] && chown nobody "$target"
  chmod 640 "$target"
  local owner
  owner=$(stat -c '%U %G %a' "$target")
  inode=$(stat -c %i "$target")
  expect_exit 0 "$MTPGRAFT" graft --in-place "$target" "$donor"
  expect_nothing_on stderr
  expect_text "$STDOUT" '^in place: '
  expect_text "$STDOUT" "^  mtpgraft verify $target\$"
  if [[ $way == clone ]]; then
    expect_text "$STDOUT" '^7\.4 MiB in [0-9.]+ s: 6\.4 MiB cloned, 1\.0 MiB copied, '
  else
    expect_text "$STDOUT" '^7\.4 MiB in [0-9.]+ s: 6\.4 MiB kept in place, 1\.0 MiB copied, 1\.[01] MiB newly allocated '
    [[ $(stat -c %i "$target") == "$inode" ]] || fail "$target is another file"
  fi
  expect_same "$target" reference.gguf
  expect_only "$fs" "$TARGET" "$DONOR"
  [[ $(stat -c '%U %G %a' "$target") == "$owner" ]] || fail "owner or mode were not kept: $(stat -c '%U %G %a' "$target")"
  expect_exit 0 "$MTPGRAFT" verify "$target" --target "$TARGET" --donor "$donor"
  # It has a head now.
  expect_exit 3 "$MTPGRAFT" graft --in-place "$target" "$donor"
  expect_same "$target" reference.gguf

  # Its numbers, its checksums.
  fresh "$fs"
  expect_exit 0 "$MTPGRAFT" graft --in-place --json --checksums "$fs/sums" "$target" "$donor"
  expect_json "x['result']['in_place'] == '$way' and x['result']['output'] == '$target'"
  expect_json "sum(x['result'][k] for k in ('bytes_cloned', 'bytes_kept', 'bytes_copied')) == 7774208"
  expect_json "x['result']['bytes_$([[ $way == clone ]] && echo kept || echo cloned)'] == 0"
  expect_json "1050112 <= x['result']['bytes_allocated'] <= 1200000"
  expect_same "$target" reference.gguf
  expect_same "$fs/sums" reference.sums
  expect_only "$fs" "$TARGET" "$DONOR" sums
  # Where they cannot be written nothing is changed.
  fresh "$fs"
  touch "$fs/sums"
  for sums in "$fs/sums" "$target" "$fs/../$target" "$donor"; do
    expect_exit 5 "$MTPGRAFT" graft --in-place --checksums "$sums" "$target" "$donor"
    expect_unchanged "$target"
  done
  expect_exit 4 "$MTPGRAFT" graft --in-place --checksums "$fs/none/sums" "$target" "$donor"
  expect_unchanged "$target"

  # A symbolic link stays one, and its file is changed.
  fresh "$fs"
  mkdir -p links
  ln -sfn "../$target" "links/$TARGET"
  expect_exit 0 "$MTPGRAFT" graft --in-place -q "links/$TARGET" "$donor"
  expect_nothing_on stdout stderr
  [[ -L links/$TARGET ]] || fail "the symbolic link is none any more"
  expect_same "$target" reference.gguf
  no_leftovers links "$TARGET"

  # --replace and bytes behind the last tensor: these can only be done where the old file remains whole.
  fresh "$fs"
  cp -L target-with-head.gguf target-trailing-bytes.gguf "$fs"
  if [[ $way == clone ]]; then
    expect_exit 0 "$MTPGRAFT" graft --in-place --replace -q "$fs/target-with-head.gguf" "$donor"
    expect_same "$fs/target-with-head.gguf" replaced.gguf
    expect_exit 0 "$MTPGRAFT" graft --in-place -q "$fs/target-trailing-bytes.gguf" "$donor"
    expect_same "$fs/target-trailing-bytes.gguf" trailing.gguf
  else
    expect_exit 5 "$MTPGRAFT" graft --in-place --replace "$fs/target-with-head.gguf" "$donor"
    expect_text "$STDERR" 'its end would change \(a head that is replaced, or bytes behind the last tensor\), which takes a file system that can share blocks$'
    expect_same "$fs/target-with-head.gguf" target-with-head.gguf
    expect_exit 5 "$MTPGRAFT" graft --in-place "$fs/target-trailing-bytes.gguf" "$donor"
    expect_text "$STDERR" 'its end would change '
    expect_same "$fs/target-trailing-bytes.gguf" target-trailing-bytes.gguf
  fi
  expect_only "$fs" "$TARGET" "$DONOR" target-with-head.gguf target-trailing-bytes.gguf

  # Refusals.
  fresh "$fs"
  ln "$target" "$fs/second"
  refuses "$fs" 'has 2 names \(hard links\)'
  rm "$fs/second"
  chmod 444 "$target"
  refuses "$fs" 'is read-only'
  chmod 644 "$target"
  exec 9<"$target"
  refuses "$fs" 'another program has the file open'
  exec 9<&- 9>>"$target"
  refuses "$fs" 'another program has the file open'
  exec 9>&-
  expect_exit 5 "$MTPGRAFT" graft --in-place "$target" "$target"
  expect_unchanged "$target"
  expect_exit 3 "$MTPGRAFT" graft --in-place "$target" "$TARGET"
  expect_unchanged "$target"
  expect_exit 4 "$MTPGRAFT" graft --in-place "$target" "$fs/none.gguf"
  expect_unchanged "$target"
  expect_exit 4 "$MTPGRAFT" graft --in-place "$fs/none.gguf" "$donor"
  # The donor may be in use, or a link, or read-only.
  exec 9>>"$donor"
  expect_exit 0 "$MTPGRAFT" graft --in-place -q "$target" "$donor"
  exec 9>&-
  expect_same "$target" reference.gguf

  # Sparse.
  fresh "$fs"
  cp --sparse=always sparse.gguf "$fs/sparse.gguf"
  if [[ $way == clone ]]; then
    expect_exit 0 "$MTPGRAFT" graft -q --in-place "$fs/sparse.gguf" "$donor"
    expect_same "$fs/sparse.gguf" dense.gguf
  else
    expect_exit 5 "$MTPGRAFT" graft --in-place "$fs/sparse.gguf" "$donor"
    expect_text "$STDERR" 'it is sparse: after a crash, its holes could not be told from the gap that shifting leaves'
    expect_text "$STDERR" '^  hint: fill the holes first \(cp --sparse=never FILE NEW\)'
    expect_same "$fs/sparse.gguf" sparse.gguf
    # Blocks that were reserved and never written look like data while they are in the cache, and later like a hole.
    cp --sparse=never --reflink=never sparse.gguf "$fs/sparse.gguf"
    sync "$fs/sparse.gguf"
    fallocate -z -o 6800000 -l 500000 "$fs/sparse.gguf"
    expect_same "$fs/sparse.gguf" sparse.gguf
    expect_exit 5 "$MTPGRAFT" graft --in-place "$fs/sparse.gguf" "$donor"
    expect_same "$fs/sparse.gguf" sparse.gguf
    cp --sparse=never --reflink=never sparse.gguf "$fs/sparse.gguf"
    expect_exit 0 "$MTPGRAFT" graft -q --in-place "$fs/sparse.gguf" "$donor"
    expect_same "$fs/sparse.gguf" dense.gguf
  fi
  expect_only "$fs" "$TARGET" "$DONOR" sparse.gguf
  as_other_user_on "$fs"
  no_room_on "$fs"
}

# As one who is not root: only the owner can know that nobody else has the file open.
as_other_user_on() {
  local fs=$1
  [[ $(id -u) == 0 ]] || return 0
  chmod 711 "$SCRATCH" && chmod 755 . && chmod 777 "$fs"
  local as_nobody=(setpriv --reuid=65534 --regid=65534 --clear-groups)
  if ! "${as_nobody[@]}" test -x "$MTPGRAFT" 2>/dev/null; then
    skip_part "other users cannot run $MTPGRAFT"
    return 0
  fi
  fresh "$fs"
  chmod 666 "$fs/$TARGET"
  expect_exit 5 "${as_nobody[@]}" "$MTPGRAFT" graft --in-place "$fs/$TARGET" "$fs/$DONOR"
  expect_text "$STDERR" 'the system does not tell whether another program has the file open \(no lease\)$'
  expect_unchanged "$fs/$TARGET"
  chown 65534:65534 "$fs/$TARGET"
  chmod 444 "$fs/$TARGET"
  expect_exit 5 "${as_nobody[@]}" "$MTPGRAFT" graft --in-place "$fs/$TARGET" "$fs/$DONOR"
  expect_text "$STDERR" ': is read-only$'
  expect_unchanged "$fs/$TARGET"
  chmod 600 "$fs/$TARGET"
  expect_exit 0 "${as_nobody[@]}" "$MTPGRAFT" graft --in-place "$fs/$TARGET" "$fs/$DONOR"
  expect_same "$fs/$TARGET" reference.gguf
  [[ $(stat -c '%u %g %a' "$fs/$TARGET") == '65534 65534 600' ]] || fail "owner or mode were not kept"
  chmod 755 "$fs"
}

# No room for the head: seen before anything is changed.
no_room_on() {
  local fs=$1
  [[ $fs == own ]] && return 0
  fresh "$fs"
  leave_room "$fs" 400
  find "$fs" -mindepth 1 -maxdepth 1 -not -name lost+found -printf '%P\n' >"$SCRATCH/names"
  mapfile -t names <"$SCRATCH/names"
  expect_exit 4 "$MTPGRAFT" graft --in-place "$fs/$TARGET" "$fs/$DONOR"
  expect_nothing_on stdout
  expect_text "$STDERR" "^mtpgraft: $fs/$TARGET: no space: 1\\.[01] MiB needed, "
  expect_unchanged "$fs/$TARGET"
  expect_only "$fs" "${names[@]}"
}

# Every command refuses a file that has a journal, whichever part it is to play, and changes nothing.
expect_refused_by_all() {
  local fs=$1 target=$1/$TARGET before
  before=$(sha256sum "$target" "$target.mtpgraft-journal")
  ln -sfn "../$target" "links/$TARGET"
  for arguments in "inspect $target" "inspect --json $target" "inspect links/$TARGET" "checksum $target" \
    "verify $target" "verify $target -c reference.sums" "verify reference.gguf --target $target --donor $DONOR" \
    "verify reference.gguf --target $TARGET --donor $target" "graft $target $DONOR -o out.gguf" \
    "graft -n $target $DONOR -o out.gguf" "graft $TARGET $target -o out.gguf" "graft $TARGET $DONOR -f -o $target" \
    "graft --in-place $target $DONOR" "graft --in-place links/$TARGET $DONOR" "graft --in-place -n $target $DONOR"; do
    # shellcheck disable=SC2086
    expect_exit 5 "$MTPGRAFT" $arguments
    if [[ $arguments == *--json* ]]; then
      expect_json "x['error']['hint'].startswith('if none is running: mtpgraft recover ')"
    else
      expect_nothing_on stdout
      expect_text "$STDERR" '^mtpgraft: .*: an in-place change of this file is running or was interrupted$'
      expect_text "$STDERR" '^  hint: if none is running: mtpgraft recover .*gguf$'
    fi
  done
  [[ $(sha256sum "$target" "$target.mtpgraft-journal") == "$before" ]] || fail "a refusing command has changed something"
  [[ ! -e out.gguf ]] || fail "a refusing command has written an output"
}

# What is left when the power goes in the middle of an insertion, at each of its steps.
recovery_on() {
  local fs=$1 target=$1/$TARGET donor=$1/$DONOR journal=$1/$TARGET.mtpgraft-journal
  fresh "$fs"
  expect_exit 0 "$MTPGRAFT" recover "$target"
  expect_stdout <<TEXT
$target: nothing to recover
TEXT
  expect_exit 0 "$MTPGRAFT" recover --json "$target"
  expect_json "x['result']['outcome'] == 'nothing_to_do'"
  expect_unchanged "$target"


  local d
  for d in "$DONOR" mtp-base-8L-Q4_K_M.gguf; do
    cp -L "$d" "$fs"
    recovery_of "$fs" "$d"
  done
}

# The journal and the changed file come from the program itself; what is between them is made here, with fallocate(1).
recovery_of() {
  local fs=$1 target=$1/$TARGET donor=$1/$2 journal=$1/$TARGET.mtpgraft-journal
  local old_size=6720000 new_size names
  rm -f expected.gguf
  "$MTPGRAFT" graft -q --no-sync "$TARGET" "$2" -o expected.gguf
  new_size=$(stat -c %s expected.gguf)

  # The journal is there before the first change.
  # shellcheck disable=SC2016  # the action expands it
  at_journal 'cp "$target.mtpgraft-journal" journal; kill -KILL $pid' "$target" "$donor"
  [[ $code == 137 ]] || fail "exit code $code, expected 137: $last_command"
  expect_same "$target" "$TARGET"
  expect_text journal '^mtpgraft journal 1, step 1$'
  expect_refused_by_all "$fs"

  # expect_recovery STATE STEP OUTCOME: from the file as it is and a journal at this step.
  expect_recovery() {
    cp journal "$journal"
    printf %s "$2" | dd of="$journal" bs=1 seek=25 conv=notrunc status=none
    expect_text "$journal" "^mtpgraft journal 1, step $2\$"
    expect_exit 5 "$MTPGRAFT" inspect "$target"
    expect_exit 0 "$MTPGRAFT" recover --json "$target"
    expect_json "x['result']['outcome'] == '$3'"
    last_command="recover, $1, $2"
    if [[ $3 == completed ]]; then
      expect_same "$target" expected.gguf
    else
      expect_same "$target" "$TARGET"
    fi
    [[ ! -e $journal ]] || fail "the journal is still there after: $last_command"
    (($(stat -c %b "$target") * 512 <= $(stat -c %s "$target") + 65536)) || fail "blocks behind the end after: $last_command"
  }
  # These keep the inode, which the journal names.
  old() { cat "$TARGET" >"$target"; }
  appended() { old && tail -c +$((40512 + old_size - 36416 + 1)) expected.gguf >>"$target"; }
  inserted() { appended && sync "$target" && fallocate -i -o "$1" -l 4096 "$target"; }
  new_header() { head -c "$1" expected.gguf | dd of="$target" conv=notrunc status=none; }

  old && expect_recovery 'nothing appended' 1 rolled_back
  appended && truncate -s -500000 "$target" && expect_recovery 'half appended' 1 rolled_back
  appended && expect_recovery 'all appended' 1 rolled_back
  appended && expect_recovery 'not inserted yet' 2 rolled_back
  # As file systems do it: they make the file longer, then shift its extents from the last to the first.
  appended && sync "$target" && truncate -s +4096 "$target" && expect_recovery 'only longer' 2 rolled_back
  local at
  for at in $((new_size / 4096 * 4096 - 8192)) 6717440 4096000 4096 0; do
    inserted "$at" && expect_recovery "a gap at $at" 2 rolled_back
  done
  inserted 0 && expect_recovery 'no header yet' 3 rolled_back
  for at in 1 4096 20000 38000; do
    inserted 0 && new_header "$at" && expect_recovery "$at bytes of the header" 3 rolled_back
  done
  inserted 0 && new_header 40512 && expect_recovery 'the whole header' 3 completed
  # A recovery that was itself interrupted.
  inserted 0 && new_header 20000 && head -c 36416 "$TARGET" | dd of="$target" bs=4096 seek=1 conv=notrunc status=none
  expect_recovery 'the old header is back' 3 rolled_back
  inserted 0 && fallocate -p -o 0 -l 4096 "$target" && expect_recovery 'the gap is back' 3 rolled_back

  # One that was interrupted just before its end: in a directory that only grows it cannot delete the journal.
  local step
  if [[ $(id -u) == 0 ]] && chattr +a "$fs" 2>/dev/null && chattr -a "$fs"; then
    for step in 1 2 3; do
      if ((step == 3)); then inserted 0 && new_header 20000; else appended; fi
      cp journal "$journal"
      printf %s "$step" | dd of="$journal" bs=1 seek=25 conv=notrunc status=none
      chattr +a "$fs"
      expect_exit 4 "$MTPGRAFT" recover "$target"
      expect_text "$STDERR" 'mtpgraft-journal: cannot delete: Operation not permitted$'
      chattr -a "$fs"
      expect_same "$target" "$TARGET"
      expect_exit 0 "$MTPGRAFT" recover "$target"
      expect_stdout <<TEXT
$target: rolled back: it is what it was before the graft
TEXT
      expect_unchanged "$target"
      rm -f "$journal"
    done
  fi

  # recover refuses what is no journal, and what does not belong to the file; nothing is touched.
  expect_kept() {
    local before
    before=$(sha256sum "$target" "$journal")
    expect_exit "$1" "$MTPGRAFT" recover "$target"
    expect_nothing_on stdout
    expect_text "$STDERR" "$2"
    [[ $(sha256sum "$target" "$journal") == "$before" ]] || fail "something has changed after: $last_command"
  }
  local journal_bytes
  journal_bytes=$(stat -c %s journal)
  appended
  for at in 0 5 30 200 4095 4096 9000 $((journal_bytes - 1)); do
    head -c "$at" journal >"$journal"
    expect_kept 3 'journal: the journal of an in-place change is damaged$'
  done
  for at in 0 17 25 30 60 100 180 250 4000 4096 20000 $((journal_bytes - 1)); do
    cp journal "$journal"
    flip_byte "$journal" "$at"
    expect_kept 3 'journal: the journal of an in-place change is damaged$'
  done
  (cat journal && echo) >"$journal"
  expect_kept 3 'journal: the journal of an in-place change is damaged$'
  cp journal "$journal"
  exec 9<"$target"
  expect_kept 5 'another program has the file open$'
  exec 9<&-
  old && flip_byte "$target" 100
  expect_kept 3 'the file is in no state that an interrupted in-place change leaves$'
  old && truncate -s 6000000 "$target"
  expect_kept 3 'the file is in no state that an interrupted in-place change leaves$'
  appended && echo >>"$target"
  expect_kept 3 'the file is in no state that an interrupted in-place change leaves$'
  cp -L --reflink=never "$TARGET" "$fs/other" && mv "$fs/other" "$target"
  expect_kept 5 'its journal belongs to another file of this name$'
  expect_text "$STDERR" "^  hint: if this one is whole, delete $PWD/$journal\$"
  rm "$journal"

  # Signals, and a disk that gets full: it goes back by itself.
  local signal expected
  for signal in INT TERM; do
    expected=$((128 + $(kill -l "$signal")))
    at_journal "kill -$signal \$pid" "$target" "$donor"
    [[ $code == "$expected" ]] || fail "exit code $code, expected $expected, after SIG$signal: $last_command"
    expect_unchanged "$target"
  done
  if [[ $fs != own ]]; then
    # shellcheck disable=SC2016  # the action expands it
    at_journal 'leave_room "$(dirname "$target")" 16' "$target" "$donor"
    [[ $code == 4 ]] || fail "exit code $code, expected 4: $last_command"
    expect_text "$STDERR" "$TARGET: cannot write: No space left on device\$"
    expect_unchanged "$target"
    rm -f "$fs"/filler*
  fi
  # Another program that wants the file while it is changed gets it as it was.
  rm -f seen
  # shellcheck disable=SC2016  # the action expands it
  at_journal '(sha256sum <"$target" >seen.part && mv seen.part seen) & sleep 0.3' "$target" "$donor"
  [[ $code == 5 ]] || fail "exit code $code, expected 5: $last_command"
  expect_text "$STDERR" 'another program is opening the file while it is changed$'
  expect_unchanged "$target"
  # It may still be reading.
  for _ in {1..200}; do
    [[ ! -e seen ]] || break
    sleep 0.1
  done
  [[ $(cat seen) == "$sha_before" ]] || fail "a reader has seen the file while it was changed"
  # Another program gives the name to another file, which is then none of ours.
  # shellcheck disable=SC2016  # the action expands it
  at_journal 'echo other >"$target.new" && mv "$target.new" "$target"' "$target" "$donor"
  [[ $code == 5 ]] || fail "exit code $code, expected 5: $last_command"
  expect_text "$STDERR" 'another file has taken its name while it was changed$'
  [[ $(cat "$target") == other ]] || fail "the file that has taken the name was changed"
  [[ ! -e $target.mtpgraft-journal ]] || fail "a journal was left by: $last_command"
  rm "$target"
  cp -L --reflink=never "$TARGET" "$target"
  expect_exit 0 "$MTPGRAFT" graft -q --in-place "$target" "$donor"
  expect_same "$target" expected.gguf
}

mkdir links
use mtp-base-8L-Q4_K_M.gguf

# Options that do not go together.
for arguments in '-o out.gguf' --no-record --copy=auto --copy=clone --no-sync; do
  # shellcheck disable=SC2086
  expect_exit 2 "$MTPGRAFT" graft --in-place $arguments "$TARGET" "$DONOR"
done
expect_exit 2 "$MTPGRAFT" recover
expect_exit 2 "$MTPGRAFT" recover "$TARGET" "$DONOR"

# Checksums that would take the output's place, by another spelling of its name.
for arguments in "" --force; do
  rm -f out.gguf
  # shellcheck disable=SC2086  # empty is no argument
  expect_exit 5 "$MTPGRAFT" graft $arguments "$TARGET" "$DONOR" -o out.gguf --checksums ./out.gguf
  [[ ! -e out.gguf ]] || fail "something was written by: $last_command"
done
rm -f out.gguf

for fs in ext4 xfs-noreflink xfs btrfs; do
  mount_fs $fs || continue
  if [[ $fs == xfs || $fs == btrfs ]]; then
    in_place_on $fs clone
  else
    recovery_on $fs
    in_place_on $fs insert
  fi
done

# The file system that the tests run on.
case $(stat -f -c %T .) in
  ext2/ext3 | xfs)
    mkdir own
    cp -L "$TARGET" own
    if cp --reflink=always "own/$TARGET" own/clone 2>/dev/null; then
      in_place_on own clone
    else
      in_place_on own insert
    fi
    ;;
esac

if mount_fs tmpfs; then
  fresh tmpfs
  refuses tmpfs 'its file system can neither share blocks between files nor shift them safely'
  expect_only tmpfs "$TARGET" "$DONOR"
fi
