#!/usr/bin/env bash
# Lists of checksums of other algorithms and in other forms: what they are, and a command that checks the file.
. "$(dirname "$0")/common.sh"
cp -L "$MODELS_DIR/$TARGET" T.gguf
chmod u+w T.gguf
sha256=$(sha256sum <T.gguf | cut -d' ' -f1)
md5=$(md5sum <T.gguf | cut -d' ' -f1)

# refused LIST CODE MESSAGE HINT: and never is a list made of the very file that is to be checked.
refused() {
  expect_exit "$2" "$MTPGRAFT" verify T.gguf -c "$1"
  expect_nothing_on stdout
  grep -Fq -e ": $3" "$STDERR" || fail "no message '$3': $last_command: $(cat "$STDERR")"
  grep '^  hint: ' "$STDERR" | grep -Fq -e "$4" || fail "no hint '$4': $last_command: $(cat "$STDERR")"
  ! grep -q 'mtpgraft checksum T.gguf' "$STDERR" || fail "a list of the file in doubt is proposed: $last_command"
}
# works COMMAND: as it was printed.
works() {
  PATH=$(dirname "$MTPGRAFT"):$PATH bash -c "$1" >"$STDOUT" 2>&1 || fail "the hint does not work: $1: $(cat "$STDOUT")"
  grep -q 'T.gguf: OK' "$STDOUT" || fail "the hint does not check the file: $1: $(cat "$STDOUT")"
}
hint() { sed -n 's/^  hint: //p' "$STDERR"; }

# Other algorithms, by what the list is called, its tags, or its digits.
mkdir lists
for list in MD5SUMS T.gguf.md5 lists/T.md5; do
  md5sum T.gguf >"$list"
  [[ $list != lists/* ]] || continue
  refused "$list" 3 'its checksums are MD5, which mtpgraft does not compute' "md5sum -c $list checks it"
  works "md5sum -c $list"
done
refused lists/T.md5 3 'its checksums are MD5' 'cd lists && md5sum -c T.md5'
md5sum --tag T.gguf >tagged
refused tagged 3 'its checksums are MD5' 'md5sum -c tagged'
for program in sha224sum sha384sum sha512sum; do
  $program T.gguf >list
  refused list 3 'its checksums are SHA-' "$program -c list"
  $program --tag T.gguf >list
  refused list 3 'its checksums are SHA-' "$program -c list checks it"
done
sha512sum T.gguf >list
refused list 3 'its checksums are SHA-512 or BLAKE2b' 'if it is of BLAKE2b, b2sum -c list does'
b2sum T.gguf >list.b2
refused list.b2 3 'its checksums are BLAKE2b' 'b2sum -c list.b2 checks it'
b2sum --tag T.gguf >list
refused list 3 'its checksums are BLAKE2b' 'b2sum -c list checks it'
cksum T.gguf >list
refused list 3 'its numbers are those of cksum or sum' 'cksum T.gguf'
sha512sum T.gguf >list
expect_exit 3 "$MTPGRAFT" verify T.gguf -c - <list
grep -q 'sha512sum -c checks it' "$STDERR" || fail "another hint of a list on standard input: $(cat "$STDERR")"

# 32 digits can be both, and a comparison that fails does not tell.
md5sum T.gguf >list
expect_exit 1 "$MTPGRAFT" verify T.gguf -c list
expect_stderr <<<"mtpgraft: T.gguf: its XXH128 is not that of the list; but if the 32 digits there are MD5, only 'md5sum -c' tells"

# Marks of Windows.
{ printf '\xef\xbb\xbf' && sha256sum T.gguf; } >list
expect_exit 0 "$MTPGRAFT" verify T.gguf --strict -c list
expect_stdout <<<'T.gguf: OK'
{ printf '\xff\xfe' && sha256sum T.gguf | iconv -t UTF-16LE; } >list
refused list 3 'it is UTF-16' 'save it as UTF-8'

# A digest in any other form.
while IFS= read -r text; do
  printf '%b' "$text" >list
  refused list 3 'line ' "echo '$sha256  T.gguf' > NEW.sums makes a list of it"
  works "echo '$sha256  T.gguf' > NEW.sums && mtpgraft verify T.gguf -c NEW.sums"
done <<END
$sha256\n
T.gguf: $sha256
$sha256\tT.gguf
SHA256 hash of T.gguf:\n$sha256\nCertUtil: -hashfile command completed successfully.\n
Algorithm       Hash       Path\n---------       ----       ----\nSHA256          $sha256       C:\\\\T.gguf\n
name,sha256\nT.gguf,$sha256\n
{"name": "T.gguf", "sha256": "$sha256"}
| T.gguf | \`$sha256\` |
T.gguf,$sha256\nother.gguf,${sha256//0/1}\n
END
echo "$sha256" >list
refused list 3 'line 1 has a digest and no name of a file' 'if it is that of'
sed 's/../& /g' list >spaced
refused spaced 3 'line 1 has a digest and no name of a file' "echo '$sha256  T.gguf'"
sha512sum T.gguf | cut -d' ' -f1 >list
refused list 3 'line 1 has a digest' '| sha512sum -c'
works "$(hint | sed 's/^[^:]*: //')"
echo "$md5" >list
refused list 3 'line 1 has a digest' "echo '$md5  T.gguf' | md5sum -c; if it is an XXH128"
printf '{"a": "%s",\n"b": "%s"}' "$sha256" "${sha256//1/2}" >list
refused list 3 'line 1 has a digest' "write each line as 'DIGEST  NAME'"
echo 404: Not Found >list
refused list 3 'not a list of checksums: what a server answered' 'look at the link'
echo "404${sha256:3}" >list
refused list 3 'line 1 has a digest' '> NEW.sums makes a list of it'

expect_exit 2 "$MTPGRAFT" verify T.gguf -c T.gguf
grep -q 'name a list that comes from elsewhere' "$STDERR" || fail "another hint: $(cat "$STDERR")"

# The file was renamed.
sha256sum T.gguf | sed 's/T.gguf/Old.gguf/' >list
expect_exit 1 "$MTPGRAFT" verify T.gguf -c list
expect_stderr <<<"mtpgraft: list: names 'Old.gguf', and not 'T.gguf'"
