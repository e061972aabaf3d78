#!/usr/bin/env bash
# How an output gets a name that is free, where the file system can do less and less: no files without names, no hard
# links, no renaming that spares what is there. Whatever it lacks, no other file is lost and no name is left.
. "$(dirname "$0")/common.sh"
FAULTS=${FAULTS:-$(dirname "$MTPGRAFT")/tests/faults.so}
[[ -e $FAULTS ]] || skip_all "no faults.so"
use "$TARGET" "$DONOR" mtp-base-8L-Q4_K_M.gguf
OTHER=mtp-base-8L-Q4_K_M.gguf
cp "$FIXTURES_DIR"/split/four-* .
FOUR=four-Q4_K_M-00001-of-00004.gguf
mkdir out expected
for donor in "$DONOR" "$OTHER"; do
  "$MTPGRAFT" graft -q --no-sync "$TARGET" "$donor" -o "expected/$donor"
done
"$MTPGRAFT" graft -q --no-sync --split-head "$TARGET" "$DONOR" -o expected/x.gguf
"$MTPGRAFT" checksum "expected/$DONOR" >expected/sums
cat >plan.json <<END
{"schema_version": 1, "output_directory": "out", "grafts": [{"target": "$TARGET", "donor": "$DONOR", "output": "x.gguf"}]}
END

# The program on a file system that lacks this. It is known to be without a name or links only in ./out.
PROGRAM=$SCRATCH/mtpgraft_lacking
lacking() {
  cat >"$PROGRAM" <<END
#!/bin/sh
export FAULT=eio:1000000000 FAULT_DIR=$WORK/out FAULT_LACKS='$1' LD_PRELOAD=$FAULTS
exec $MTPGRAFT "\$@"
END
  chmod +x "$PROGRAM"
}

# at_once COUNT OPTION...: grafts of the two donors in turn to one name. Sets codes, sorted.
at_once() {
  local count=$1 i pids=()
  shift
  last_command="$count x graft $* without '$lacks'"
  for ((i = 0; i < count; i++)); do
    "$PROGRAM" graft -q --no-sync "$@" "$TARGET" "$( ((i % 2)) && echo "$OTHER" || echo "$DONOR")" -o out/x.gguf \
      >>"$STDOUT" 2>>"$STDERR" &
    pids+=($!)
  done
  wait_for "${pids[@]}"
  no_leftovers out x.gguf
  cmp -s out/x.gguf "expected/$DONOR" || cmp -s out/x.gguf "expected/$OTHER" || fail "no graft: $last_command"
}

for lacks in '' 'tmpfile' 'link' 'link noreplace'; do
  lacking "$lacks"
  # Every command that makes files.
  expect_exit 0 "$PROGRAM" graft -q "$TARGET" "$DONOR" -o out/x.gguf --checksums out/x.sums
  expect_same out/x.gguf "expected/$DONOR"
  expect_same out/x.sums expected/sums
  [[ $(stat -c '%h %a' out/x.gguf) == "1 644" ]] || fail "$(stat -c '%h names, mode %a' out/x.gguf): $last_command"
  expect_exit 0 "$PROGRAM" strip -q out/x.gguf -o out/s.gguf
  expect_same out/s.gguf "$TARGET"
  expect_exit 0 "$PROGRAM" extract -q out/x.gguf -o out/h.gguf
  expect_exit 0 "$PROGRAM" graft -q --force "$TARGET" "$OTHER" -o out/x.gguf
  expect_same out/x.gguf "expected/$OTHER"
  no_leftovers out x.gguf x.sums s.gguf h.gguf
  rm out/*
  expect_exit 0 "$PROGRAM" graft -q --split-head "$TARGET" "$DONOR" -o out/x.gguf
  for i in 1 2; do
    expect_same out/x-0000$i-of-00002.gguf expected/x-0000$i-of-00002.gguf
  done
  rm out/*
  expect_exit 0 "$PROGRAM" release -q plan.json
  expect_same out/x.gguf "expected/$DONOR"
  no_leftovers out x.gguf x.gguf.sums SHA256SUMS release.json
  rm out/*

  # Shards are linked where they can be, and copied where they cannot; that is known, and said, before.
  way=hard-linked
  [[ $lacks != *link* ]] || way=copied
  expect_exit 0 "$PROGRAM" graft --json --dry-run "$FOUR" "$DONOR" -o out/x.gguf
  [[ $way == hard-linked ]] || grep -Eq '"way": ?"(copied|cloned)"' "$STDOUT" || fail "no way but links: $last_command"
  no_leftovers out
  expect_exit 0 "$PROGRAM" graft -q "$FOUR" "$DONOR" -o out/x.gguf
  expect_exit 0 "$MTPGRAFT" verify -q out/x-00001-of-00005.gguf --target "$FOUR" --donor "$DONOR"
  rm out/*
  if [[ $way == copied ]]; then
    expect_exit 4 "$PROGRAM" graft -q --link=hard "$FOUR" "$DONOR" -o out/x.gguf
    expect_text "$STDERR" '^  hint: use --link=auto'
    no_leftovers out
  fi

  # What has the name already stays, be it a link to nothing or come while the output was written.
  echo precious >out/x.gguf
  ln -s made out/y.gguf
  expect_exit 5 "$PROGRAM" graft -q "$TARGET" "$DONOR" -o out/x.gguf
  expect_exit 5 "$PROGRAM" graft -q "$TARGET" "$DONOR" -o out/y.gguf
  # shellcheck disable=SC2016  # the action expands it
  for planted in 'echo precious >out/z.gguf' 'ln -s made out/z.gguf' 'mkdir out/z.gguf'; do
    rm -rf out/z.gguf
    expect_exit 5 python3 -B "$TEST_DIR/when.py" staged="$WORK/out" "$planted" \
      "$PROGRAM" graft -q "$TARGET" "$DONOR" -o out/z.gguf
    expect_text "$STDERR" '^mtpgraft: out/z.gguf: the output exists$'
    [[ -d out/z.gguf || -L out/z.gguf || $(cat out/z.gguf) == precious ]] || fail "out/z.gguf was replaced"
  done
  [[ $(cat out/x.gguf) == precious && -L out/y.gguf && ! -e out/made ]] || fail "an output was replaced without '$lacks'"
  no_leftovers out x.gguf y.gguf z.gguf
  rm -r out/*

  # One of several wins, and all others are refused.
  for ((round = 0; round < ${MTPGRAFT_RACE_ROUNDS:-1}; round++)); do
    for count in 2 8; do
      at_once $count
      [[ $codes == "0 $(printf '5 %.0s' $(seq 2 $count))" ]] || fail "exit codes $codes: $last_command"
      at_once $count --force
      [[ $codes == "$(printf '0 %.0s' $(seq $count))" ]] || fail "exit codes $codes: $last_command"
      rm out/*
    done
  done
done

# The moment in which the name is held by an empty file, as nothing else can hold it: a signal waits until it is over,
# and SIGKILL leaves that file, which the next graft does not take for its own.
for signal in INT TERM HUP; do
  expect_exit 0 python3 -B "$TEST_DIR/when.py" there=out/x.gguf "test ! -s out/x.gguf && kill -$signal \$pid" \
    "$PROGRAM" graft -q "$TARGET" "$DONOR" -o out/x.gguf
  expect_same out/x.gguf "expected/$DONOR"
  no_leftovers out x.gguf
  rm out/*
done
# shellcheck disable=SC2016
expect_exit 137 python3 -B "$TEST_DIR/when.py" there=out/x.gguf 'kill -KILL $pid' \
  "$PROGRAM" graft -q "$TARGET" "$DONOR" -o out/x.gguf
[[ -e out/x.gguf && ! -s out/x.gguf && $(find out -type f | wc -l) == 2 ]] || fail "$(ls -lA out): $last_command"
expect_exit 5 "$PROGRAM" graft -q "$TARGET" "$DONOR" -o out/x.gguf
expect_exit 0 "$PROGRAM" graft -q --force "$TARGET" "$DONOR" -o out/x.gguf
expect_same out/x.gguf "expected/$DONOR"
