#!/usr/bin/env bash
# A donor that a server does not have, or that is not one, is refused with what to name instead.
. "$(dirname "$0")/common.sh"
. "$TEST_DIR/remote.sh"
use_hub

# No file is named, or several.
expect_error 2 'hf://lab/Base-GGUF: is not one model; of its files these have a head' \
  'name one: hf://lab/Base-GGUF:FILE' hf://lab/Base-GGUF
diff <(grep '^  - ' "$STDERR") - <<'END' >&2 || fail "other files: $last_command"
  - Base-MTP-BF16.gguf (head: 1.9 MiB)
  - Base-MTP-Q8_0.gguf (head: 1.0 MiB)
  - mtp-Base-BF16.gguf (head: 1.9 MiB)
  - mtp-Base-Q8_0.gguf (head: 1.0 MiB)
  - split/Base-MTP-Q8_0-00001-of-00004.gguf (head: 1.0 MiB)
END
expect_error 3 'hf://lab/Headless-GGUF/.*: the donor has no head .*' '.*the base model.*' hf://lab/Headless-GGUF
expect_error 2 'hf://lab/Base-GGUF.\*Q8_0\*.gguf: is not one model; of its files these have a head' 'name one: .*' \
  'hf://lab/Base-GGUF:*Q8_0*.gguf'
expect_exit 0 "$MTPGRAFT" inspect hf://lab/Base-GGUF
expect_text "$STDOUT" '^hf://lab/Base-GGUF/Base-Q4_K_M.gguf +qwen35 .* none +- +no$'
expect_text "$STDOUT" '^hf://lab/Base-GGUF/mtp-Base-Q8_0.gguf +qwen35 .* sidecar +1.0 MiB Q8_0 +with -md$'
expect_error 4 'hf://lab/Base-GGUF.\*Q3\*.gguf: matches no model; the repository has' 'name one: .*' \
  'hf://lab/Base-GGUF:*Q3*.gguf'

# What is not there, and what is not asked for.
expect_error 4 "hf://lab/Base-GGUF: has no file 'Base-MTP-Q8.gguf' .*" "did you mean 'Base-MTP-Q8_0.gguf'\?" \
  hf://lab/Base-GGUF:Base-MTP-Q8.gguf
expect_error 4 'hf://lab/nothing: .*: 401 Unauthorized' 'it is private or does not exist: .*HF_TOKEN.*' hf://lab/nothing
expect_error 4 'hf://lab/hf-base-9L: .*: 401 Unauthorized' "did you mean 'hf://lab/$BASE'\?" hf://lab/hf-base-9L
expect_error 4 "hf://lab/Base-GGUF@v1.1: .*: 404 Not Found: the repository has no revision 'v1.1'" \
  "did you mean 'v1.0'\?" hf://lab/Base-GGUF@v1.1:mtp-Base-Q8_0.gguf
expect_error 4 "hf://lab/$BASE@old: .*: 404 Not Found: the repository has no revision 'old'" 'there is main' \
  "hf://lab/$BASE@old"
expect_error 4 "$ENDPOINT/a/b/c/x.gguf: GET .*: 404 Not Found" '' "$ENDPOINT/a/b/c/x.gguf"
expect_error 2 'hf://lab: does not name an owner and a model' '.*hf://OWNER/NAME.*' hf://lab
expect_error 2 'http://example.invalid/x.gguf: .*http is neither encrypted nor protected against changes' \
  'use https, or --allow-http.*' http://example.invalid/x.gguf
expect_exit 4 "$MTPGRAFT" graft hf://lab/Base-GGUF:Base-Q4_K_M.gguf "hf://lab/$BASE" -o out.gguf
expect_text "$STDERR" '^  hint: only donors, and what is inspected, can be on a server: download the file, and name that$'
forget_requests
expect_error 3 "hf://lab/hf-crooked/.*: .*'\.\./$BASE/model-00002-of-00004.safetensors'.*" '' hf://lab/hf-crooked
if requests | grep -v -e ' /api/models/' -e 'json'; then
  fail "an index led to other files: $last_command"
fi
