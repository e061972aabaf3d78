#!/usr/bin/env bash
# An existing file is replaced only with --force, and an input never, whatever its spelling.
. "$(dirname "$0")/common.sh"
cp "$MODELS_DIR/$TARGET" "$MODELS_DIR/$DONOR" .
chmod u+w ./*.gguf
target_sum=$(sha256sum <"$TARGET")
donor_sum=$(sha256sum <"$DONOR")

expect_inputs_unchanged() {
  [[ $(sha256sum <"$TARGET") == "$target_sum" ]] || fail "the target changed: $last_command"
  [[ $(sha256sum <"$DONOR") == "$donor_sum" ]] || fail "the donor changed: $last_command"
}

echo precious >out.gguf
expect_exit 5 "$MTPGRAFT" graft "$TARGET" "$DONOR" -o out.gguf
expect_nothing_on stdout
expect_stderr <<'END'
mtpgraft: out.gguf: the output exists
  hint: use --force to replace it, or -o for another name
END
[[ $(cat out.gguf) == precious ]] || fail "the existing output changed"
no_leftovers . "$TARGET" "$DONOR" out.gguf

expect_exit 0 "$MTPGRAFT" graft -q --force "$TARGET" "$DONOR" -o out.gguf
expect_exit 0 "$MTPGRAFT" verify -q out.gguf --target "$TARGET" --donor "$DONOR"
no_leftovers . "$TARGET" "$DONOR" out.gguf

# A new file takes the name; who holds the old one open, or linked, keeps it.
echo precious >out.gguf
ln out.gguf kept
expect_exit 0 "$MTPGRAFT" graft -q --force "$TARGET" "$DONOR" -o out.gguf
[[ $(cat kept) == precious ]] || fail "--force wrote into the old file"
rm kept out.gguf

ln -s "$TARGET" link-to-target
ln "$TARGET" hard-link-to-target
ln -s "$DONOR" link-to-donor
ln "$DONOR" hard-link-to-donor
names=("$TARGET" "$DONOR" link-to-target hard-link-to-target link-to-donor hard-link-to-donor)
for input in "$TARGET" "$DONOR"; do
  short=target
  [[ $input == "$DONOR" ]] && short=donor
  for output in "$input" "./$input" "$WORK/$input" "../work/$input" "link-to-$short" "hard-link-to-$short"; do
    for force in '' --force; do
      # shellcheck disable=SC2086  # empty is no argument
      expect_exit 5 "$MTPGRAFT" graft $force "$TARGET" "$DONOR" -o "$output"
      expect_nothing_on stdout
      expect_stderr < <(
        printf "mtpgraft: %s: the output is the input '%s'\n" "$output" "$input" | normalise
        echo '  hint: inputs are never written; give another name with -o'
      )
    done
  done
done
# An input that is itself named through a link.
expect_exit 5 "$MTPGRAFT" graft --force link-to-target "$DONOR" -o "$TARGET"
expect_exit 5 "$MTPGRAFT" graft --force "$TARGET" hard-link-to-donor -o link-to-donor
# One file as both is refused for what it is.
expect_exit 3 "$MTPGRAFT" graft --force "$DONOR" "$DONOR" -o "$DONOR"
expect_inputs_unchanged
no_leftovers . "${names[@]}"
rm link-to-* hard-link-to-*

# Places where no file can be made.
mkdir directory
expect_exit 5 "$MTPGRAFT" graft --force "$TARGET" "$DONOR" -o directory
expect_stderr <<'END'
mtpgraft: directory: the output is a directory
  hint: give a file name with -o
END
expect_exit 4 "$MTPGRAFT" graft "$TARGET" "$DONOR" -o missing/out.gguf
expect_nothing_on stdout
expect_text "$STDERR" "^mtpgraft: missing/out.gguf: the directory 'missing' does not exist"
touch file
expect_exit 4 "$MTPGRAFT" graft "$TARGET" "$DONOR" -o file/out.gguf
expect_nothing_on stdout
expect_text "$STDERR" '^mtpgraft: file/out.gguf: .*: Not a directory$'
expect_exit 5 "$MTPGRAFT" graft --force "$TARGET" "$DONOR" -o /dev/null
expect_text "$STDERR" '^mtpgraft: /dev/null: the output exists and is not a regular file$'
rm file

# Checksums that would take the output's place, by another spelling of its name.
for force in '' --force; do
  # shellcheck disable=SC2086  # empty is no argument
  expect_exit 5 "$MTPGRAFT" graft $force "$TARGET" "$DONOR" -o out.gguf --checksums ./out.gguf
  [[ ! -e out.gguf ]] || fail "something was written by: $last_command"
done

# Root may write into a directory of mode 555, but nobody into an immutable one.
read_only=
if [[ $(id -u) != 0 ]]; then
  chmod 555 directory
  read_only=yes
elif chattr +i directory 2>/dev/null; then
  cleanups+=("chattr -i '$WORK/directory'")
  read_only=yes
fi
if [[ $read_only ]]; then
  expect_exit 4 "$MTPGRAFT" graft "$TARGET" "$DONOR" -o directory/out.gguf
  expect_nothing_on stdout
  expect_text "$STDERR" '^mtpgraft: directory/out.gguf: cannot create: (Permission denied|Operation not permitted)$'
  no_leftovers directory
else
  skip_part "root may write everywhere, and chattr +i does not work here"
fi

# A dangling link is a name that is taken.
ln -s nowhere dangling
expect_exit 5 "$MTPGRAFT" graft "$TARGET" "$DONOR" -o dangling
expect_stderr <<'END'
mtpgraft: dangling: the output exists
  hint: use --force to replace it, or -o for another name
END
[[ -L dangling ]] || fail "the dangling link was replaced"
no_leftovers . "$TARGET" "$DONOR" directory dangling
expect_exit 0 "$MTPGRAFT" graft -q --force "$TARGET" "$DONOR" -o dangling
[[ -f dangling && ! -L dangling ]] || fail "--force did not replace the link itself"
no_leftovers . "$TARGET" "$DONOR" directory dangling

# The longest name that a file may have, with and without --force.
longest=$(printf 'n%.0s' {1..250}).gguf
expect_exit 0 "$MTPGRAFT" graft -q "$TARGET" "$DONOR" -o "$longest"
expect_exit 0 "$MTPGRAFT" graft -q --force "$TARGET" "$DONOR" -o "$longest"
no_leftovers . "$TARGET" "$DONOR" directory dangling "$longest"

# Two at once for one name: one wins, and the file is whole.
rm "$longest"
pids=()
for _ in 1 2 3 4; do
  "$MTPGRAFT" graft -q "$TARGET" "$DONOR" -o raced.gguf 2>>"$SCRATCH/race" &
  pids+=($!)
done
codes=()
for pid in "${pids[@]}"; do
  code=0
  wait "$pid" || code=$?
  codes+=("$code")
done
[[ $(printf '%s\n' "${codes[@]}" | sort | tr '\n' ' ') == '0 5 5 5 ' ]] || fail "exit codes of the race: ${codes[*]}"
expect_exit 0 "$MTPGRAFT" verify -q raced.gguf --target "$TARGET" --donor "$DONOR"
no_leftovers . "$TARGET" "$DONOR" directory dangling raced.gguf
expect_inputs_unchanged
