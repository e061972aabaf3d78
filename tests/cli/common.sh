# Sourced by every *_test.sh here, which ctest runs with MTPGRAFT, SOURCE_DIR, FIXTURES_DIR and MODELS_DIR set. By hand
# none of them is needed: MTPGRAFT is then the development build, and the fixtures are made anew.
#
# A test works in its own empty directory, with plain relative names, so that whole outputs can be compared. A failed
# expectation is reported and the test goes on; it exits with 1 at the end.
set -euo pipefail

SOURCE_DIR=${SOURCE_DIR:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
MODELS_DIR=${MODELS_DIR:-$SOURCE_DIR/tests/models}
MTPGRAFT=$(realpath "${MTPGRAFT:-$SOURCE_DIR/build/dev/mtpgraft}")
TEST_DIR=$SOURCE_DIR/tests/cli

SCRATCH=$(mktemp -d)
WORK=$SCRATCH/work
STDOUT=$SCRATCH/stdout
STDERR=$SCRATCH/stderr
mkdir "$WORK"
failures=0
last_command=
cleanups=()
json_outputs=0
json_check=()

clean_up() {
  local status=$?
  cd /
  for command in "${cleanups[@]}"; do
    eval "$command" || true
  done
  check_json_outputs
  rm -rf "$SCRATCH"
  if ((status == 0 && failures > 0)); then
    echo "$failures failed" >&2
    status=1
  fi
  exit "$status"
}
trap clean_up EXIT

if [[ -z ${FIXTURES_DIR:-} ]]; then
  FIXTURES_DIR=$SCRATCH/fixtures
  # The sparse models of tens of gigabytes are left to the tests that need them.
  mapfile -t cases < <(python3 "$SOURCE_DIR/tests/support/make_fixtures.py" --list | cut -d: -f1 |
    grep -v -e '^twin-' -e '^big-')
  python3 "$SOURCE_DIR/tests/support/make_fixtures.py" --models "$MODELS_DIR" -o "$FIXTURES_DIR" "${cases[@]}" >/dev/null
fi
cd "$WORK"

# What the bundled models are called in most tests.
TARGET=target-12L-Q4_K_M.gguf
DONOR=mtp-base-8L-Q8_0.gguf
GRAFT=target-12L-MTP-Q4_K_M.gguf

fail() {
  failures=$((failures + 1))
  printf 'FAILED (line %s): %s\n' "${BASH_LINENO[-2]:-?}" "$*" >&2
}

skip_part() { echo "SKIPPED: $*" >&2; }

# Whether the program was built for plain POSIX: it neither clones nor changes files in place, and its outputs have a
# hidden name while they are written, which SIGKILL leaves behind.
is_plain_posix() { ! "$MTPGRAFT" --version | grep -q '^features   clone, insert'; }

# ctest reads 77 as "skipped" (SKIP_RETURN_CODE).
skip_all() {
  skip_part "$@"
  exit 77
}

# Links inputs into the working directory under their own names: from the bundled models, else from the fixtures.
use() {
  local name
  for name in "$@"; do
    if [[ -e $MODELS_DIR/$name ]]; then
      ln -s "$MODELS_DIR/$name" .
    elif [[ -e $FIXTURES_DIR/$name ]]; then
      ln -s "$FIXTURES_DIR/$name" .
    else
      echo "no such input: $name" >&2
      exit 1
    fi
  done
}

# Runs a command and keeps its outputs for the functions below.
run() {
  last_command=$*
  code=0
  "$@" >"$STDOUT" 2>"$STDERR" || code=$?
  keep_json "$@"
}

# keep_json COMMAND...: keeps what it has printed for check_json_outputs.
keep_json() {
  [[ " $* " == *" --json "* || " $* " == *" --progress=json "* ]] || return 0
  json_outputs=$((json_outputs + 1))
  mkdir -p "$SCRATCH/json"
  printf '%s %s' "$code" "$*" >"$SCRATCH/json/$json_outputs.command"
  [[ " $* " != *" --json "* ]] || cp "$STDOUT" "$SCRATCH/json/$json_outputs.json"
  [[ " $* " != *" --progress=json "* ]] || cp "$STDERR" "$SCRATCH/json/$json_outputs.events"
}

# Whatever a test has the program print with --json follows the schemas. All at once at the end, since Python is slow
# to start. json_check has further arguments of validate_json.py.
check_json_outputs() {
  ((json_outputs > 0)) || return 0
  "${PYTHON_WITH_JSONSCHEMA:-python3}" -B "$SOURCE_DIR/tests/support/validate_json.py" "$SOURCE_DIR/docs" \
    "$SCRATCH/json" "${json_check[@]}" >&2 || failures=$((failures + 1))
}

# expect_exit CODE COMMAND...
expect_exit() {
  local expected=$1
  shift
  run "$@"
  if [[ $code != "$expected" ]]; then
    fail "exit code $code, expected $expected: $last_command"
    sed 's/^/  stdout: /' "$STDOUT" | head -n 20 >&2
    sed 's/^/  stderr: /' "$STDERR" | head -n 20 >&2
  fi
}

# What differs from run to run and from disk to disk: times, ways of copying, free space, the version, directories.
normalise() {
  sed -E -e "s#$WORK#WORK#g" -e "s#$FIXTURES_DIR#FIXTURES#g" -e "s#$MODELS_DIR#MODELS#g" \
    -e 's/ in [0-9.]+ s: .* on disk(; |$)/ in N s: WAYS\1/' \
    -e 's/needed, [0-9.]+ ([KMGTP]iB|bytes?) free/needed, N free/' \
    -e 's/mtpgraft [0-9]+\.[0-9]+\.[0-9]+/mtpgraft VERSION/g'
}

expect_output() {
  local what=$1 file=$2
  if ! diff -u --label "expected $what" --label "$what" - <(normalise <"$file") >"$SCRATCH/diff"; then
    fail "$what of: $last_command"
    cat "$SCRATCH/diff" >&2
  fi
}

# The whole output of the last command, with the expected text on standard input.
expect_stdout() { expect_output stdout "$STDOUT"; }
expect_stderr() { expect_output stderr "$STDERR"; }

expect_nothing_on() {
  local stream
  for stream in "$@"; do
    local file=$STDOUT
    [[ $stream == stderr ]] && file=$STDERR
    if [[ -s $file ]]; then
      fail "something on $stream of: $last_command"
      head -n 5 "$file" | cat -v >&2
    fi
  done
}

# expect_text FILE PATTERN: a line that matches the extended regular expression.
expect_text() {
  if ! grep -Eq -e "$2" "$1"; then
    fail "no line matches '$2' in ${1##*/} of: $last_command"
    head -n 20 "$1" | sed 's/^/  /' >&2
  fi
}

# Nothing below a space but newlines, and neither ESC nor the C1 controls that UTF-8 writes as C2 80-9F.
expect_no_control_characters() {
  if LC_ALL=C grep -qaP '[\x00-\x09\x0b-\x1f\x7f]|\xc2[\x80-\x9f]' "$1"; then
    fail "control characters in ${1##*/} of: $last_command"
  fi
}

# no_leftovers DIR NAME...: the directory holds these names and nothing else, hidden files included.
no_leftovers() {
  local directory=$1
  shift
  if ! diff <(printf '%s\n' "$@" | sed '/^$/d' | sort) <(ls -A "$directory" | sort) >"$SCRATCH/diff"; then
    fail "other files than expected in $directory after: $last_command"
    cat "$SCRATCH/diff" >&2
  fi
}

expect_same() {
  cmp -s "$1" "$2" || fail "$1 and $2 differ after: $last_command"
}

# make_big_model FILE: the bundled target with a further tensor of 300 MB, without holes, so that its copy takes a moment.
make_big_model() {
  python3 - "$SOURCE_DIR/tests/support" "$MODELS_DIR/$TARGET" "$1" <<'END'
import sys
sys.path.insert(0, sys.argv[1])
import gguf_file
model = gguf_file.GgufFile.read(sys.argv[2])
model.tensors.append(gguf_file.Tensor("blk.0.bulk.weight", (300_000_000,), 24, b"\x55" * 300_000_000))
model.write(sys.argv[3])
END
}

# stop_while_writing PID DIR: stops the process as soon as it holds a file in DIR open for writing, with a name or not,
# that has bytes already: an empty one may only be there to see whether the place can be written to.
stop_while_writing() {
  local pid=$1 directory tries fd
  directory=$(realpath "$2")
  for ((tries = 0; tries < 20000; tries++)); do
    for fd in $(find "/proc/$pid/fd" -lname "$directory/*" -perm -200 2>/dev/null); do
      if [[ -s $fd ]]; then
        kill -STOP "$pid"
        return
      fi
    done
    kill -0 "$pid" 2>/dev/null || break
  done
  fail "it was over before it could be stopped: $last_command"
  return 1
}

# wait_for PID...: until all of them have ended. Sets codes, their exit codes, sorted.
wait_for() {
  local pid
  codes=
  for pid in "$@"; do
    code=0
    wait "$pid" || code=$?
    codes+="$code "
  done
  codes=$(tr ' ' '\n' <<<"${codes% }" | sort | tr '\n' ' ')
}

# json EXPRESSION: evaluates Python on `x`, the object that the last command printed.
json() {
  python3 -c 'import json, sys
x = json.loads(open(sys.argv[1], encoding="utf-8").read())
print(eval(sys.argv[2]))' "$STDOUT" "$1"
}
