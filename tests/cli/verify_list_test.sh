#!/usr/bin/env bash
# verify -c behaves as coreutils' sha256sum -c does: what is printed where, and the exit code.
. "$(dirname "$0")/common.sh"
use "$TARGET" "$DONOR"
"$MTPGRAFT" graft -q --no-sync "$TARGET" "$DONOR"
"$MTPGRAFT" checksum "$TARGET" >target.sums

# The main use: a list of the target's tensors proves that the graft holds them all, unchanged.
expect_exit 0 "$MTPGRAFT" verify "$GRAFT" -c target.sums
expect_nothing_on stderr
expect_stdout < <(sed -nE 's/^XXH128 \(([^:]*)\) = .*/\1: OK/p' target.sums)
[[ $(wc -l <"$STDOUT") == 162 ]] || fail "not 162 lines"
for option in -q --status '-q --status' --strict --ignore-missing; do
  # shellcheck disable=SC2086
  expect_exit 0 "$MTPGRAFT" verify "$GRAFT" $option -c target.sums
  expect_nothing_on stderr
  [[ $option == -q* || $option == --status ]] && expect_nothing_on stdout
done
# The target itself: its keys too.
expect_exit 0 "$MTPGRAFT" verify "$TARGET" --exact -c target.sums
expect_nothing_on stderr
[[ $(tail -n 1 "$STDOUT") == 'metadata: OK' ]] || fail "the last line is not the metadata's"

# A graft has more tensors and other keys, which only --exact minds.
expect_exit 1 "$MTPGRAFT" verify "$GRAFT" --exact -q -c target.sums
expect_stdout < <(
  "$MTPGRAFT" checksum "$GRAFT" | sed -nE 's/^XXH128 \((blk\.12\..*)\) = .*/\1: NOT LISTED/p'
  echo 'metadata: FAILED'
)
expect_stderr <<'END'
mtpgraft: target-12L-MTP-Q4_K_M.gguf: 15 tensors not listed
END

# A changed tensor is named.
python3 - "$TARGET" damaged.gguf <<'END'
import sys
data = bytearray(open(sys.argv[1], "rb").read())
data[-1] ^= 1
open(sys.argv[2], "wb").write(data)
END
name=$(tail -n 1 target.sums | sed -E 's/^XXH128 \((.*)\) = .*/\1/')
expect_exit 1 "$MTPGRAFT" verify damaged.gguf -c target.sums
expect_text "$STDOUT" "^$name: FAILED\$"
[[ $(grep -c ': OK$' "$STDOUT") == 161 ]] || fail "not 161 tensors are OK"
echo 'mtpgraft: damaged.gguf: other data in 1 tensor of 162' >"$SCRATCH/warning"
expect_stderr <"$SCRATCH/warning"
expect_exit 1 "$MTPGRAFT" verify damaged.gguf -q -c target.sums
expect_stdout <<<"$name: FAILED"
# --quiet is about the lines that say OK; the warning stays.
expect_stderr <"$SCRATCH/warning"
expect_exit 1 "$MTPGRAFT" verify damaged.gguf --status -c target.sums
expect_nothing_on stdout stderr

# Tensors that the file has not.
head -n 3 target.sums >some.sums
sed -n 's/output_norm/missing_norm/p' some.sums >missing.sums
cat missing.sums >>some.sums
expect_exit 1 "$MTPGRAFT" verify "$GRAFT" -c some.sums
expect_stdout <<'END'
output.weight: OK
output_norm.weight: OK
missing_norm.weight: MISSING
END
expect_stderr <<'END'
mtpgraft: target-12L-MTP-Q4_K_M.gguf: 1 tensor of 3 missing
mtpgraft: target-12L-MTP-Q4_K_M.gguf: 160 tensors outside the head not in the list
END
expect_exit 0 "$MTPGRAFT" verify "$GRAFT" --ignore-missing -c some.sums
expect_stderr <<'END'
mtpgraft: target-12L-MTP-Q4_K_M.gguf: 160 tensors outside the head not in the list
END
expect_stdout <<'END'
output.weight: OK
output_norm.weight: OK
END
# Nothing that was looked for is there: that proves nothing, and is said.
expect_exit 1 "$MTPGRAFT" verify "$GRAFT" --ignore-missing -c missing.sums
expect_nothing_on stdout
expect_text "$STDERR" 'missing.sums: no .*tensor'
expect_exit 1 "$MTPGRAFT" verify "$GRAFT" --ignore-missing --status -c missing.sums
expect_nothing_on stdout stderr
# A list of nothing but the metadata, without --exact.
head -n 1 target.sums >metadata.sums
expect_exit 1 "$MTPGRAFT" verify "$GRAFT" -c metadata.sums
expect_nothing_on stdout
expect_text "$STDERR" 'metadata.sums: .*tensor'
expect_exit 0 "$MTPGRAFT" verify "$TARGET" --exact -q -c target.sums

# Lines that are no checksums.
{
  echo 'output.weight 0123'
  head -n 2 target.sums | tail -n 1
  echo 'XXH128 (output.weight) = 12345'
} >bad.sums
expect_exit 0 "$MTPGRAFT" verify "$GRAFT" -c bad.sums
expect_stdout <<'END'
output.weight: OK
END
expect_stderr <<'END'
mtpgraft: bad.sums: 2 of its lines cannot be read, the first is line 1
mtpgraft: target-12L-MTP-Q4_K_M.gguf: 161 tensors outside the head not in the list
END
expect_exit 1 "$MTPGRAFT" verify "$GRAFT" --strict -c bad.sums
expect_stdout <<'END'
output.weight: OK
END
expect_stderr <<'END'
mtpgraft: bad.sums: 2 of its lines cannot be read, the first is line 1
mtpgraft: target-12L-MTP-Q4_K_M.gguf: 161 tensors outside the head not in the list
END
expect_exit 1 "$MTPGRAFT" verify "$GRAFT" --strict --status -c bad.sums
expect_nothing_on stdout stderr
head -n 1 bad.sums >none.sums
: >empty.sums
for list in none.sums empty.sums; do
  for option in '' --status --ignore-missing -q; do
    # shellcheck disable=SC2086
    expect_exit 3 "$MTPGRAFT" verify "$GRAFT" $option -c $list
    expect_nothing_on stdout
    expect_stderr <<END
mtpgraft: $list: no line of it is a checksum
  hint: its lines are to be 'DIGEST  NAME', as sha256sum writes them; 'mtpgraft checksum TARGET > TARGET.sums' writes a list of the model that the graft was made of
END
  done
done
expect_exit 4 "$MTPGRAFT" verify "$GRAFT" -c missing-list
expect_nothing_on stdout
expect_stderr <<'END'
mtpgraft: missing-list: cannot read: No such file or directory
  hint: the current folder has 'damaged.gguf', 'mtp-base-8L-Q8_0.gguf', 'target-12L-MTP-Q4_K_M.gguf' and 'target-12L-Q4_K_M.gguf'
END

# Comments, empty lines, Windows line ends, a last line without its end, upper-case digits, the other form.
line=$(grep -F '(output.weight)' target.sums)
hex=${line##* }
for text in "# a comment\n\n$line\n" "$line\r\n" "$line" "XXH128 (output.weight) = ${hex^^}\n" "$hex  output.weight\n" \
  "$hex *output.weight\n"; do
  printf '%b' "$text" >form.sums
  expect_exit 0 "$MTPGRAFT" verify "$GRAFT" --strict -c form.sums
  expect_stderr <<'END'
mtpgraft: target-12L-MTP-Q4_K_M.gguf: 161 tensors outside the head not in the list
END
  expect_stdout <<'END'
output.weight: OK
END
done

# A list out of a pipe is read like any other.
expect_exit 0 "$MTPGRAFT" verify -q "$GRAFT" -c <(cat target.sums)
expect_nothing_on stdout stderr

# Names in a list are hostile text as well.
printf 'XXH128 (evil\e[2J\x07) = %s\n' "$hex" >evil.sums
expect_exit 1 "$MTPGRAFT" verify "$GRAFT" -c evil.sums
expect_no_control_characters "$STDOUT"
expect_no_control_characters "$STDERR"
