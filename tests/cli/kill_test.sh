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
  mount_fs "$fs" || mkdir "$fs"
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
