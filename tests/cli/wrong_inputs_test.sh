#!/usr/bin/env bash
# Files and folders that are given in the place of a model: exit code, kind, and a hint to act on.
. "$(dirname "$0")/common.sh"

python3 "$SOURCE_DIR/tests/support/wrong_inputs.py" "$MTPGRAFT" "$MODELS_DIR" >"$STDOUT" || fail "$(cat "$STDOUT")"
