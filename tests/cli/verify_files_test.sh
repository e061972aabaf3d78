#!/usr/bin/env bash
# verify -c with lists of whole files, as sha256sum, xxhsum and publishers write them.
. "$(dirname "$0")/common.sh"
. "$TEST_DIR/mounts.sh"
mkdir dir
cp -L "$MODELS_DIR/$TARGET" Model.gguf
cp -L "$MODELS_DIR/$TARGET" dir/Model.gguf
cp -L "$MODELS_DIR/$DONOR" Other.gguf
sum=$(sha256sum <Model.gguf)
sum=${sum%% *}
wrong=${sum/[0-4]/9}
other=$(sha256sum Other.gguf)

# Every form, with the right and the wrong digest.
sha1=$(sha1sum <Model.gguf)
xxh128=$(command -v xxhsum >/dev/null && xxhsum -H128 <Model.gguf)
for name in Model.gguf ./Model.gguf dir/Model.gguf /srv/models/Model.gguf 'with space/Model.gguf'; do
  for form in '%s  %s\n' '%s *%s\n' '%s  %s\r\n' '%s  %s' 'SHA256 (%s) = %s\n'; do
    for digest in "$sum" "${sum^^}" "$wrong"; do
      # shellcheck disable=SC2059  # the formats are above
      if [[ $form == SHA256* ]]; then printf "$form" "$name" "$digest"; else printf "$form" "$digest" "$name"; fi >list
      if [[ $digest == "$wrong" ]]; then
        expect_exit 1 "$MTPGRAFT" verify Model.gguf -c list
        expect_stdout <<<"$name: FAILED"
        expect_stderr <<<"mtpgraft: $name: is not the file of the list: its digest is another one"
        expect_exit 1 "$MTPGRAFT" verify -q Model.gguf -c list
        expect_stdout <<<"$name: FAILED"
      else
        expect_exit 0 "$MTPGRAFT" verify Model.gguf -c list
        expect_stdout <<<"$name: OK"
        expect_nothing_on stderr
        for option in -q --status '--exact -q' '--strict -q' '--ignore-missing -q'; do
          # shellcheck disable=SC2086
          expect_exit 0 "$MTPGRAFT" verify Model.gguf $option -c list
          expect_nothing_on stdout stderr
        done
      fi
    done
  done
done
echo "${sha1%% *}  Model.gguf" >list
expect_exit 0 "$MTPGRAFT" verify Model.gguf -c list
if [[ -n $xxh128 ]]; then
  echo "${xxh128%% *}  Model.gguf" >list
  expect_exit 0 "$MTPGRAFT" verify Model.gguf -c list
fi
# A name that sha256sum escapes.
cp Model.gguf 'back\slash.gguf'
sha256sum 'back\slash.gguf' >list
expect_exit 0 "$MTPGRAFT" verify 'back\slash.gguf' -c list

# Lines of other files are skipped, whatever they are; the file's own counts.
{
  echo "# a publisher's list"
  printf '%s\n' "$other"
  echo "$wrong  LICENSE"
  echo "$sum  Model.gguf"
  echo "$wrong  README.md"
} >SHA256SUMS
expect_exit 0 "$MTPGRAFT" verify Model.gguf -c SHA256SUMS
expect_stdout <<<'Model.gguf: OK'
expect_nothing_on stderr
expect_exit 0 "$MTPGRAFT" verify --json Model.gguf -c SHA256SUMS
[[ $(json 'x["ok"], x["result"]["files"], x["result"]["other_files"], x["result"]["tensors"], x["result"]["unlisted_trunk_tensors"]') == \
  "(True, [{'name': 'Model.gguf', 'result': 'ok'}], 3, [], 0)" ]] || fail "other JSON: $(cat "$STDOUT")"
sed "s/$sum/$wrong/" SHA256SUMS >wrong
expect_exit 1 "$MTPGRAFT" verify --json Model.gguf -c wrong
[[ $(json 'x["ok"], x["result"]["files"]') == "(False, [{'name': 'Model.gguf', 'result': 'differs'}])" ]] ||
  fail "other JSON: $(cat "$STDOUT")"
expect_exit 1 "$MTPGRAFT" verify Model.gguf --status -c wrong
expect_nothing_on stdout stderr

# A list that names only other files is no proof, and is not about missing tensors.
grep -v Model SHA256SUMS >others
for option in '' --ignore-missing; do
  # shellcheck disable=SC2086
  expect_exit 1 "$MTPGRAFT" verify Model.gguf $option -c others
  expect_nothing_on stdout
  expect_stderr <<<"mtpgraft: others: names 'Other.gguf' and 2 more, and not 'Model.gguf'"
done

# The same name in several directories: the line that has most of the path counts.
printf '%s  a/Model.gguf\n%s  dir/Model.gguf\n' "$wrong" "$sum" >list
expect_exit 0 "$MTPGRAFT" verify dir/Model.gguf -c list
expect_stdout <<<'dir/Model.gguf: OK'
# Where it cannot be told which is meant, both have to be right.
expect_exit 1 "$MTPGRAFT" verify Model.gguf -c list

# Lines of tensors and of files in one list. What looks like no file is then a tensor.
"$MTPGRAFT" checksum Model.gguf >tensors
sed -i /LICENSE/d SHA256SUMS wrong
cat tensors SHA256SUMS >list
expect_exit 0 "$MTPGRAFT" verify -q Model.gguf -c list
expect_nothing_on stdout stderr
cat tensors wrong >list
expect_exit 1 "$MTPGRAFT" verify -q Model.gguf -c list
expect_stdout <<<'Model.gguf: FAILED'
{
  cat tensors SHA256SUMS
  sed -n 's/(output_norm/(missing_norm/p' tensors
} >list
expect_exit 1 "$MTPGRAFT" verify -q Model.gguf -c list
expect_stdout <<<'missing_norm.weight: MISSING'

# A file that has the published one as a tensor of the same name is not the published one.
python3 - "$SOURCE_DIR/tests/support" <<'END'
import os, sys
sys.path.insert(0, sys.argv[1])
import gguf_file as g
data = open("Model.gguf", "rb").read()
model = g.GgufFile.read("Model.gguf")
model.tensors.append(g.Tensor("Model.gguf", (len(data),), 24, data))  # I8
os.mkdir("evil")
model.write("evil/Model.gguf")
END
expect_exit 1 "$MTPGRAFT" verify evil/Model.gguf -c SHA256SUMS
expect_stdout <<<'Model.gguf: FAILED'

# What release writes, and a split model of which each file has its line.
"$MTPGRAFT" graft -q --no-sync --split-head Model.gguf Other.gguf -o Split.gguf
sha256sum Split-*.gguf >list
first=$(echo Split-00001-of-*.gguf)
expect_exit 0 "$MTPGRAFT" verify "$first" --strict -c list
[[ $(grep -c ': OK$' "$STDOUT") == 2 ]] || fail "not both files: $(cat "$STDOUT")"
head -n 1 list >one
expect_exit 1 "$MTPGRAFT" verify "$first" -c one
expect_stdout <<END
$first: OK
${first/00001-of/00002-of}: NOT LISTED
END
expect_stderr <<<"mtpgraft: $first: 1 of its files not listed"
flip_byte "${first/00001-of/00002-of}" 500000
expect_exit 1 "$MTPGRAFT" verify "$first" -c list
expect_text "$STDOUT" "^${first/00001-of/00002-of}: FAILED$"
expect_text "$STDOUT" "^$first: OK$"

# After strip, the original's list tells what the header cannot: whether the body is still the original's.
"$MTPGRAFT" graft -q --no-sync Model.gguf Other.gguf -o graft.gguf
mkdir back
expect_exit 0 "$MTPGRAFT" strip --no-sync graft.gguf -o back/Model.gguf
expect_text "$STDOUT" '^header and size are those of "Model.gguf" again; the tensor data are those of graft.gguf, and were not checked$'
expect_text "$STDOUT" '^  mtpgraft verify back/Model.gguf -c LIST$'
expect_exit 0 "$MTPGRAFT" verify back/Model.gguf -c SHA256SUMS
rm back/Model.gguf
flip_byte graft.gguf 3000000
expect_exit 0 "$MTPGRAFT" strip -q --no-sync graft.gguf -o back/Model.gguf
expect_exit 1 "$MTPGRAFT" verify back/Model.gguf -c SHA256SUMS
