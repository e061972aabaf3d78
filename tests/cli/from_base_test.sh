#!/usr/bin/env bash
# graft --from-base takes the head of the model that the target names, from the hub: byte for byte as if it were named.
. "$(dirname "$0")/common.sh"
. "$TEST_DIR/remote.sh"
. "$TEST_DIR/bases.sh"
use_hub
use "$DONOR"
inputs+=("$DONOR")

# found BASE [OPTION...]: the graft of a target that names BASE; out.gguf is that of its own base, lab/$BASE.
found() {
  local base=$1
  shift
  of_base Tuned.gguf "$base"
  rm -f out.gguf
  expect_exit 0 "$MTPGRAFT" graft --no-sync Tuned.gguf --from-base -o out.gguf "$@"
}

# refused CODE BASE MESSAGE: the graft fails with this message, and leaves nothing.
refused() {
  of_base Tuned.gguf "$2"
  expect_exit "$1" "$MTPGRAFT" graft Tuned.gguf --from-base -o out.gguf
  expect_text "$STDERR" "^mtpgraft: $3\$"
  expect_nothing_on stdout
  no_leftovers . "${inputs[@]}" Tuned.gguf
}

# Of the base; nothing is asked before it is.
of_base Tuned.gguf "lab/$BASE"
forget_requests
expect_exit 0 "$MTPGRAFT" inspect Tuned.gguf
expect_exit 2 "$MTPGRAFT" graft Tuned.gguf
expect_requests
expect_exit 0 "$MTPGRAFT" graft -q --no-sync Tuned.gguf "hf://lab/$BASE" -o named.gguf
inputs+=(named.gguf)
forget_cache
found "lab/$BASE"
expect_nothing_on stderr
expect_same out.gguf named.gguf
expect_text "$STDOUT" "^donor   hf://lab/$BASE@[0-9a-f]{40} "
expect_text "$STDOUT" "^donor: of the base model lab/$BASE, found on the Hugging Face Hub; the target's general.base_model.0.repo_url names it\$"
# The command that is printed proves it, and asks the hub for nothing.
forget_requests
command=$(grep '^  mtpgraft verify' "$STDOUT")
[[ $command == *" --donor hf://lab/$BASE@"* ]] || fail "other proof: $command"
# shellcheck disable=SC2086  # it is a command line
expect_exit 0 "$MTPGRAFT" ${command#* mtpgraft }
expect_requests
expect_exit 0 "$MTPGRAFT" graft --json --dry-run Tuned.gguf --from-base
expect_json "x['result']['from_base'] == {'found': 'hub', 'repository': 'lab/$BASE', 'base': {'name': '$BASE', 'organization': 'lab',
  'url': 'https://huggingface.co/lab/$BASE', 'repository': 'lab/$BASE', 'is_guessed': False,
  'key': 'general.base_model.0.repo_url'}}"
expect_json "x['result']['donor'].startswith('hf://lab/$BASE@') and x['result']['fetch'] is not None"

# What else is given holds for it.
found "lab/$BASE" --norm-offset 1 --head-type q8_0 --no-cache
expect_text "$STDOUT" 'matrices converted to Q8_0'
rm out.gguf

# One that has lost its head leads to its own base.
for base in Tuned Tuned-tags Lost-GGUF; do
  found "lab/$base"
  expect_same <(tail -c 2000000 out.gguf) <(tail -c 2000000 named.gguf)
  expect_stderr <<END
mtpgraft: warning: the base model hf://lab/$base has lost its head; its own base model is looked at: hf://lab/$BASE
END
  expect_text "$STDOUT" "^donor   hf://lab/$BASE@"
  expect_text "$STDOUT" "^donor: of lab/$BASE, which the base model lab/$base goes back to, found on the Hugging Face Hub; the target's general.base_model.0.repo_url names lab/$base\$"
done
found lab/Tuned-3
[[ $(grep -c 'has lost its head' "$STDERR") == 3 ]] || fail "not three steps: $(cat "$STDERR")"
rm out.gguf
of_base Tuned.gguf lab/Tuned
expect_exit 0 "$MTPGRAFT" graft --json --dry-run Tuned.gguf --from-base
expect_json "[each['id'] for each in x['result']['warnings']] == ['base-without-head']"
expect_json "x['result']['from_base']['repository'] == 'lab/$BASE' and x['result']['from_base']['base']['repository'] == 'lab/Tuned'"
expect_exit 3 "$MTPGRAFT" graft --dry-run Tuned.gguf --from-base --strict

# Until there is no way on.
refused 3 lab/Tuned-4 "Tuned.gguf: its base models have lost their heads, and no more than 3 steps are taken: lab/Tuned-4, .*"
refused 3 lab/Circle-A 'Tuned.gguf: .*in a circle: lab/Circle-A, made of lab/Circle-B, made of lab/circle-a'
for base in Orphan Crooked-card; do
  refused 3 "lab/$base" "Tuned.gguf: the base model hf://lab/$base has lost its head, and the hub does not tell .*"
done
refused 2 lab/Merged 'Tuned.gguf: the base model hf://lab/Merged has lost its head, and was made of several models'
expect_text "$STDERR" "^  - mtpgraft graft Tuned.gguf hf://lab/$BASE\$"
expect_text "$STDERR" '^  - mtpgraft graft Tuned.gguf hf://lab/Tuned$'

# One that never had a head, does not fit, or cannot be had.
refused 3 lab/Never 'Tuned.gguf: the base model hf://lab/Never has no MTP head; it was itself made of hf://lab/hf-base-8L'
expect_text "$STDERR" "^  - mtpgraft graft Tuned.gguf hf://lab/$BASE\$"
refused 3 lab/Headless-GGUF 'Tuned.gguf: the base model hf://lab/Headless-GGUF has no MTP head'
refused 3 lab/Other-shape "Tuned.gguf: the head of 'hf://lab/Other-shape' does not fit"
expect_text "$STDERR" '^  - embedding_length: target 256, donor 512$'
expect_text "$STDERR" '^  hint: --from-base has taken that donor; name another one as DONOR$'
expect_text "$STDERR" "^  - the target's key general.base_model.0.repo_url names lab/Other-shape\$"
# Another cause keeps its own hint.
of_base Tuned.gguf lab/One-GGUF
expect_exit 3 "$MTPGRAFT" graft Tuned.gguf --from-base --head-type f16
expect_text "$STDERR" '^  hint: use a BF16 donor$'
refused 2 lab/Base-GGUF 'hf://lab/Base-GGUF: is not one model; of its files these have a head'
for base in gated private nobody; do
  refused 4 "$base/hf-base-8L" "hf://$base/hf-base-8L.*: .*401 Unauthorized.*"
  expect_text "$STDERR" "^  - the target's key general.base_model.0.repo_url names $base/hf-base-8L\$"
done
HF_TOKEN=$TOKEN found gated/hf-base-8L
rm out.gguf

# A merge: what fits is listed, also if it is only one, and why the others do not.
name_bases Tuned.gguf base_model.0.repo_url "lab/$BASE" base_model.1.repo_url lab/Never base_model.2.repo_url lab/One-GGUF \
  base_model.3.name Nameless
expect_exit 2 "$MTPGRAFT" graft Tuned.gguf --from-base
expect_stderr <<END
mtpgraft: Tuned.gguf: is made of 4 models; say whose head it is to get
  - not lab/Never: the base model hf://lab/Never has no MTP head; it was itself made of hf://lab/$BASE
  - not 'Nameless': general.base_model.3.name names no repository of the Hugging Face Hub
  - $DONOR is not taken: its keys name 'tiny-qwen35-base-8L'
  - mtpgraft graft Tuned.gguf hf://lab/$BASE  # head: 1.9 MiB
  - mtpgraft graft Tuned.gguf hf://lab/One-GGUF  # head: 1.0 MiB
  hint: name one of these as DONOR, and keep your other options
END
expect_exit 2 "$MTPGRAFT" graft Tuned.gguf --from-base --head-type q8_0
expect_text "$STDERR" "^  - mtpgraft graft Tuned.gguf hf://lab/$BASE  # head: 1.9 MiB\$"
name_bases Tuned.gguf base_model.0.repo_url lab/Never base_model.1.repo_url "lab/$BASE"
expect_exit 2 "$MTPGRAFT" graft --json Tuned.gguf --from-base
expect_json "[each['path'] for each in x['error']['donors']] == ['hf://lab/$BASE']"
name_bases Tuned.gguf base_model.0.repo_url lab/Never base_model.1.repo_url lab/Other-shape
expect_exit 3 "$MTPGRAFT" graft Tuned.gguf --from-base
expect_text "$STDERR" '^mtpgraft: Tuned.gguf: is made of 2 models, and no head of theirs was found that fits$'
[[ $(grep -c '^  - not lab/' "$STDERR") == 2 ]] || fail "not a reason for each: $(cat "$STDERR")"
name_bases Tuned.gguf base_model.0.repo_url lab/Never base_model.1.repo_url nobody/knows
expect_exit 4 "$MTPGRAFT" graft Tuned.gguf --from-base

# Beside the target first: no request. What is of the base and does not fit is told of, and the hub is asked.
of_base Tuned.gguf lab/tiny-qwen35-base-8L
forget_requests
expect_exit 0 "$MTPGRAFT" graft --no-sync Tuned.gguf --from-base -o out.gguf
expect_text "$STDOUT" "^donor   $DONOR "
expect_requests
rm out.gguf
of_base Tuned.gguf "lab/$BASE"
python3 -B - "$SOURCE_DIR/tests/support" "$DONOR" mtp-narrow.gguf "lab/$BASE" <<'END'
import sys
sys.path.insert(0, sys.argv[1])
from gguf_file import STRING, U32, GgufFile
model = GgufFile.read(sys.argv[2])
model.set("general.base_model.0.repo_url", STRING, "https://huggingface.co/" + sys.argv[4])
model.set("qwen35.embedding_length", U32, 512)
model.write(sys.argv[3])
END
expect_exit 0 "$MTPGRAFT" graft --no-sync Tuned.gguf --from-base -o out.gguf
expect_text "$STDOUT" "^donor   hf://lab/$BASE@"
expect_text "$STDOUT" '^donor: mtp-narrow.gguf: .*embedding_length'
rm out.gguf mtp-narrow.gguf

# A plan: one search for each graft, and the commit that was found in what is printed.
mkdir plan
of_base plan/Tuned-Q4_K_M.gguf lab/Tuned
echo '{"schema_version": 1, "grafts": [{"target": "Tuned-Q4_K_M.gguf", "donor": "from-base"}]}' >plan/PLAN.json
expect_exit 0 "$MTPGRAFT" release plan/PLAN.json
[[ $(grep -c 'has lost its head' "$STDERR") == 1 ]] || fail "not one warning: $(cat "$STDERR")"
expect_text plan/release.json "mtpgraft graft Tuned-Q4_K_M.gguf hf://lab/$BASE@[0-9a-f]{40} -o Tuned-MTP-Q4_K_M.gguf"
expect_text plan/release.json 'base-without-head'
expect_exit 0 "$MTPGRAFT" release --json plan/PLAN.json
expect_json "x['result']['grafts'][0]['state'] == 'skipped' and x['result']['grafts'][0]['donor'].startswith('hf://lab/$BASE@')"

# The Hugging Face cache before the hub: no request, if it has the head, and the same bytes.
commit_of() { python3 -c 'import json, sys; print(json.load(sys.stdin)["sha"])' <"$HUB/www/api/models/$1/revision/main"; }
lay_out() { python3 -B "$SOURCE_DIR/tests/support/make_hub_cache.py" "$1" "$XDG_CACHE_HOME/huggingface/hub" "$2" "$(commit_of "$2")" "${@:3}"; }
lay_out "$LOCAL/$BASE" "lab/$BASE"
forget_cache
forget_requests
found "lab/$BASE"
expect_same out.gguf named.gguf
expect_requests
expect_text "$STDOUT" "^donor: of the base model lab/$BASE, found in the Hugging Face cache; "
HF_HUB_OFFLINE=1 expect_exit 0 "$MTPGRAFT" graft --json --dry-run Tuned.gguf --from-base
expect_json "x['result']['from_base']['found'] == 'hub_cache'"
# It may have one that has lost its head, or other files than that.
lay_out "$LOCAL/Tuned" lab/Tuned
of_base Tuned.gguf lab/Tuned
expect_exit 0 "$MTPGRAFT" graft --dry-run Tuned.gguf --from-base
expect_text "$STDERR" 'has lost its head'
expect_text "$STDOUT" "^donor: of lab/$BASE, which the base model lab/Tuned goes back to, found in the Hugging Face cache; "
forget_cache
HF_HUB_OFFLINE=1 expect_exit 3 "$MTPGRAFT" graft --dry-run Tuned.gguf --from-base
lay_out "$LOCAL/One-GGUF" lab/One-GGUF Base-Q4_K_M.gguf
of_base Tuned.gguf lab/One-GGUF
expect_exit 0 "$MTPGRAFT" graft --dry-run Tuned.gguf --from-base
expect_text "$STDOUT" '^donor: of the base model lab/One-GGUF, found on the Hugging Face Hub; '
