# shellcheck shell=bash
# Sourced after common.sh by the tests of targets that name their base models.

# name_bases FILE [KEY VALUE...]: FILE is the bundled target with these texts among its keys, as they are given to
# Python's "unicode_escape".
name_bases() {
  python3 -B - "$SOURCE_DIR/tests/support" "$MODELS_DIR/$TARGET" "$@" <<'END'
import sys
sys.path.insert(0, sys.argv[1])
from gguf_file import STRING, GgufFile
source, output, *words = sys.argv[2:]
model = GgufFile.read(source)
for key, value in zip(words[::2], words[1::2]):
    model.set(f"general.{key}", STRING, value.encode().decode("unicode_escape"))
model.write(output)
END
}

# of_base FILE OWNER/NAME: as gguf-py writes it of a model card.
of_base() {
  name_bases "$1" base_model.0.name "${2#*/}" base_model.0.organization "${2%/*}" \
    base_model.0.repo_url "https://huggingface.co/$2"
}

expect_json() {
  [[ $(json "$1") == True ]] || fail "not true: $1, of: $last_command: $(head -c 3000 "$STDOUT" "$STDERR")"
}
