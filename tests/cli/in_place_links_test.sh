#!/usr/bin/env bash
# Nothing is changed in place through a symbolic link, nor a file that is called by the digest of its bytes: the caches
# of Hugging Face and Ollama are such, and other programs use their files. The hint names what works.
. "$(dirname "$0")/common.sh"
use "$DONOR"
cp "$MODELS_DIR/$TARGET" model.gguf
"$MTPGRAFT" graft -q --no-sync model.gguf "$DONOR" -o graft.gguf
digest=$(sha256sum <model.gguf | cut -d' ' -f1)
mkdir -p hub/blobs hub/snapshots/main ollama/blobs
cp graft.gguf "hub/blobs/$digest"
cp graft.gguf "ollama/blobs/sha256-$digest"
ln -s "../../blobs/$digest" hub/snapshots/main/Model.gguf
ln -s graft.gguf link.gguf
ln -s "$WORK/link.gguf" second.gguf
find . -type f -exec sha256sum {} + >"$SCRATCH/sums"

# refuses HINT FILE...: by every command that changes files in place, also in a dry run.
refuses() {
  local hint=$1 file change how
  shift
  for file in "$@"; do
    for change in "graft --replace --in-place $file $DONOR" "strip --in-place $file"; do
      for how in "" --dry-run; do
        # shellcheck disable=SC2086
        expect_exit 5 "$MTPGRAFT" $change $how
        expect_text "$STDERR" "^  hint: $hint\$"
      done
      # shellcheck disable=SC2086
      expect_exit 5 "$MTPGRAFT" $change --json
    done
  done
  sha256sum --quiet -c "$SCRATCH/sums" || fail "a file has changed"
}
refuses "if that is meant, name the file itself: $WORK/graft.gguf, or leave out --in-place" \
  link.gguf second.gguf "$WORK/link.gguf"
refuses 'make a new file: -o FILE instead of --in-place' hub/snapshots/main/Model.gguf "hub/blobs/$digest" \
  "ollama/blobs/sha256-$digest" "./ollama/blobs/../blobs/sha256-$digest"

# What other digests look like, and what only looks like one.
for name in "${digest:0:40}" "SHA256-${digest^^}" "$digest.gguf"; do
  cp graft.gguf "$name"
  expect_exit 5 "$MTPGRAFT" strip --in-place "$name"
  expect_text "$STDERR" "^mtpgraft: $name: is called by the digest of its bytes"
  expect_same "$name" graft.gguf
  rm "$name"
done

# Links that lead to no file.
ln -s nowhere.gguf dangling.gguf
ln -s hub directory.gguf
ln -s loop.gguf loop.gguf
for name in dangling directory loop; do
  for command in "strip --in-place $name.gguf" "graft --in-place $name.gguf $DONOR" "recover $name.gguf"; do
    # shellcheck disable=SC2086
    expect_exit 4 "$MTPGRAFT" $command
    [[ -L $name.gguf ]] || fail "$name.gguf is no link any more"
  done
done
[[ ! -e nowhere.gguf ]] || fail "a file was made where the link leads"

# recover, where there is nothing to do.
for link in link.gguf hub/snapshots/main/Model.gguf; do
  expect_exit 5 "$MTPGRAFT" recover "$link"
  expect_text "$STDERR" "^  hint: if that is meant, name the file itself: $(realpath "$link")\$"
done
expect_exit 0 "$MTPGRAFT" recover "hub/blobs/$digest"

# A split model is told that it is one, and not to try another name of its file.
mkdir links
for number in 1 2 3 4; do
  name=four-Q4_K_M-0000$number-of-00004.gguf
  cp "$FIXTURES_DIR/split/$name" .
  ln -s "../$name" links
done
for directory in . links; do
  expect_exit 5 "$MTPGRAFT" graft --in-place "$directory/four-Q4_K_M-00001-of-00004.gguf" "$DONOR"
  expect_text "$STDERR" ': a split model is not changed in place$'
done

# inspect proposes what is possible.
cp "$FIXTURES_DIR/target-placeholder.gguf" placeholder.gguf
ln -s placeholder.gguf placeholder-link.gguf
cp placeholder.gguf "$digest"
cp placeholder.gguf placeholder-MTP.gguf
if ! is_plain_posix; then
  expect_exit 0 "$MTPGRAFT" inspect placeholder.gguf
  expect_text "$STDOUT" 'mtpgraft strip --in-place placeholder.gguf makes it load without one$'
fi
for file in placeholder-link.gguf "$digest"; do
  expect_exit 0 "$MTPGRAFT" inspect "$file"
  expect_text "$STDOUT" "mtpgraft graft $file DONOR puts .*; mtpgraft strip $file -o NEW.gguf makes one that loads"
  expect_exit 0 "$MTPGRAFT" inspect --json "$file"
  ! grep -q -e --in-place "$STDOUT" || fail "advises what is refused: $last_command"
done
expect_exit 0 "$MTPGRAFT" inspect placeholder-MTP.gguf
expect_text "$STDOUT" 'mtpgraft graft placeholder-MTP.gguf DONOR -o NEW.gguf puts a head in'
