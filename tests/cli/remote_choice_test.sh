#!/usr/bin/env bash
# Behind a repository may stand what tells its models apart: a file, a tag such as Q8_0, or a pattern.
. "$(dirname "$0")/common.sh"
. "$TEST_DIR/remote.sh"
use_hub
FULL=$(sha256sum "$LOCAL/Base-GGUF/Base-MTP-Q8_0.gguf")
FULL=${FULL%% *}

# chooses DONOR FILE: that is the donor, as the command tells that proves the graft.
chooses() {
  expect_exit 0 "$MTPGRAFT" graft --json -n "$TARGET" "$1"
  local pinned
  pinned=$(json "x['result']['donor_notes'][0].split(', commit ')[0]")
  [[ $pinned == "$2" ]] || fail "$pinned is chosen, not $2: $last_command"
}

# A sidecar before full models, which are then not opened.
forget_requests
chooses hf://lab/Base-GGUF:Q8_0 hf://lab/Base-GGUF/mtp-Base-Q8_0.gguf
! requests | grep "$FULL" || fail "a full model was opened: $last_command"
chooses hf://lab/Base-GGUF:q8_0 hf://lab/Base-GGUF/mtp-Base-Q8_0.gguf
chooses hf://lab/Base-GGUF@v1.0:BF16 hf://lab/Base-GGUF@v1.0/mtp-Base-BF16.gguf
chooses hf://lab/Base-GGUF/Q8_0 hf://lab/Base-GGUF/mtp-Base-Q8_0.gguf
# Of a model that is split or has a longer tag; in any folder.
chooses hf://lab/Tags-GGUF:Q8_0 hf://lab/Tags-GGUF/MTP/mtp-Base-Q8_0.gguf
chooses hf://lab/Tags-GGUF:ud-q4_k_m hf://lab/Tags-GGUF/quants/Base.mtp.UD-Q4_K_M.gguf
# Of two that have the tag, one has a head.
chooses hf://lab/Tags-GGUF:Q4_K_M hf://lab/Tags-GGUF/quants/Base.mtp.UD-Q4_K_M.gguf
# A folder of this name and the tag are one choice.
chooses hf://lab/Tags-GGUF:BF16 hf://lab/Tags-GGUF/MTP/mtp-Base-BF16.gguf
expect_exit 0 "$MTPGRAFT" inspect hf://lab/Tags-GGUF:BF16
expect_text "$STDOUT" '^hf://lab/Tags-GGUF/BF16/Base-MTP.gguf '
expect_text "$STDOUT" '^hf://lab/Tags-GGUF/MTP/mtp-Base-BF16.gguf '
# A pattern looks into folders where nothing matches outside of them.
chooses 'hf://lab/Tags-GGUF:mtp-*Q8_0*' hf://lab/Tags-GGUF/MTP/mtp-Base-Q8_0.gguf
chooses 'hf://lab/Base-GGUF:mtp-*Q8_0*' hf://lab/Base-GGUF/mtp-Base-Q8_0.gguf
expect_error 4 'hf://lab/Tags-GGUF/x/mtp-\*Q8_0\*: matches no model; the repository has' 'name one: .*' \
  'hf://lab/Tags-GGUF:x/mtp-*Q8_0*'

# Several that are left are listed, the first file of a split model alone.
expect_error 2 'hf://lab/Base-GGUF/MTP: is not one model; of its files these have a head' \
  'name one: hf://lab/Base-GGUF:FILE' hf://lab/Base-GGUF:MTP
diff <(grep '^  - ' "$STDERR") - <<'END' >&2 || fail "other files: $last_command"
  - mtp-Base-BF16.gguf (head: 1.9 MiB)
  - mtp-Base-Q8_0.gguf (head: 1.0 MiB)
END
# None has a head.
expect_error 3 'hf://lab/Base-GGUF/Base-Q4_K_M.gguf: the donor has no head .*' '' hf://lab/Base-GGUF:Q4_K_M
# A tag ends at '-' or '.', not in the middle of another.
expect_error 4 "hf://lab/Base-GGUF/Q4_K: no model's name has the tag 'Q4_K'; the repository has" \
  'did you mean hf://lab/Base-GGUF:Q4_K_M\?' hf://lab/Base-GGUF:Q4_K
grep -q '^  - Base-Q4_K_M.gguf (' "$STDERR" || fail "the models are not listed: $last_command"
expect_error 4 "hf://lab/Tags-GGUF/IQ2_XXS: no model's name has the tag 'IQ2_XXS'; the repository has" \
  'name one: hf://lab/Tags-GGUF:FILE' hf://lab/Tags-GGUF:IQ2_XXS
# A checkpoint has no quants to choose from.
expect_error 2 "hf://lab/$BASE/Q8_0: has no GGUF files of which 'Q8_0' could be one: it is a checkpoint" \
  "name it without that: hf://lab/$BASE" "hf://lab/$BASE:Q8_0"
