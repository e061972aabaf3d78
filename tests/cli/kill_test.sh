#!/usr/bin/env bash
# Signals at random moments of every command that writes a new file: old or new content, never anything else.
# MTPGRAFT_KILL_ROUNDS is how often in all; MTPGRAFT_KILL_SEED repeats a series, as far as the machine's timing does.
. "$(dirname "$0")/common.sh"
. "$TEST_DIR/mounts.sh"
rounds=${MTPGRAFT_KILL_ROUNDS:-200}
seed=${MTPGRAFT_KILL_SEED:-$((SRANDOM % 32768))}

# tmpfs has no waiting for the disk, so that the signals hit the work; ext4 waits for most of the time.
for share in tmpfs:90 ext4:10; do
  fs=${share%:*}
  mount_fs "$fs" || mkdir -p "$fs"
  cd "$fs"
  mkdir in
  cp -L "$MODELS_DIR/$TARGET" in/target.gguf
  cp -L "$MODELS_DIR/$DONOR" in/donor.gguf
  cp -L "$MODELS_DIR/mtp-base-8L-Q4_K_M.gguf" in/other.gguf
  for i in 1 2 3 4; do
    cp "$FIXTURES_DIR/split/four-Q4_K_M-0000$i-of-00004.gguf" in/four-0000$i-of-00004.gguf
  done
  "$MTPGRAFT" graft -q --no-sync in/target.gguf in/donor.gguf -o in/graft.gguf
  echo "$fs:"
  python3 -B "$TEST_DIR/kill_rounds.py" "$MTPGRAFT" $((rounds * ${share#*:} / 100)) "$seed" || fail "see above"
  cd ..
done

# At the two moments that matter most in a split model, which are too short to be hit: there is never a first file with
# others that are not its own.
mkdir out
cp "$FIXTURES_DIR"/split/four-* .
FOUR=four-Q4_K_M-00001-of-00004.gguf
for moment in there=out/x-00002-of-00005.gguf gone=out/x-00001-of-00005.gguf; do
  force=()
  if [[ $moment == gone=* ]]; then
    force=(--force)
    rm -f out/*
    "$MTPGRAFT" graft -q --no-sync --link=copy "$FOUR" "$MODELS_DIR/mtp-base-8L-Q4_K_M.gguf" -o out/x.gguf
    cp -r out old
  fi
  # shellcheck disable=SC2016  # the action expands it
  expect_exit 137 python3 -B "$TEST_DIR/when.py" "$moment" 'kill -KILL $pid' \
    "$MTPGRAFT" graft "${force[@]}" "$FOUR" "$MODELS_DIR/$DONOR" -o out/x.gguf
  [[ ! -e out/x-00001-of-00005.gguf ]] || fail "the first file is there after: $last_command"
done
for i in 2 3 4 5; do
  expect_same "out/x-0000$i-of-00005.gguf" "old/x-0000$i-of-00005.gguf"
done
