#!/usr/bin/env bash
# kill -9 at random moments of graft --in-place and of strip --in-place, which takes it back: after `recover` the file is what it was, or the graft, to the byte.
# MTPGRAFT_KILL_ROUNDS is how often in all; MTPGRAFT_KILL_SEED repeats a series, as far as the machine's timing does.
. "$(dirname "$0")/common.sh"
. "$TEST_DIR/mounts.sh"
! is_plain_posix || skip_all "the program does not change files in place"
use "$TARGET" "$DONOR" mtp-base-8L-BF16.gguf mtp-base-8L-Q4_K_M.gguf

rounds=${MTPGRAFT_KILL_ROUNDS:-120}
seed=${MTPGRAFT_KILL_SEED:-$((SRANDOM % 32768))}
RANDOM=$seed

donors=("$DONOR" mtp-base-8L-BF16.gguf mtp-base-8L-Q4_K_M.gguf)
for donor in "${donors[@]}"; do
  "$MTPGRAFT" graft -q --no-sync "$TARGET" "$donor" -o "graft-$donor"
done

# random_below MICROSECONDS: in seconds, as sleep wants it.
random_below() { printf '0.%06d' $(((RANDOM * 32768 + RANDOM) % $1)); }

# kill_after SECONDS COMMAND...: sets code.
kill_after() {
  local delay=$1
  shift
  last_command="$* killed after $delay s, MTPGRAFT_KILL_SEED=$seed"
  "$@" >"$STDOUT" 2>"$STDERR" &
  local pid=$!
  sleep "$delay"
  kill -KILL "$pid" 2>/dev/null || true
  code=0
  wait "$pid" 2>/dev/null || code=$?
  [[ $code == 0 || $code == 137 ]] || fail "exit code $code: $last_command: $(cat "$STDERR")"
}

expect_refused() {
  local said=$last_command
  for arguments in "inspect $1" "checksum $1" "verify $1" "graft $1 $DONOR -o none.gguf" "graft $1 $DONOR --in-place" \
    "graft $TARGET $1 -o none.gguf"; do
    # shellcheck disable=SC2086
    expect_exit 5 "$MTPGRAFT" $arguments
    expect_text "$STDERR" '^  hint: if none is running: mtpgraft recover '
  done
  last_command=$said
}

# What has become of the target, and what is left beside it. Sets outcome. Without a graft is where recovery goes back to,
# also after strip.
examine() {
  local fs=$1 target=$1/$TARGET graft=$2 round=$3 outcome_json said=$last_command
  outcome=
  if [[ -e $target.mtpgraft-journal ]]; then
    expect_refused "$target"
    # A recovery that is killed is no harm either.
    if ((round % 3 == 0)); then
      kill_after "$(random_below 20000)" "$MTPGRAFT" recover "$target"
      said="$said, then $last_command"
    fi
    expect_exit 0 "$MTPGRAFT" recover --json "$target"
    outcome_json=$(json "x.get('result', {}).get('outcome')")
    last_command="$said, then recover"
    case $outcome_json in
      rolled_back) outcome="rolled back" ;;
      completed) outcome=completed ;;
      nothing_to_do) outcome="recovered by a killed recover" ;;
      *) fail "no outcome of: $last_command" ;;
    esac
  fi
  if cmp -s "$target" "$TARGET"; then
    [[ $outcome != completed ]] || fail "the old file is said to be complete after: $last_command"
    outcome=${outcome:-untouched}
  elif cmp -s "$target" "$graft"; then
    [[ $outcome != "rolled back" ]] || fail "the graft is said to be rolled back after: $last_command"
    outcome=${outcome:-done}
  else
    fail "$target is neither what it was nor the graft after: $last_command"
    outcome=broken
  fi
  if [[ -e $target.mtpgraft-journal ]]; then
    fail "the journal is still there after: $last_command: $(head -n 1 "$target.mtpgraft-journal"), $(stat -c '%s bytes' "$target")"
    rm "$target.mtpgraft-journal"
    outcome=broken
  fi
  last_command=$said
  # Nobody is there to delete what a killed program has given a name: a clone gets a hidden one just before the target's.
  find "$fs" -name '.mtpgraft-*' -print -delete >>hidden
  find "$fs" -mindepth 1 -maxdepth 1 -not -name lost+found -printf '%P\n' | sort >names
  printf '%s\n' "${donors[@]}" "$TARGET" | sort | cmp -s - names ||
    fail "other files than expected after: $last_command: $(tr '\n' ' ' <names)"
}

kill_on() {
  local fs=$1 count=$2 round donor target=$1/$TARGET start change
  local -A ends=()
  cp -L "${donors[@]}" "$fs"
  : >hidden
  # How long an undisturbed one takes at most.
  local micros=0 took
  for donor in "${donors[@]}"; do
    rm -f "$target"
    cp -L --reflink=never --sparse=never "$TARGET" "$target"
    start=${EPOCHREALTIME/./}
    expect_exit 0 "$MTPGRAFT" graft --in-place -q "$target" "$fs/$donor"
    took=$((${EPOCHREALTIME/./} - start))
    micros=$((took > micros ? took : micros))
  done
  for ((round = 0; round < count && failures < 10; round++)); do
    donor=${donors[round % ${#donors[@]}]}
    rm -f "$target"
    if ((round % 5 == 4)); then
      cp --reflink=never --sparse=never "graft-$donor" "$target"
      change=(strip --in-place -q "$target")
    else
      cp -L --reflink=never --sparse=never "$TARGET" "$target"
      change=(graft --in-place -q "$target" "$fs/$donor")
    fi
    kill_after "$(random_below $((micros * 11 / 10 < 900000 ? micros * 11 / 10 : 900000)))" "$MTPGRAFT" "${change[@]}"
    examine "$fs" "graft-$donor" "$round"
    ends[$outcome]=$((${ends[$outcome]:-0} + 1))
  done
  local said=''
  for outcome in "${!ends[@]}"; do
    said+=", ${ends[$outcome]} $outcome"
  done
  echo "$fs: $count rounds within $((micros / 1000)) ms$said; $(wc -l <hidden) hidden files"
  if [[ $fs == ext4 || $fs == xfs-noreflink ]] && ((count >= 50 && ${ends["rolled back"]:-0} == 0)); then
    fail "not one of $count kills has hit on $fs, MTPGRAFT_KILL_SEED=$seed"
  fi
}

# Insertion has the many steps; a clone is renamed.
mounted=0
for share in ext4:40 xfs-noreflink:40 xfs:10 btrfs:10; do
  fs=${share%:*}
  if mount_fs "$fs"; then
    mounted=$((mounted + 1))
    kill_on "$fs" $((rounds * ${share#*:} / 100))
  fi
done
((failures == 0)) || echo "MTPGRAFT_KILL_SEED=$seed" >&2
((mounted > 0 || failures > 0)) || skip_all "no file system to kill a graft on"
