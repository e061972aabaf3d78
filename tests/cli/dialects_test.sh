#!/usr/bin/env bash
# Heads as forks of llama.cpp name them: a graft of one is that of the same head in llama.cpp's names, of which
# make_dialects.py made it.
. "$(dirname "$0")/common.sh"
use "$TARGET"
export MODELS_DIR PYTHONPATH=$SOURCE_DIR/tests/support PYTHONDONTWRITEBYTECODE=1
python3 "$SOURCE_DIR/tests/support/make_dialects.py" "$MODELS_DIR" .
mapfile -t inputs < <(ls -A)

list_content() {
  python3 - "$1" <<'END'
import sys
from gguf_file import GgufFile
model = GgufFile.read(sys.argv[1])
for name, value in model.keys.items():
    print(name, value)
for tensor in sorted(model.tensors, key=lambda tensor: tensor.name):
    print(tensor.name, tensor.shape, tensor.type_id, tensor.read().hex())
END
}

# expect_same_content A B: the same keys, and tensors in any order.
expect_same_content() {
  cmp -s <(list_content "$1") <(list_content "$2") || fail "$1 and $2 differ after: $last_command"
}

# expect_same_parts A B: the same keys and tensors, each in any order.
expect_same_parts() {
  cmp -s <(list_content "$1" | sort) <(list_content "$2" | sort) || fail "$1 and $2 differ after: $last_command"
}

# A graft, with a record that holds, and what is said of it.
for dialect in fc-embd e-proj ik-mtp hf-mtp; do
  for type in BF16 Q8_0 Q4_K_M; do
    donor=$dialect-$type.gguf
    expect_exit 0 "$MTPGRAFT" graft -q --no-sync "$TARGET" "$donor" -o x.gguf
    expect_exit 0 "$MTPGRAFT" verify -q x.gguf
    expect_exit 0 "$MTPGRAFT" verify -q x.gguf --target "$TARGET" --donor "$donor"
    expect_exit 0 "$MTPGRAFT" strip -q --no-sync x.gguf -o back.gguf
    expect_same back.gguf "$TARGET"
    rm x.gguf back.gguf
    expect_exit 0 "$MTPGRAFT" graft -q --no-sync --no-record "$TARGET" "$donor" -o x.gguf
    expect_exit 0 "$MTPGRAFT" graft -q --no-sync --no-record "$TARGET" "standard/$donor" -o reference.gguf
    expect_same_content x.gguf reference.gguf
    rm x.gguf reference.gguf
  done
done
expect_exit 0 "$MTPGRAFT" graft -n "$TARGET" fc-embd-Q8_0.gguf -o x.gguf
expect_text "$STDOUT" '^donor: the head is in the names of the forks of drluoto and mihailescu2m: nextn\.fc_embd and '
expect_exit 0 "$MTPGRAFT" graft -n --json "$TARGET" ik-mtp-Q8_0.gguf -o x.gguf
[[ $(json '(len(x["result"]["donor_notes"]), x["result"]["warnings"])') == '(1, [])' ]] ||
  fail "other notes or warnings: $(cat "$STDOUT")"

# A head in another type, and one in several files.
expect_exit 0 "$MTPGRAFT" graft -q --no-sync --no-record --head-type q8_0 "$TARGET" fc-embd-BF16.gguf -o x.gguf
expect_exit 0 "$MTPGRAFT" graft -q --no-sync --no-record --head-type q8_0 "$TARGET" standard/fc-embd-BF16.gguf \
  -o reference.gguf
expect_same_content x.gguf reference.gguf
python3 - <<'END'
from pathlib import Path
from gguf_file import GgufFile
from make_fixtures import shards_of, write_shards
model = GgufFile.read("fc-embd-BF16.gguf")
# The parts of the joined tensor are in two files.
at = [tensor.name for tensor in model.tensors].index("blk.8.nextn.fc_hidden.weight")
write_shards(Path("."), "split", shards_of(model, [1, at - 1, len(model.tensors) - at]))
END
expect_exit 0 "$MTPGRAFT" graft -q -f --no-sync --no-record --head-type q8_0 "$TARGET" split-00001-of-00003.gguf \
  -o x.gguf
expect_same_content x.gguf reference.gguf
rm x.gguf reference.gguf split-*

# From a server: no more is asked for than the head, and it is the same graft.
if "$MTPGRAFT" --version | grep -q '^features.*, http '; then
  export XDG_CACHE_HOME=$SCRATCH/cache
  coproc python3 -B "$SOURCE_DIR/tests/support/bad_server.py" "$WORK" /dev/null
  read -r port _ <&"${COPROC[0]}"
  url=http://127.0.0.1:$port/good
  expect_exit 0 "$MTPGRAFT" graft -q --no-sync "$TARGET" "$url/fc-embd-Q8_0.gguf" -o x.gguf
  expect_exit 0 "$MTPGRAFT" graft -q --no-sync "$TARGET" fc-embd-Q8_0.gguf -o reference.gguf
  expect_same x.gguf reference.gguf
  rm x.gguf reference.gguf
  expect_exit 0 "$MTPGRAFT" inspect --json --tensors='*fc_embd*' "$url/fc-embd-Q8_0.gguf"
  [[ $(json '[(f["mtp"]["dialects"], [t["name"] for t in f["tensors"]]) for f in x["result"]["files"]]') == \
    "[(['fc-embd'], ['blk.8.nextn.fc_embd.weight'])]" ]] || fail "other names: $(cat "$STDOUT")"
  kill "$COPROC_PID"
fi

# It is an input, whatever is made of it.
cp fc-embd-Q8_0.gguf copy.gguf
expect_exit 5 "$MTPGRAFT" graft -f "$TARGET" copy.gguf -o copy.gguf
expect_same copy.gguf fc-embd-Q8_0.gguf
rm copy.gguf

# qwen4exp: heads of streams with a mixer; a sidecar of it in llama.cpp's names, for itself and for its trunk, and a
# graft, which only forks run.
expect_exit 0 "$MTPGRAFT" graft -q --no-sync --no-record qwen4exp.gguf standard/whole-qwen4exp.gguf -o reference.gguf
for donor in {qwen4exp-{fc-embd,e-proj,output-hc,ik-mtp,hf-mtp},whole-qwen4exp}.gguf; do
  if [[ $donor != whole-* ]]; then
    expect_exit 0 "$MTPGRAFT" extract -q --no-sync "$donor" -o x.gguf
    expect_same_content x.gguf "standard/$donor"
  fi
  expect_exit 0 "$MTPGRAFT" extract -q -f --no-sync "$donor" --for qwen4exp.gguf -o x.gguf
  expect_same_parts x.gguf standard/qwen4exp-ik-mtp.gguf
  expect_exit 0 "$MTPGRAFT" graft -q -f --no-sync --no-record qwen4exp.gguf "$donor" -o x.gguf
  expect_same_content x.gguf reference.gguf
  rm x.gguf
  expect_exit 3 "$MTPGRAFT" graft --strict qwen4exp.gguf "$donor" -o x.gguf
  expect_text "$STDERR" 'refuses qwen4exp models with a head; the forks '
done
expect_exit 0 "$MTPGRAFT" graft -n --json qwen4exp.gguf qwen4exp-ik-mtp.gguf -o x.gguf
[[ $(json '[w["id"] for w in x["result"]["warnings"]]') == "['forks-only']" ]] || fail "other warnings: $(cat "$STDOUT")"
rm reference.gguf

# inspect tells of the file as it is, and of the head as a graft reads it.
expect_exit 0 "$MTPGRAFT" inspect --json qwen4exp-*.gguf standard/qwen4exp-fc-embd.gguf borrowing.gguf trimmed.gguf
[[ $(json '[(f["mtp"].get("dialects"), f["mtp"]["state"], f["mtp"]["tensors"], f["mtp"].get("borrows"))
            for f in x["result"]["files"]]') == "[(['e-proj'], 'sidecar', 32, None), (['fc-embd'], 'sidecar', 32, None), \
(['hf-mtp'], 'sidecar', 32, None), (['ik-mtp'], 'sidecar', 32, None), (['output-hc'], 'sidecar', 32, None), \
(None, 'sidecar', 32, None), (None, 'sidecar', 32, True), (['trimmed-vocabulary'], 'sidecar', 15, None)]" ]] ||
  fail "other dialects: $(cat "$STDOUT")"
expect_exit 0 "$MTPGRAFT" inspect qwen4exp-ik-mtp.gguf --tensors='mtp.*'
expect_text "$STDOUT" '^    mtp\.fc_embd\.weight +F16 +\[64, 64\]'
expect_text "$STDOUT" '^ +in the names of ik_llama\.cpp before its #2369 was merged \(ik-mtp\): '
expect_text "$STDOUT" '^  llama\.cpp  loads no head as in ik_llama\.cpp'
expect_exit 0 "$MTPGRAFT" inspect qwen4exp-*.gguf {ik-mtp,fc-embd}-Q8_0.gguf
[[ $(grep -c '^  verdict    head without trunk, good as a donor only$' "$STDOUT") == 7 ]] || fail "other verdicts"
expect_exit 0 "$MTPGRAFT" inspect whole-qwen4exp.gguf
expect_text "$STDOUT" '^  verdict    has a head that llama\.cpp does not load'
expect_exit 0 "$MTPGRAFT" inspect trimmed.gguf
! grep -q "can be a graft's donor" "$STDOUT" || fail "a donor that is refused"
expect_exit 0 "$MTPGRAFT" inspect borrowing.gguf
expect_text "$STDOUT" '^  MTP        borrowing sidecar, a head without trunk: blk\.4: 32 tensors'
expect_text "$STDOUT" '^  llama\.cpp  does not load it: it borrows token_embd and output of its model'

# What is not translated is told with its tensors.
expect_exit 3 "$MTPGRAFT" graft "$TARGET" unlike.gguf -o x.gguf
expect_text "$STDERR" "'blk\.8\.nextn\.fc_embd\.weight' is Q8_0 .* and 'blk\.8\.nextn\.fc_hidden\.weight' is F32 .*joined"

# The block of a head with a trimmed vocabulary is whole: in the model it drafts over all tokens.
expect_exit 0 "$MTPGRAFT" graft -n --strict "$TARGET" trimmed.gguf -o x.gguf
expect_text "$STDOUT" "trimmed vocabulary \('(output\.weight', 'd2t|d2t', 'output\.weight)'\) stays behind"

# deepseek4: the sidecar's own mixer is lost in a graft, and kept in a sidecar.
expect_exit 0 "$MTPGRAFT" graft -n --json deepseek4.gguf mtp-deepseek4.gguf -o x.gguf
[[ $(json '[w["id"] for w in x["result"]["warnings"]]') == *"'head-mixer-lost'"* ]] || fail "no warning: $(cat "$STDOUT")"
expect_exit 3 "$MTPGRAFT" graft -n --strict deepseek4.gguf mtp-deepseek4.gguf -o x.gguf
expect_text "$STDERR" 'run the sidecar beside the model \(-md\) instead'
expect_exit 0 "$MTPGRAFT" extract -q --no-sync mtp-deepseek4.gguf --for deepseek4.gguf -o x.gguf
expect_same_parts x.gguf mtp-deepseek4.gguf
expect_exit 0 "$MTPGRAFT" graft -n --json deepseek4.gguf x.gguf -o y.gguf
[[ $(json '[w["id"] for w in x["result"]["warnings"]]') == *"'head-mixer-lost'"* ]] || fail "no warning: $(cat "$STDOUT")"
rm x.gguf
no_leftovers . "${inputs[@]}"
