#!/usr/bin/env bash
# What bench starts, asks and prints, with a server of known figures: of each draft the first token is accepted.
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/bench.sh"
use "$TARGET" "$DONOR"
"$MTPGRAFT" graft -q --no-sync "$TARGET" "$DONOR"

# The table; the command line at its end runs the best depth.
expect_exit 0 "$MTPGRAFT" bench "$GRAFT" --predict 64 -- -ngl 99 -c 8192
expect_nothing_on stderr
expect_stdout <<END
$GRAFT
llama-server b1-fake, on Fake GPU 3000; greedy, up to 64 tokens for each of 9 prompts
   depth  acceptance  by position        tokens/step  tokens/s  speed-up
   none   -           -                  1.00         44.0      1
   1      1.000       1.000              2.00         57.2      1.30 (1.30 to 1.30)
   2      0.500       1.000 0.000        2.00         70.4      1.60 (1.60 to 1.60)
*  3      0.333       1.000 0.000 0.000  2.00         83.6      1.90 (1.90 to 1.90)
text: the same as without drafting, in all 27 answers
* the fastest; to run it:
  llama-server -m $GRAFT -ngl 99 -c 8192 --spec-type draft-mtp --spec-draft-n-max 3
END

# Without drafting first and last, so that drift shows.
if ! diff - <(sed -E 's/--port [0-9]+ --api-key [0-9a-f]{32}/--port N --api-key K/' "$FAKE_LOG") >&2 <<END; then
-m $GRAFT --host 127.0.0.1 --port N --api-key K -np 1 --metrics -ngl 99 -c 8192
-m $GRAFT --host 127.0.0.1 --port N --api-key K -np 1 --metrics -ngl 99 -c 8192 --spec-type draft-mtp --spec-draft-n-max 1
-m $GRAFT --host 127.0.0.1 --port N --api-key K -np 1 --metrics -ngl 99 -c 8192 --spec-type draft-mtp --spec-draft-n-max 2
-m $GRAFT --host 127.0.0.1 --port N --api-key K -np 1 --metrics -ngl 99 -c 8192 --spec-type draft-mtp --spec-draft-n-max 3
-m $GRAFT --host 127.0.0.1 --port N --api-key K -np 1 --metrics -ngl 99 -c 8192
END
  fail "the server was started otherwise"
fi

# Variables that would change what is compared are taken away, others stay; a sidecar, another baseline, a fork's
# options. A server without a folder is looked for on PATH.
rm "$FAKE_LOG"
mkdir bin
ln -s "$MTPGRAFT_LLAMA_SERVER" bin/my-server
"$MTPGRAFT" extract -q --no-sync --for "$TARGET" "$DONOR" -o sidecar.gguf
LLAMA_ARG_SPEC_TYPE=draft-mtp LLAMA_ARG_PORT=1 LLAMA_ARG_N_GPU_LAYERS=9 PATH=$PWD/bin:$PATH \
  expect_exit 0 "$MTPGRAFT" bench -q "$TARGET" --server my-server --model-draft sidecar.gguf --depths 2 --predict 8 \
  --draft-args '--spec-type  mtp --draft-max {n}' --baseline "$GRAFT"
if ! diff - <(sed -E 's/--port [0-9]+ --api-key [0-9a-f]{32}/--port N --api-key K/' "$FAKE_LOG") >&2 <<END; then
LLAMA_ARG_N_GPU_LAYERS=9 -m $GRAFT --host 127.0.0.1 --port N --api-key K -np 1 --metrics
LLAMA_ARG_N_GPU_LAYERS=9 -m $TARGET --host 127.0.0.1 --port N --api-key K -np 1 --metrics -md sidecar.gguf --spec-type mtp --draft-max 2
LLAMA_ARG_N_GPU_LAYERS=9 -m $GRAFT --host 127.0.0.1 --port N --api-key K -np 1 --metrics
END
  fail "the server was started otherwise"
fi

# JSON, a card, a chart; with prompts of one's own, as chat. The card is in the JSON, too.
echo '["one prompt", "and another, longer one"]' >prompts.json
expect_exit 0 "$MTPGRAFT" bench "$GRAFT" --json --chat --temp 0.6 --top-k 20 --seed 7 --depths 1 --prompts prompts.json \
  --predict 32 --card card.md --chart chart.svg -- -fa on
[[ $(json '[x["ok"], x["result"]["models"][0]["depths"][0]["drafted"], x["result"]["models"][0]["depths"][0]["accepted"]]') == '[True, 32, 32]' ]] ||
  fail "other counts: $(cat "$STDOUT")"
[[ $(json 'x["result"]["models"][0]["best_depth"], x["result"]["devices"], x["result"]["settings"]["seed"]') == "(1, ['Fake GPU 3000'], 7)" ]] ||
  fail "other facts: $(cat "$STDOUT")"
diff - card.md >&2 <<END || fail "another card"
## Speculative decoding with the MTP head

\`$GRAFT\`

| tokens drafted | acceptance | by position | tokens per step | tokens/s | speed-up |
|---|---|---|---|---|---|
| none | - | - | 1.00 | 42.5 | 1 |
| **1** | 1.000 | 1.000 | 2.00 | 55.2 | 1.30 (1.30 to 1.30) |

    llama-server -m $GRAFT -fa on --spec-type draft-mtp --spec-draft-n-max 1

Measured with llama-server b1-fake, on Fake GPU 3000: temperature 0.6, top-k 20, up to 32 tokens for each of 2 prompts as a chat message, \`-fa on\`. Speed-up is the median over the prompts, with quartiles, against the same file without drafting; two such runs differ by at most 0.0 % on three of four prompts.
END
[[ $(tail -n +2 card.md) == "$(json 'x["result"]["models"][0]["card"]' | sed '1i\\')" ]] || fail "the card in the JSON is another one"
python3 -c 'import xml.dom.minidom as m; m.parse("chart.svg")' || fail "the chart is no XML"

# Progress for programs.
expect_exit 0 "$MTPGRAFT" bench -q "$GRAFT" --progress=json --depths 1 --predict 8 --prompts prompts.json
expect_text "$STDERR" '"event":"bench","command":"bench","state":"starting","model":"'$GRAFT'","depth":0,"prompts_done":0,"prompts_total":6'
expect_text "$STDERR" '"state":"answering","model":"'$GRAFT'","depth":1,"prompts_done":3,"prompts_total":6'

# A server that runs: no comparison.
"$MTPGRAFT_LLAMA_SERVER" --port 0 --spec-draft-n-max 2 >port &
cleanups+=("kill $!")
until [[ -s port ]]; do sleep 0.1; done
expect_exit 0 "$MTPGRAFT" bench --url "http://127.0.0.1:$(cat port)/" --predict 64
expect_stdout <<END
http://127.0.0.1:$(cat port)
llama-server b1-fake; greedy, up to 64 tokens for each of 9 prompts
  depth       acceptance  by position  tokens/step  tokens/s  speed-up
  as it runs  0.500       1.000 0.000  2.00         70.4      -
END
expect_exit 0 "$MTPGRAFT" bench --url "http://127.0.0.1:$(cat port)" --predict 64 --json
[[ $(json '(lambda m: [m["baseline_tokens_per_second"], m["best_depth"], m["text_differences"], m["depths"][0]["depth"], m["depths"][0]["speedup"]])(x["result"]["models"][0])') == '[None, None, None, None, None]' ]] ||
  fail "something is compared"

no_leftovers . "$TARGET" "$DONOR" "$GRAFT" bin sidecar.gguf prompts.json card.md chart.svg port
expect_no_server fake_llama_server.py.*"$GRAFT"
