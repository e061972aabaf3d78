#!/usr/bin/env bash
# checksum --algorithm sha256, and verify -c with manifests as llama-gguf-hash writes them. Digests are made by hashlib and
# xxhsum of the tensors' bytes, found by another reader.
. "$(dirname "$0")/common.sh"
use "$TARGET" "$DONOR"
"$MTPGRAFT" graft -q --no-sync "$TARGET" "$DONOR"
command -v xxhsum >/dev/null || skip_all "no xxhsum to compare with (Debian package xxhash)"

# write_manifest MODEL PATH ALGORITHM...: with PATH as the model's name.
cat >manifest.py <<'END'
import hashlib, subprocess, sys
sys.path.insert(0, sys.argv[1])
import gguf_file as g

model, path, algorithms = sys.argv[2], sys.argv[3], sys.argv[4:]
data = [(f"{path}:{t.name}", t.read()) for t in g.GgufFile.read(model).tensors]
data.append((path, b"".join(bytes for _, bytes in data)))
names = []
for i, (_, content) in enumerate(data):
    with open(f"pieces/{i:04}", "wb") as file:
        file.write(content)
    names.append(f"pieces/{i:04}")

def digests(algorithm):
    if algorithm in ("sha1", "sha256"):
        return [hashlib.new(algorithm, content).hexdigest() for _, content in data]
    option = {"xxh64": "-H1", "xxh3": "-H3"}[algorithm]
    lines = subprocess.run(["xxhsum", "--tag", option, *names], capture_output=True, text=True, check=True).stdout
    return [line.rsplit(" ", 1)[1] for line in lines.splitlines()]

columns = {algorithm: digests(algorithm) for algorithm in algorithms}
for i, (name, _) in enumerate(data):
    for algorithm in algorithms:
        print(f"{algorithm:8}  {columns[algorithm][i]}  {name}")
END
write_manifest() {
  rm -rf pieces
  mkdir pieces
  python3 -B manifest.py "$SOURCE_DIR/tests/support" "$@"
}
write_manifest "$TARGET" "$TARGET" xxh64 xxh3 sha1 sha256 >all.manifest
[[ $(wc -l <all.manifest) == $((163 * 4)) ]] || fail "not 4 lines for each tensor and the file"

# checksum writes SHA-256 as sha256sum --tag does, of what hashlib hashes.
expect_exit 0 "$MTPGRAFT" checksum --algorithm sha256 "$TARGET"
expect_text "$STDOUT" '^SHA256 \(metadata: .*\) = [0-9a-f]{64}$'
tail -n +2 "$STDOUT" | sort >computed
sed -nE "s/^sha256    ([0-9a-f]{64})  $TARGET:(.*)/SHA256 (\2) = \1/p" all.manifest | sort >expected
expect_same computed expected
"$MTPGRAFT" checksum --algorithm sha256 "$TARGET" >target.sha256
expect_exit 0 "$MTPGRAFT" verify -q --exact --strict -c target.sha256 "$TARGET"
expect_exit 0 "$MTPGRAFT" verify -q --strict -c target.sha256 "$GRAFT"
sed -E 's/^SHA256 \((.*)\) = (.*)/\2  \1/' target.sha256 >plain.sha256
expect_exit 0 "$MTPGRAFT" verify -q --exact --strict -c plain.sha256 "$TARGET"
expect_nothing_on stdout stderr
expect_exit 0 "$MTPGRAFT" checksum --json --algorithm sha256 "$TARGET"
expect_text "$STDOUT" '"algorithm": *"SHA256"'
"$MTPGRAFT" checksum --algorithm xxh128 "$TARGET" >named
"$MTPGRAFT" checksum "$TARGET" | cmp - named || fail "xxh128 is not the default"
expect_exit 2 "$MTPGRAFT" checksum --algorithm md5 "$TARGET"

# One algorithm or all: the target is what its manifest says, and the graft has its tensors.
for algorithm in xxh64 xxh3 sha1 sha256 '[xs]'; do
  grep "^$algorithm" all.manifest >some.manifest
  expect_exit 0 "$MTPGRAFT" verify --strict -c some.manifest "$TARGET"
  expect_nothing_on stderr
  [[ $(grep -c ': OK$' "$STDOUT") == 163 ]] || fail "not 163 lines"
  expect_text "$STDOUT" '^all tensor data: OK$'
  expect_exit 0 "$MTPGRAFT" verify --strict -c some.manifest "$GRAFT"
  expect_nothing_on stderr
  [[ $(grep -c ': OK$' "$STDOUT") == 162 ]] || fail "not 162 lines"
  expect_text "$STDOUT" '^all tensor data: not checked, '
  expect_exit 0 "$MTPGRAFT" verify -q --strict -c some.manifest "$GRAFT"
  expect_nothing_on stdout stderr
done

# Of keys a manifest says nothing, and --exact says that; other tensors it minds.
expect_exit 0 "$MTPGRAFT" verify --exact -q -c all.manifest "$TARGET"
expect_stderr <<'END'
mtpgraft: all.manifest: says nothing of the keys; not checked
END
expect_exit 1 "$MTPGRAFT" verify --exact -q -c all.manifest "$GRAFT"
[[ $(grep -c 'NOT LISTED$' "$STDOUT") == 15 ]] || fail "not 15 tensors of the head"

# Damage shows in the tensor and in the whole, and in each algorithm; also a list that is wrong in one of them.
python3 - "$TARGET" damaged.gguf <<'END'
import sys
data = bytearray(open(sys.argv[1], "rb").read())
data[-1] ^= 1
open(sys.argv[2], "wb").write(data)
END
last=$(tail -n 5 all.manifest | sed -n 1p | cut -d: -f2)
for algorithm in xxh64 xxh3 sha1 sha256 '[xs]'; do
  grep "^$algorithm" all.manifest >some.manifest
  expect_exit 1 "$MTPGRAFT" verify -q -c some.manifest damaged.gguf
  expect_stdout <<END
$last: FAILED
all tensor data: FAILED
END
done
sed -E '/^sha1 .*:output_norm/s/  [0-9a-f]{8}/  00000000/' all.manifest >wrong.manifest
expect_exit 1 "$MTPGRAFT" verify -q -c wrong.manifest "$TARGET"
expect_stdout <<'END'
output_norm.weight: FAILED
END

# --no-layer: nothing but the file's line, which a graft cannot fulfil; so says the message.
grep -v ":" all.manifest >whole.manifest
expect_exit 0 "$MTPGRAFT" verify --strict --exact -q -c whole.manifest "$TARGET"
expect_exit 0 "$MTPGRAFT" verify -c whole.manifest "$TARGET"
expect_nothing_on stderr
expect_stdout <<'END'
all tensor data: OK
END
expect_exit 1 "$MTPGRAFT" verify -c whole.manifest "$GRAFT"
expect_text "$STDERR" 'other data, or other tensors, than those of the list'

# The path may be anything; a UUID is no digest; a tensor may be missing, a list cut, or one of several files.
for path in 'a: b/x y.gguf' 'C:\models\m.gguf' 'm:latest' 'sha1  x'; do
  write_manifest "$TARGET" "$path" xxh64 >odd.manifest
  echo "uuid      6f5902ac-2373-5bd3-9d7a-3f5cb6a4b7ab  $path" >>odd.manifest
  expect_exit 0 "$MTPGRAFT" verify -q --strict -c odd.manifest "$TARGET"
  expect_nothing_on stdout stderr
done
grep ':output' all.manifest >some.manifest
expect_exit 0 "$MTPGRAFT" verify --strict -c some.manifest "$GRAFT"
expect_stdout <<'END'
output.weight: OK
output_norm.weight: OK
END
sed 's/:output_norm/:missing_norm/' all.manifest >missing.manifest
expect_exit 1 "$MTPGRAFT" verify -q -c missing.manifest "$TARGET"
expect_stdout <<'END'
missing_norm.weight: MISSING
END
expect_exit 0 "$MTPGRAFT" verify -q --ignore-missing -c missing.manifest "$TARGET"
sed -n "1,8{s/$TARGET/one.gguf/;p}" all.manifest >two.manifest
echo "sha256    $(printf %064d 0)  one.gguf" >>two.manifest
cat all.manifest >>two.manifest
expect_exit 0 "$MTPGRAFT" verify -q --strict -c two.manifest "$TARGET"
expect_nothing_on stdout stderr

# Lines of almost that form.
head -n 1 all.manifest >bad.manifest
for line in "sha256    $(printf %063d 0)  x:output.weight" "xxh64 $(printf %016d 0)  x:output.weight" \
  "xxh64     $(printf %016d 0)" "xxh64     000000000000000g  x:output.weight" "xxh32     00000000  x:output.weight"; do
  printf '%s\n' "$line" >>bad.manifest
done
expect_exit 1 "$MTPGRAFT" verify -q --strict -c bad.manifest "$TARGET"
expect_text "$STDERR" '^mtpgraft: bad.manifest: 5 of its lines cannot be read, the first is line 2$'
