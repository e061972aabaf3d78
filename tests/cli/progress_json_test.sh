#!/usr/bin/env bash
# A program that reads stderr of --progress=json is told everything by lines of JSON: that they follow the schema, and that
# phases begin, go on and end, is checked by common.sh for every call with that option.
. "$(dirname "$0")/common.sh"
use "$TARGET" "$DONOR" target-trailing-bytes.gguf donor-wrong-width.gguf

# expect_events EXPRESSION...: Python on `x`, the list of events on stderr, is true.
expect_events() {
  local untrue
  untrue=$(python3 -c 'import json, sys
x = [json.loads(line) for line in open(sys.argv[1], encoding="utf-8")]
print("".join(text + "\n" for text in sys.argv[2:] if not eval(text)), end="")' "$STDERR" "$@") || untrue="$*"
  [[ -z $untrue ]] || fail "not true: $untrue, of: $last_command: $(head -c 3000 "$STDERR")"
}
PHASES="[(e['phase'], e['path'], e['bytes_total']) for e in x if e.get('state') == 'begin']"

# In a pipe, where there is no line for people. stdout is what it is without the option.
expect_exit 0 "$MTPGRAFT" graft --no-sync "$TARGET" "$DONOR" -o out.gguf
normalise <"$STDOUT" >"$SCRATCH/plain"
mv out.gguf plain.gguf
expect_exit 0 "$MTPGRAFT" graft --progress=json --no-sync "$TARGET" "$DONOR" -o out.gguf
expect_stdout <"$SCRATCH/plain"
expect_same plain.gguf out.gguf
size=$(stat -c %s out.gguf)
expect_events "${PHASES}[0][:2] == ('plan', '$TARGET')" \
  "('read-head', '$DONOR', 1050112) in $PHASES" \
  "${PHASES}[-1] == ('write', 'out.gguf', $size)" \
  "x[-1]['state'] == 'end' and x[-1]['bytes_done'] > 0.99 * $size" \
  "{e['event'] for e in x} == {'progress'} and {e['command'] for e in x} == {'graft'}"

# Both together; quiet; and the other commands.
expect_exit 0 "$MTPGRAFT" graft --json --progress=json -q --no-sync -f "$TARGET" "$DONOR" -o out.gguf
[[ $(json "x['ok']") == True ]] || fail "no answer of: $last_command"
expect_events "${PHASES}[-1][0] == 'write'"
expect_exit 0 "$MTPGRAFT" extract --progress=json --no-sync "$DONOR" --checksums sums -o mtp.gguf
expect_events "('write', 'mtp.gguf', $(stat -c %s mtp.gguf)) in $PHASES"
expect_exit 0 "$MTPGRAFT" strip --progress=json --no-sync out.gguf -o stripped.gguf
expect_events "$PHASES == [('plan', 'out.gguf', None), ('write', 'stripped.gguf', $(stat -c %s stripped.gguf))]"
expect_exit 0 "$MTPGRAFT" verify --progress=json out.gguf --target "$TARGET" --donor "$DONOR"
expect_events "$PHASES == [('verify', 'out.gguf', $size)]"
expect_exit 0 "$MTPGRAFT" checksum --progress=json out.gguf
expect_events "$PHASES == [('checksum', 'out.gguf', $size)]"
cp "$STDOUT" sums
expect_exit 0 "$MTPGRAFT" inspect --progress=json out.gguf
expect_nothing_on stderr

# Warnings have their ids; what a check says in the end is told, too; --quiet takes nothing of it.
expect_exit 0 "$MTPGRAFT" graft --progress=json -q -n target-trailing-bytes.gguf "$DONOR" -o none.gguf
expect_events "[e['id'] for e in x if e['event'] == 'warning'] == ['trailing-bytes']"
expect_exit 0 "$MTPGRAFT" inspect --progress=json --kv=none "$TARGET"
expect_events "[e['id'] for e in x] == ['nothing-matches']"
expect_exit 1 "$MTPGRAFT" verify --progress=json -q -c sums "$TARGET"
expect_events "[e['message'] for e in x if e['event'] == 'problem'][0].startswith('$TARGET: ')"

# Errors, also of a command line. With --json they are in the answer.
expect_exit 5 "$MTPGRAFT" graft --progress=json "$TARGET" "$DONOR" -o out.gguf
expect_events "x[-1]['event'] == 'error' and x[-1]['error']['remedy'] == 'overwrite-output'"
expect_exit 5 "$MTPGRAFT" graft --json --progress=json "$TARGET" "$DONOR" -o out.gguf
expect_events "{e['event'] for e in x} == {'progress'}"
expect_exit 4 "$MTPGRAFT" inspect --progress=json missing.gguf none.gguf
expect_events "[e['error']['path'] for e in x] == ['missing.gguf', 'none.gguf']"
expect_exit 2 "$MTPGRAFT" graft --progress=json --bogus "$TARGET" "$DONOR"
expect_events "[(e['command'], e['error']['code']) for e in x] == [('graft', 'usage')]"
expect_exit 2 "$MTPGRAFT" grfat --progress=json
expect_events "[(e['command'], e['error']['code']) for e in x] == [('', 'usage')]"
expect_exit 2 "$MTPGRAFT" graft --progress json "$TARGET"
expect_events "x[-1]['event'] == 'error'"
if [[ -c /dev/full ]]; then
  answer_on_full_disk() { "$MTPGRAFT" checksum --json --progress=json "$TARGET" >/dev/full; }
  expect_exit 4 answer_on_full_disk
  expect_events "x[-1]['error']['message'].startswith('cannot write to stdout')"
fi

# A release: which graft of how many, and what is complete.
cat >plan.json <<END
{"schema_version": 1, "output_directory": "rel", "grafts": [{"target": "$TARGET", "donor": "$DONOR"},
  {"target": "$TARGET", "donor": "$DONOR", "output": "b-MTP.gguf"}, {"target": "$TARGET", "donor": "$DONOR", "output": "c-MTP.gguf"}]}
END
WRITES="[(e['graft'], e['grafts'], e['path']) for e in x if e.get('phase') == 'write' and e['state'] == 'running']"
expect_exit 0 "$MTPGRAFT" release --progress=json --no-sync plan.json
expect_events "set($WRITES) == {(1, 3, 'rel/$GRAFT'), (2, 3, 'rel/b-MTP.gguf'), (3, 3, 'rel/c-MTP.gguf')}" \
  "[e['path'] for e in x if e.get('state') in ('begin', 'end')] == [None] * 8" \
  "[e['message'] for e in x if e['event'] == 'note'][2].startswith('rel/c-MTP.gguf: written, ')"
rm rel/b-MTP.gguf rel/c-MTP.gguf
expect_exit 0 "$MTPGRAFT" release --progress=json -q -j 2 --no-sync plan.json
expect_events "{e['event'] for e in x} == {'progress'} and {w[0] for w in $WRITES} <= {2, 3} and $WRITES" \
  "{e['graft'] for e in x if e['phase'] == 'verify' and e['state'] == 'running'} == {1}"
sed -i 's/, {[^{]*c-MTP.gguf"}//' plan.json
echo x >>"rel/$GRAFT"
expect_exit 5 "$MTPGRAFT" release --progress=json --no-sync plan.json
expect_events "[e['event'] for e in x if e['event'] in ('error', 'problem')][-1] == 'problem'"
expect_exit 5 "$MTPGRAFT" release --json --progress=json --no-sync plan.json
expect_events "{e['event'] for e in x} == {'progress'}"
rm "rel/$GRAFT"
expect_exit 0 "$MTPGRAFT" release --force --progress=json --no-sync plan.json
expect_events "'left-release' in [e.get('id') for e in x]"

# From a server; the query of a URL may be a signature, and is not told.
if "$MTPGRAFT" --version | grep -q '^features.*, http '; then
  export XDG_CACHE_HOME=$SCRATCH/cache
  coproc python3 -B "$SOURCE_DIR/tests/support/bad_server.py" "$MODELS_DIR" /dev/null
  read -r port _ <&"${COPROC[0]}"
  url=http://127.0.0.1:$port/good/$DONOR
  expect_exit 0 "$MTPGRAFT" graft --progress=json --no-sync -f "$TARGET" "$url?signature=secret" -o out.gguf
  expect_events "[p for p in $PHASES if p[0] == 'fetch'][-1][1] == '$url' and ${PHASES}[-1][0] == 'write'" \
    "max(e['bytes_done'] for e in x if e['phase'] == 'fetch') > 1000000"
  ! grep -q secret "$STDERR" || fail "events tell of a signature: $last_command"
  cat >remote.json <<END
{"schema_version": 1, "grafts": [{"target": "$TARGET", "donor": "$DONOR"},
  {"target": "$TARGET", "donor": "http://127.0.0.1:$port/good/$DONOR?2", "output": "remote.gguf"}]}
END
  expect_exit 0 "$MTPGRAFT" release --progress=json -n remote.json
  expect_events "{e['graft'] for e in x if e.get('phase') == 'fetch'} == {2}"
  expect_exit 0 "$MTPGRAFT" release --progress=json --no-sync remote.json
  expect_events "max(e['bytes_done'] for e in x if e.get('phase') == 'fetch') > 1000000"
  expect_exit 0 "$MTPGRAFT" inspect --progress=json --no-cache "$url"
  expect_events "{p[:2] for p in $PHASES} == {('fetch', '$url')}"
  expect_exit 4 "$MTPGRAFT" inspect --progress=json "http://127.0.0.1:$port/missing/$DONOR"
  expect_events "(x[-1]['error']['http_status'], x[-1]['error']['retryable']) == (404, False)"
  expect_exit 4 "$MTPGRAFT" inspect --json "http://127.0.0.1:$port/busy-for-an-hour/$DONOR"
  [[ $(json "x['error']['http_status'], x['error']['retryable']") == '(429, True)' ]] || fail "wrong: $last_command"
fi

# Ctrl-C while it writes: what has begun ends, and the error comes last.
if [[ -d /proc/self/fd ]]; then
  mkdir place
  make_big_model place/target.gguf
  last_command="graft --progress=json, interrupted"
  "$MTPGRAFT" graft --progress=json place/target.gguf "$DONOR" -o place/big.gguf >"$STDOUT" 2>"$STDERR" &
  pid=$!
  stop_while_writing $pid place
  sleep 0.3
  kill -CONT $pid
  sleep 0.05
  kill -INT $pid
  code=0
  wait $pid || code=$?
  [[ $code == 130 ]] || fail "exit code $code: $last_command"
  keep_json "$MTPGRAFT" graft --progress=json place/target.gguf
  expect_events "'running' in [e.get('state') for e in x if e.get('phase') == 'write']" \
    "(x[-1]['error']['code'], x[-1]['error']['retryable']) == ('interrupted', True)"
  no_leftovers place target.gguf
fi

# Nobody reads it, or nobody any more: the work is done all the same.
for to in '2>&-' '2>/dev/full' '2> >(head -n 1 >first)' '2> >(exec <&-)'; do
  rm -f out.gguf
  last_command="graft --progress=json $to"
  bash -c '"$@" '"$to" bash "$MTPGRAFT" graft --progress=json -q --no-sync "$TARGET" "$DONOR" -o out.gguf >"$STDOUT" ||
    fail "exit code $?: $last_command"
  expect_nothing_on stdout
  expect_same plain.gguf out.gguf
done
