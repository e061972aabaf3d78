#!/usr/bin/env bash
# Makes a release of the bundled models with Snakemake, which is killed in the middle and started again, and compares it with
# that of `mtpgraft release` alone: `scripts/snakemake/test.sh [PATH-OF-MTPGRAFT]`. docs/releases.md shows a run.
set -euo pipefail
cd "$(dirname "$0")/../.."
scripts/install_dependencies.sh snakemake
mtpgraft=${1:-build/release/mtpgraft}
[[ -x $mtpgraft || -n ${1:-} ]] || scripts/build.sh release -DBUILD_TESTING=OFF
mtpgraft=$(realpath "$mtpgraft")
root=$PWD
work=$(mktemp -d)
running=
clean_up() {
  [[ -z $running ]] || kill -KILL -- "-$running" 2>/dev/null || true
  rm -rf "$work"
}
trap clean_up EXIT
fail() {
  echo "FAILED: $*" >&2
  exit 1
}

# Two models in two quantisations; those in Q6_K have a further tensor of 300 MB, so that a graft takes a moment.
mkdir -p "$work/flow/heads"
cd "$work/flow"
cp "$root"/tests/models/mtp-base-8L-{Q4_K_M,BF16}.gguf heads
python3 - "$root" <<'END'
import sys
sys.path.insert(0, sys.argv[1] + "/tests/support")
import gguf_file
for name in ("One", "Two"):
    model = gguf_file.GgufFile.read(sys.argv[1] + "/tests/models/target-12L-Q4_K_M.gguf")
    model.write(name + "-Q4_K_M.gguf")
    model.tensors.append(gguf_file.Tensor("bulk.weight", (300_000_000,), 24, b"\x55" * 300_000_000))
    model.write(name + "-Q6_K.gguf")
END
cat >PLAN.json <<'END'
{
  "schema_version": 1,
  "output_directory": "out",
  "grafts": [
    {"target": "*-Q4_K_M.gguf", "donor": "heads/mtp-*-Q4_K_M.gguf"},
    {"target": "*-Q6_K.gguf", "donor": "heads/mtp-*-BF16.gguf"}
  ]
}
END
cp -r --reflink=auto . "$work/alone"
echo "== mtpgraft release"
(cd "$work/alone" && "$mtpgraft" release PLAN.json --quiet && ls out)

# What stands in for mtpgraft at first: stops a long graft while it writes, once another one is done.
cat >"$work/stopping" <<END
#!/usr/bin/env bash
if [[ \$1 == graft && \$2 == *-Q6_K.gguf && -n \$(compgen -G 'out/*.gguf') ]]; then
  "$mtpgraft" "\$@" &
  until [[ -n \$(find "/proc/\$!/fd" -lname "$work/flow/out/*" -perm -200) ]]; do :; done
  kill -STOP "\$!"
  touch "$work/stopped"
  wait
fi
exec "$mtpgraft" "\$@"
END
chmod +x "$work/stopping"

run=(snakemake -s "$root/scripts/snakemake/Snakefile" --cores 2 --config)
echo "== snakemake, killed while it writes, with at least one graft done"
setsid "${run[@]}" mtpgraft="$work/stopping" >"$work/log" 2>&1 &
running=$!
until [[ -e $work/stopped ]]; do
  kill -0 "$running" 2>/dev/null || { cat "$work/log" >&2; fail "it was over before it could be killed"; }
  sleep 0.1
done
kill -KILL -- "-$running"
wait "$running" 2>/dev/null || true
running=
ls -A out
for file in out/*.gguf; do
  cmp "$file" "$work/alone/$file" || fail "$file is not whole"
done

echo "== snakemake again"
run+=(mtpgraft="$mtpgraft")
"${run[@]}" --unlock 2>/dev/null
"${run[@]}" --rerun-incomplete >"$work/log" 2>&1 || { cat "$work/log" >&2; fail "the second run"; }
sed -n '/^job /,/^total /p' "$work/log"
echo "== snakemake a third time"
"${run[@]}" >"$work/log" 2>&1
grep 'Nothing to be done' "$work/log" || fail "the third run did something"
diff -r out "$work/alone/out"
echo "all $(find out -type f | wc -l) files are those of mtpgraft release"
