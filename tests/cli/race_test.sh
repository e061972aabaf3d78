#!/usr/bin/env bash
# Several programs that want one file at once: what comes out is the work of one of them, whole.
# MTPGRAFT_RACE_ROUNDS is how often each.
. "$(dirname "$0")/common.sh"
. "$TEST_DIR/mounts.sh"
use "$TARGET" "$DONOR" mtp-base-8L-Q4_K_M.gguf
OTHER=mtp-base-8L-Q4_K_M.gguf
cp "$FIXTURES_DIR"/split/four-* .
FOUR=four-Q4_K_M-00001-of-00004.gguf
rounds=${MTPGRAFT_RACE_ROUNDS:-3}
mkdir one other out
for donor in one:"$DONOR" other:"$OTHER"; do
  "$MTPGRAFT" graft -q --no-sync "$TARGET" "${donor#*:}" -o "${donor%:*}/x.gguf"
  "$MTPGRAFT" graft -q --no-sync --link=copy "$FOUR" "${donor#*:}" -o "${donor%:*}/x.gguf"
done

# at_once COUNT COMMAND...: with one donor and the other in turn, which come last. Sets codes, sorted.
at_once() {
  local count=$1 i pids=()
  shift
  last_command="$count x $*"
  for ((i = 0; i < count; i++)); do
    "$@" "$( ((i % 2)) && echo "$OTHER" || echo "$DONOR")" -o out/x.gguf >>"$STDOUT" 2>>"$STDERR" &
    pids+=($!)
  done
  wait_for "${pids[@]}"
}

# All files of out are those of one graft, and there is nothing else.
expect_one_graft() {
  if ! diff -rq -x "$1" one out >/dev/null && ! diff -rq -x "$1" other out >/dev/null; then
    fail "neither one graft nor the other: $last_command: $(sha256sum out/* one/* other/* | cut -c 1-8,65-)"
  fi
}

for ((round = 0; round < rounds; round++)); do
  for count in 2 8; do
    for target in "$TARGET" "$FOUR"; do
      others='x-0*'
      [[ $target == "$TARGET" ]] || others='x.gguf'
      at_once $count "$MTPGRAFT" graft -q --no-sync "$target"
      [[ $codes == "0 $(printf '5 %.0s' $(seq 2 $count))" ]] || fail "exit codes $codes: $last_command"
      expect_one_graft "$others"
      at_once $count "$MTPGRAFT" graft -q --no-sync --force "$target"
      [[ $codes == "$(printf '0 %.0s' $(seq $count))" ]] || fail "exit codes $codes: $last_command"
      expect_one_graft "$others"
      rm out/*
    done
  done
done

# In place: whoever is refused has changed nothing.
# in_place_at_once COMMAND...: beside a graft in place, which it may disturb. Sets codes: the graft's, the other's.
in_place_at_once() {
  local first second=0 pid
  last_command="graft --in-place and: $*"
  cp -L --reflink=never "$TARGET" "$fs/$TARGET"
  "$MTPGRAFT" graft -q --in-place "$fs/$TARGET" "$DONOR" >"$STDOUT" 2>"$STDERR" &
  pid=$!
  sleep "0.00$((RANDOM % 10))"
  "$@" >"$SCRATCH/second" 2>&1 || second=$?
  first=0
  wait $pid || first=$?
  codes="$first $second"
  [[ ! -e "$fs/$TARGET".mtpgraft-journal ]] || fail "a journal was left, exit codes $codes: $last_command"
  if cmp -s "$fs/$TARGET" one/x.gguf; then
    [[ $first == 0 || $second == 0 ]] || fail "exit codes $codes, and yet it is a graft: $last_command"
  elif cmp -s "$fs/$TARGET" other/x.gguf; then
    [[ $first != 0 && $second == 0 ]] || fail "exit codes $codes, and it is the second graft: $last_command"
  else
    expect_same "$fs/$TARGET" "$TARGET"
    [[ $first == 5 ]] || fail "exit codes $codes, and the target is what it was: $last_command"
  fi
  ends["$codes"]=$((${ends["$codes"]:-0} + 1))
}
for fs in ext4 xfs; do
  ! is_plain_posix && mount_fs $fs || continue
  declare -A ends=()
  for ((round = 0; round < rounds; round++)); do
    in_place_at_once "$MTPGRAFT" graft -q --in-place "$fs/$TARGET" "$OTHER"
    [[ $codes =~ ^(0|5)\ (0|3|5)$ && $codes != '0 0' ]] || fail "exit codes $codes: $last_command"
    in_place_at_once "$MTPGRAFT" recover -q "$fs/$TARGET"
    [[ $codes =~ ^(0|5)\ (0|5)$ ]] || fail "exit codes $codes: $last_command"
    in_place_at_once "$MTPGRAFT" verify -q "$fs/$TARGET" --target "$TARGET" --donor "$DONOR"
    [[ $codes =~ ^(0|5)\ (0|1|5)$ ]] || fail "exit codes $codes: $last_command: $(cat "$SCRATCH/second")"
    in_place_at_once "$MTPGRAFT" checksum "$fs/$TARGET"
    [[ $codes =~ ^(0|5)\ (0|5)$ ]] || fail "exit codes $codes: $last_command: $(cat "$SCRATCH/second")"
    rm -rf $fs/lost+found
    no_leftovers $fs "$TARGET"
  done
  # The moment in which the system already tells of others who open the file.
  cp -L --reflink=never "$TARGET" "$fs/$TARGET"
  expect_exit 5 python3 -B "$TEST_DIR/when.py" lease "dd if=$fs/$TARGET iflag=nonblock of=none count=1 2>/dev/null" \
    "$MTPGRAFT" graft --in-place "$fs/$TARGET" "$DONOR"
  expect_text "$STDERR" 'another program is opening the file while it is changed$'
  expect_same "$fs/$TARGET" "$TARGET"
  for codes in "${!ends[@]}"; do
    echo "$fs: exit codes $codes: ${ends[$codes]} x"
  done
  unset ends
done
