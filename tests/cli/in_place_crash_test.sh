#!/usr/bin/env bash
# The file system goes down at moments of graft --in-place, and of strip --in-place, with what it had not written yet; it is mounted again,
# as after a power cut, and `recover` called. Then the file is what it was, or the graft, to the byte.
. "$(dirname "$0")/common.sh"
. "$TEST_DIR/mounts.sh"
! is_plain_posix || skip_all "the program does not change files in place"
use "$TARGET" "$DONOR"

rounds=${MTPGRAFT_CRASH_ROUNDS:-15}
"$MTPGRAFT" graft -q --no-sync "$TARGET" "$DONOR" -o graft

# crash_after SECONDS DIR COMMAND...: in one process, as starting another takes longer than the command.
# EXT4_IOC_SHUTDOWN and XFS_IOC_GOINGDOWN are the same number; 2: without writing the log.
crash_after() {
  python3 - "$@" <<'END'
import fcntl, os, struct, subprocess, sys, time
directory = os.open(sys.argv[2], os.O_RDONLY)
command = subprocess.Popen(sys.argv[3:], stderr=subprocess.DEVNULL)
time.sleep(float(sys.argv[1]))
fcntl.ioctl(directory, 0x8004587D, struct.pack("I", 2))
command.wait()
END
}

# crash_on FS COMMAND ROUNDS: COMMAND is graft, of the target, or strip, of the graft.
crash_on() {
  local fs=$1 command=$2 rounds=$3 round=0 target=$1/$TARGET from=$TARGET start micros=0
  local change=(graft --in-place -q "$1/$TARGET" "$DONOR")
  local -A ends=()
  if [[ $command == strip ]]; then
    from=graft
    change=(strip --in-place -q "$target")
  fi
  for ((; round <= rounds && failures < 5; round++)); do
    rm -f "$target"
    cp -L --reflink=never "$from" "$target"
    sync -f "$fs"
    if ((round == 0)); then
      start=${EPOCHREALTIME/./}
      "$MTPGRAFT" "${change[@]}"
      micros=$((${EPOCHREALTIME/./} - start))
      continue
    fi
    crash_after "$(printf '0.%06d' $((micros * (round - 1) / rounds)))" "$fs" "$MTPGRAFT" "${change[@]}"
    umount "$fs"
    mount -o loop "$SCRATCH/$fs.img" "$fs"
    last_command="crash $round of $rounds of $command on $fs"
    [[ ! -e $target.mtpgraft-journal ]] || expect_exit 5 "$MTPGRAFT" inspect "$target"
    expect_exit 0 "$MTPGRAFT" recover --json "$target"
    outcome=$(json 'x["result"]["outcome"]')
    if cmp -s "$target" "$TARGET"; then
      outcome+=", without a head"
    elif cmp -s "$target" graft; then
      outcome+=", the graft"
    else
      fail "$target is neither what it was nor the graft after: crash $round of $rounds of $command on $fs, recover: $outcome"
    fi
    ends[$outcome]=$((${ends[$outcome]:-0} + 1))
    [[ ! -e $target.mtpgraft-journal ]] || fail "the journal is left after: crash $round of $rounds of $command on $fs"
  done
  for outcome in "${!ends[@]}"; do
    echo "$fs, $command: ${ends[$outcome]} x $outcome"
  done
}

mounted=0
for fs in ext4 xfs-noreflink xfs; do
  if mount_fs "$fs"; then
    mounted=$((mounted + 1))
    crash_on "$fs" graft "$rounds"
    crash_on "$fs" strip $(((rounds + 4) / 5))
  fi
done
((mounted > 0 || failures > 0)) || skip_all "no file system to crash"
