#!/usr/bin/env bash
# What inspect prints of each kind of file.
. "$(dirname "$0")/common.sh"
use "$TARGET" "$DONOR" head-only-base-8L-BF16.gguf target-placeholder.gguf target-broken-head.gguf \
  target-undeclared-head.gguf target-odd-keys.gguf moe-qwen35moe-donor.gguf malformed golden
"$MTPGRAFT" graft -q "$TARGET" "$DONOR"

# expect_answer ARGUMENT..., the whole answer on standard input.
expect_answer() {
  cat >"$SCRATCH/answer"
  expect_exit 0 "$MTPGRAFT" inspect "$@"
  expect_nothing_on stderr
  expect_stdout <"$SCRATCH/answer"
}

expect_answer "$TARGET" <<'END'
target-12L-Q4_K_M.gguf
  verdict    no head
  model      qwen35, "tiny-qwen35-target-12L"
  file       6.4 MiB (6720000 bytes), GGUF v3, 32 keys, alignment 32, data at 36416
  tensors    162, 10,792,200 parameters, 4.95 bits per weight
  types      Q4_K 4.7 MiB (82), Q6_K 1.6 MiB (13), F32 101.0 KiB (67)
  blocks     block_count 12, nextn_predict_layers absent: 12 trunk blocks, 9 recurrent, 3 attention (3 x RRRA)
  MTP        no head
  llama.cpp  cannot draft without a head; with one, it drafts with qwen35 models, from b10256 on
             mtpgraft graft target-12L-Q4_K_M.gguf DONOR puts a head in, taken from the base model's GGUF
END
expect_answer "$GRAFT" <<'END'
target-12L-MTP-Q4_K_M.gguf
  verdict    drafts
  model      qwen35, "tiny-qwen35-target-12L"
  file       7.4 MiB (7774208 bytes), GGUF v3, 34 keys, alignment 32, data at 40512
  tensors    177, 11,776,648 parameters, 5.25 bits per weight
  types      Q4_K 4.7 MiB (82), Q6_K 1.6 MiB (13), Q8_0 1020.0 KiB (8), F32 106.5 KiB (74)
  blocks     block_count 13, nextn_predict_layers 1: 12 trunk blocks, 9 recurrent, 3 attention (3 x RRRA)
  MTP        head at blk.12: 15 tensors, 1.0 MiB: Q8_0 1020.0 KiB (8), F32 5.5 KiB (7)
             grafted from "mtp-base-8L-Q8_0.gguf"
             its values were not looked at: verify, graft and extract do that
  llama.cpp  drafts with the MTP head of qwen35 models, from b10256 on
             llama-server -m target-12L-MTP-Q4_K_M.gguf --spec-type draft-mtp --spec-draft-n-max 2
END
expect_answer target-placeholder.gguf <<'END'
target-placeholder.gguf
  verdict    placeholder: a head is declared, and its tensors are missing
  model      qwen35, "tiny-qwen35-target-12L"
  file       6.4 MiB (6720064 bytes), GGUF v3, 33 keys, alignment 32, data at 36480
  tensors    162, 10,792,200 parameters, 4.95 bits per weight
  types      Q4_K 4.7 MiB (82), Q6_K 1.6 MiB (13), F32 101.0 KiB (67)
  blocks     block_count 13, nextn_predict_layers 1: 12 trunk blocks, 9 recurrent, 3 attention (3 x RRRA)
  MTP        placeholder: declares a head at blk.12, has none of its tensors
  llama.cpp  refuses it: the head's tensors are missing
             mtpgraft graft target-placeholder.gguf DONOR puts a head in, taken from the base model's GGUF; mtpgraft strip target-placeholder.gguf -o NEW.gguf makes one that loads without
END
expect_answer target-broken-head.gguf <<'END'
target-broken-head.gguf
  verdict    broken head
  model      qwen35, "tiny-qwen35-target-12L"
  file       7.3 MiB (7631744 bytes), GGUF v3, 33 keys, alignment 32, data at 37312
  tensors    176, 11,645,576 parameters, 5.22 bits per weight
  types      Q4_K 4.7 MiB (82), Q6_K 1.6 MiB (13), Q8_0 884.0 KiB (7), F32 106.5 KiB (74)
  blocks     block_count 13, nextn_predict_layers 1: 12 trunk blocks, 9 recurrent, 3 attention (3 x RRRA)
  MTP        broken
             the head lacks 'blk.12.nextn.eh_proj.weight'
             its values were not looked at: verify, graft and extract do that
  llama.cpp  refuses it, or never drafts
             mtpgraft graft --replace target-broken-head.gguf DONOR puts a sound head in its place
END
expect_answer target-undeclared-head.gguf <<'END'
target-undeclared-head.gguf
  verdict    broken head
  model      qwen35, "tiny-qwen35-target-12L"
  file       7.4 MiB (7771040 bytes), GGUF v3, 32 keys, alignment 32, data at 37344
  tensors    177, 11,776,648 parameters, 5.25 bits per weight
  types      Q4_K 4.7 MiB (82), Q6_K 1.6 MiB (13), Q8_0 1020.0 KiB (8), F32 106.5 KiB (74)
  blocks     block_count 13, nextn_predict_layers absent: 12 trunk blocks, 9 recurrent, 3 attention (3 x RRRA)
  MTP        broken
             it has a head at blk.12, but no key 'qwen35.nextn_predict_layers' that declares it
             its values were not looked at: verify, graft and extract do that
  llama.cpp  refuses it, or never drafts
             mtpgraft graft --replace target-undeclared-head.gguf DONOR puts a sound head in its place
END
expect_answer "$DONOR" <<'END'
mtp-base-8L-Q8_0.gguf
  verdict    sidecar, complete: drafts beside its model
  model      qwen35, "tiny-qwen35-base-8L"
  file       1.6 MiB (1636256 bytes), GGUF v3, 33 keys, alignment 32, data at 28064
  tensors    18, 1,508,992 parameters, 8.53 bits per weight
  types      Q8_0 1.5 MiB (10), F32 6.5 KiB (8)
  blocks     block_count 9, nextn_predict_layers 1: 8 trunk blocks
  MTP        sidecar, a head without trunk: blk.8: 15 tensors, 1.0 MiB: Q8_0 1020.0 KiB (8), F32 5.5 KiB (7)
             its values were not looked at: verify, graft and extract do that
  llama.cpp  drafts with it beside its model (-md), and crashes if it is run as a model
             llama-server -m MODEL -md mtp-base-8L-Q8_0.gguf --spec-type draft-mtp --spec-draft-n-max 2
END
expect_answer head-only-base-8L-BF16.gguf <<'END'
head-only-base-8L-BF16.gguf
  verdict    head tensors without a model's keys, good as a donor only
  model      qwen35
  file       1.9 MiB (1972704 bytes), GGUF v3, 1 key, alignment 32, data at 992
  tensors    15, 984,448 parameters, 16.02 bits per weight
  types      BF16 1.9 MiB (8), F32 5.5 KiB (7)
  MTP        head tensors only, no model keys: blk.8: 15 tensors, 1.9 MiB: BF16 1.9 MiB (8), F32 5.5 KiB (7)
             its values were not looked at: verify, graft and extract do that
  llama.cpp  does not load head tensors without the keys of a model
             it can be a graft's donor
END
expect_answer golden/no-tensors.gguf <<'END'
golden/no-tensors.gguf
  verdict    a GGUF with keys of test and no blocks
  model      test
  file       68 bytes (68 bytes), GGUF v3, 1 key, alignment 32, data at 68
  tensors    0, 0 parameters
  types
  MTP        no head
  llama.cpp  does not run it: it is no language model
END
expect_answer moe-qwen35moe-donor.gguf <<'END'
moe-qwen35moe-donor.gguf
  verdict    drafts
  model      qwen35moe, "tiny-qwen35moe-donor"
  file       676.8 KiB (692992 bytes), GGUF v3, 35 keys, alignment 32, data at 33152
  tensors    96, 431,288 parameters, 12.24 bits per weight
  types      F16 384.0 KiB (17), Q8_0 237.5 KiB (39), F32 22.7 KiB (40)
  blocks     block_count 5, nextn_predict_layers 1: 4 trunk blocks, 3 recurrent, 1 attention (RRRA)
  MTP        head at blk.4: 20 tensors, 90.1 KiB: F16 64.0 KiB (4), Q8_0 23.4 KiB (7), F32 2.8 KiB (9)
             its values were not looked at: verify, graft and extract do that
  llama.cpp  drafts with the MTP head of qwen35moe models, from b10256 on
             llama-server -m moe-qwen35moe-donor.gguf --spec-type draft-mtp --spec-draft-n-max 2
END

# --quiet drops no answer.
expect_exit 0 "$MTPGRAFT" inspect "$TARGET"
cp "$STDOUT" "$SCRATCH/plain"
expect_exit 0 "$MTPGRAFT" inspect -q "$TARGET"
expect_same "$STDOUT" "$SCRATCH/plain"

# Lists.
expect_answer --tensors='*.nextn.*' "$GRAFT" <<'END'
target-12L-MTP-Q4_K_M.gguf
  verdict    drafts
  model      qwen35, "tiny-qwen35-target-12L"
  file       7.4 MiB (7774208 bytes), GGUF v3, 34 keys, alignment 32, data at 40512
  tensors    177, 11,776,648 parameters, 5.25 bits per weight
  types      Q4_K 4.7 MiB (82), Q6_K 1.6 MiB (13), Q8_0 1020.0 KiB (8), F32 106.5 KiB (74)
  blocks     block_count 13, nextn_predict_layers 1: 12 trunk blocks, 9 recurrent, 3 attention (3 x RRRA)
  MTP        head at blk.12: 15 tensors, 1.0 MiB: Q8_0 1020.0 KiB (8), F32 5.5 KiB (7)
             grafted from "mtp-base-8L-Q8_0.gguf"
             its values were not looked at: verify, graft and extract do that
  llama.cpp  drafts with the MTP head of qwen35 models, from b10256 on
             llama-server -m target-12L-MTP-Q4_K_M.gguf --spec-type draft-mtp --spec-draft-n-max 2
  tensors
    blk.12.nextn.eh_proj.weight           Q8_0  [512, 256]  139264 bytes  at 7630848
    blk.12.nextn.enorm.weight             F32   [256]       1024 bytes    at 7770112
    blk.12.nextn.hnorm.weight             F32   [256]       1024 bytes    at 7771136
    blk.12.nextn.shared_head_norm.weight  F32   [256]       1024 bytes    at 7772160
END
expect_answer --kv='*block_count' --tensors=output_norm.weight "$TARGET" <<'END'
target-12L-Q4_K_M.gguf
  verdict    no head
  model      qwen35, "tiny-qwen35-target-12L"
  file       6.4 MiB (6720000 bytes), GGUF v3, 32 keys, alignment 32, data at 36416
  tensors    162, 10,792,200 parameters, 4.95 bits per weight
  types      Q4_K 4.7 MiB (82), Q6_K 1.6 MiB (13), F32 101.0 KiB (67)
  blocks     block_count 12, nextn_predict_layers absent: 12 trunk blocks, 9 recurrent, 3 attention (3 x RRRA)
  MTP        no head
  llama.cpp  cannot draft without a head; with one, it drafts with qwen35 models, from b10256 on
             mtpgraft graft target-12L-Q4_K_M.gguf DONOR puts a head in, taken from the base model's GGUF
  keys
    qwen35.block_count  u32  12
  tensors
    output_norm.weight  F32  [256]  1024 bytes  at 251456
END
expect_exit 0 "$MTPGRAFT" inspect --tensors=nothing.like.it "$GRAFT"
expect_stdout < <("$MTPGRAFT" inspect "$GRAFT")
expect_stderr <<'END'
mtpgraft: warning: target-12L-MTP-Q4_K_M.gguf: no tensor matches 'nothing.like.it'
END
expect_exit 0 "$MTPGRAFT" inspect --tensors "$TARGET"
[[ $(grep -c '^    [^ ]' "$STDOUT") == 162 ]] || fail "--tensors does not list 162 tensors"
expect_exit 0 "$MTPGRAFT" inspect --kv "$TARGET"
[[ $(grep -c '^    [^ ]' "$STDOUT") == 32 ]] || fail "--kv does not list 32 keys"
expect_exit 0 "$MTPGRAFT" inspect --tensors --kv "$DONOR"
[[ $(grep -c '^    [^ ]' "$STDOUT") == 51 ]] || fail "--tensors --kv does not list 18 tensors and 33 keys"

# A pattern that stands apart from its option is taken for a file; the message says how it is written.
expect_exit 4 "$MTPGRAFT" inspect --tensors 'blk.8.*' "$DONOR"
expect_stderr <<'END'
mtpgraft: blk.8.*: cannot open: No such file or directory
  hint: a pattern belongs to its option: --tensors='blk.8.*'
END

# Several files, then a table of them.
expect_answer "$TARGET" "$DONOR" "$GRAFT" < <(
  for file in "$TARGET" "$DONOR" "$GRAFT"; do
    "$MTPGRAFT" inspect "$file"
    echo
  done
  cat <<'END'
file                        model   size     tensors  trunk  MTP      head          drafts
target-12L-Q4_K_M.gguf      qwen35  6.4 MiB  162      12     none     -             no
mtp-base-8L-Q8_0.gguf       qwen35  1.6 MiB  18       8      sidecar  1.0 MiB Q8_0  with -md
target-12L-MTP-Q4_K_M.gguf  qwen35  7.4 MiB  177      12     present  1.0 MiB Q8_0  yes
END
)

# A bad one among good ones costs the exit code, not the answers.
expect_exit 3 "$MTPGRAFT" inspect "$TARGET" malformed/bad-magic.gguf "$DONOR"
expect_stdout < <(
  "$MTPGRAFT" inspect "$TARGET"
  echo
  "$MTPGRAFT" inspect "$DONOR"
  cat <<'END'

file                    model   size     tensors  trunk  MTP      head          drafts
target-12L-Q4_K_M.gguf  qwen35  6.4 MiB  162      12     none     -             no
mtp-base-8L-Q8_0.gguf   qwen35  1.6 MiB  18       8      sidecar  1.0 MiB Q8_0  with -md
END
)
expect_stderr <<'END'
mtpgraft: malformed/bad-magic.gguf: not a GGUF file: it begins with 'GGML' (at byte 0)
  hint: if it was downloaded, compare its size with that on the server's page
END
expect_exit 4 "$MTPGRAFT" inspect missing.gguf "$TARGET"
expect_stdout < <("$MTPGRAFT" inspect "$TARGET")
expect_stderr <<'END'
mtpgraft: missing.gguf: cannot open: No such file or directory
  hint: the current folder has 'head-only-base-8L-BF16.gguf', 'moe-qwen35moe-donor.gguf', 'mtp-base-8L-Q8_0.gguf', 'target-12L-MTP-Q4_K_M.gguf' and 5 more
END

# Names and values in a file are hostile text: nothing of them may steer a terminal.
expect_answer --kv='odd.*' target-odd-keys.gguf <<'END'
target-odd-keys.gguf
  verdict    no head
  model      qwen35, "tiny-qwen35-target-12L"
  file       6.4 MiB (6732512 bytes), GGUF v3, 82 keys, alignment 32, data at 48928
  tensors    162, 10,792,200 parameters, 4.95 bits per weight
  types      Q4_K 4.7 MiB (82), Q6_K 1.6 MiB (13), F32 101.0 KiB (67)
  blocks     block_count 12, nextn_predict_layers absent: 12 trunk blocks, 9 recurrent, 3 attention (3 x RRRA)
  MTP        no head
  llama.cpp  cannot draft without a head; with one, it drafts with qwen35 models, from b10256 on
             mtpgraft graft target-odd-keys.gguf DONOR puts a head in, taken from the base model's GGUF
  keys
    odd.u8                                               u8         255
    odd.i8                                               i8         -128
    odd.u16                                              u16        65535
    odd.i16                                              i16        -32768
    odd.u32                                              u32        4294967295
    odd.i32                                              i32        -2147483648
    odd.u64                                              u64        18446744073709551615
    odd.i64                                              i64        -9223372036854775808
    odd.f32                                              f32        -1.5
    odd.f64                                              f64        1e+300
    odd.true                                             bool       true
    odd.false                                            bool       false
    odd.f32.nan                                          f32        nan
    odd.f64.infinity                                     f64        -inf
    odd.empty.string                                     string     ""
    odd.empty.numbers                                    u32[0]     []
    odd.empty.strings                                    string[0]  []
    odd.invalid.utf8                                     string     "\xff\xfe bad \xc3 bytes"
    odd.control                                          string     "bell\x07 nul\x00 tab\t line\n \x1b[31mred\x1b[0m \x1b]0;title\x07\x1b[2J\x7f\xc2\x85"
    odd.long                                             string     "long long long long long long long long long long long long long long lo... (5000 bytes)"
    odd.u8.array                                         u8[300]    [0, 1, 2, 3, 4, 5, ...]
    odd.i64.array                                        i64[3]     [-1, 0, 9223372036854775807]
    odd.bool.array                                       bool[3]    [true, false, true]
    odd.string.array                                     string[4]  ["", "a", "\xff", "\x1b[0m"]
    odd.key with spaces, ünïcode and \x1b[1mescapes      string     "value"
    odd.end.u8                                           u8         255
    odd.end.i8                                           i8         -128
    odd.end.u16                                          u16        65535
    odd.end.i16                                          i16        -32768
    odd.end.u32                                          u32        4294967295
    odd.end.i32                                          i32        -2147483648
    odd.end.u64                                          u64        18446744073709551615
    odd.end.i64                                          i64        -9223372036854775808
    odd.end.f32                                          f32        -1.5
    odd.end.f64                                          f64        1e+300
    odd.end.true                                         bool       true
    odd.end.false                                        bool       false
    odd.end.f32.nan                                      f32        nan
    odd.end.f64.infinity                                 f64        -inf
    odd.end.empty.string                                 string     ""
    odd.end.empty.numbers                                u32[0]     []
    odd.end.empty.strings                                string[0]  []
    odd.end.invalid.utf8                                 string     "\xff\xfe bad \xc3 bytes"
    odd.end.control                                      string     "bell\x07 nul\x00 tab\t line\n \x1b[31mred\x1b[0m \x1b]0;title\x07\x1b[2J\x7f\xc2\x85"
    odd.end.long                                         string     "long long long long long long long long long long long long long long lo... (5000 bytes)"
    odd.end.u8.array                                     u8[300]    [0, 1, 2, 3, 4, 5, ...]
    odd.end.i64.array                                    i64[3]     [-1, 0, 9223372036854775807]
    odd.end.bool.array                                   bool[3]    [true, false, true]
    odd.end.string.array                                 string[4]  ["", "a", "\xff", "\x1b[0m"]
    odd.end.key with spaces, ünïcode and \x1b[1mescapes  string     "value"
END
expect_no_control_characters "$STDOUT"
expect_exit 0 "$MTPGRAFT" inspect --kv --tensors target-odd-keys.gguf
expect_no_control_characters "$STDOUT"

# The same for names that stand in errors, and for paths.
python3 - "$SOURCE_DIR/tests/support" <<'END'
import sys
sys.path.insert(0, sys.argv[1])
import gguf_file as g
model = g.encode_header(3, 1, 1) + g.encode_key("general.architecture", g.STRING, "qwen35")
evil = "a\x1b[2J\x07\x00\r\nb\x7f\u009b"
open("evil-tensor.gguf", "wb").write(model + g.encode_info(evil, (8, 0), g.F32, 0) + b"\0" * 64)
open("evil-key.gguf", "wb").write(
    g.encode_header(3, 1, 1) + g.encode_raw_key(evil, 99, b"\0" * 8) + g.encode_info("a", (8,), g.F32, 0) + b"\0" * 64)
END
printf 'x' >$'evil\e[2J\x07\npath.gguf'
for path in evil-tensor.gguf evil-key.gguf $'evil\e[2J\x07\npath.gguf' $'missing\e[2J.gguf'; do
  for command in inspect verify checksum; do
    run "$MTPGRAFT" $command "$path"
    [[ $code == 3 || $code == 4 ]] || fail "exit code $code: $last_command"
    expect_nothing_on stdout
    expect_no_control_characters "$STDERR"
  done
done
expect_exit 2 "$MTPGRAFT" inspect $'--evil\e[2J' "$TARGET"
expect_no_control_characters "$STDERR"
