#!/usr/bin/env bash
# Measures build/release/mtpgraft against cp, cmp, dd and xxhsum on a synthetic model, and prints a Markdown table:
#   bench.sh [--dir DIR] [--body-mb 3000] [--head-mb 100] [--runs 7] [--filesystems "here xfs btrfs ext4"]
# "here" is the file system of DIR (default: the temporary directory), the others are images that are made in DIR and
# mounted, which needs root. DIR needs room for five bodies and 1 GB. Nothing is left behind there.
# Exit code 1: something could not be run. A goal that is missed is no failure.
set -euo pipefail

dir=${TMPDIR:-/tmp} body_mb=3000 head_mb=100 runs=7 filesystems="here xfs btrfs ext4"
usage() {
  sed -n '3s/^# */usage: /p' "$0" >&2
  exit 2
}
while (($# > 0)); do
  (($# >= 2)) || usage
  case $1 in
    --dir) dir=$2 ;;
    --body-mb) body_mb=$2 ;;
    --head-mb) head_mb=$2 ;;
    --runs) runs=$2 ;;
    --filesystems) filesystems=$2 ;;
    *) usage ;;
  esac
  shift 2
done
for number in "$body_mb" "$head_mb" "$runs"; do
  [[ $number =~ ^[1-9][0-9]*$ ]] || usage
done
for filesystem in $filesystems; do
  [[ $filesystem =~ ^(here|xfs|btrfs|ext4)$ ]] || usage
done
dir=$(realpath "$dir")
cd "$(dirname "$0")/.."
scripts/install_dependencies.sh bench >&2
[[ -x build/release/mtpgraft ]] || scripts/build.sh release -DBUILD_TESTING=OFF >&2

work=$(mktemp -d "$dir/mtpgraft-bench.XXXXXX")
measuring=
clean_up() {
  # The whole process group, or a program that it runs would keep the mounted image busy.
  [[ -z $measuring ]] || kill -KILL -- "-$measuring" 2>/dev/null || true
  if mountpoint -q "$work/mount"; then
    umount "$work/mount" 2>/dev/null || umount --lazy "$work/mount"
  fi
  rm -rf --one-file-system "$work"
}
trap clean_up EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

failed=0
# In the background and waited for, since the shell runs no trap before a program in the foreground is over.
bench() {
  setsid python3 scripts/bench.py --runs "$runs" "$@" &
  measuring=$!
  wait "$measuring" || failed=1
  measuring=
}
is_cloning() {
  : >"$1/empty" && cp --reflink=always "$1/empty" "$1/clone" 2>/dev/null
}
not_measured() {
  for what in "${@:2}"; do
    echo "| $what on $filesystem | not measured ($1) | | | | | | | |"
  done
}

# measure_writing DIR NAME: what depends on the file system, DIR holds the models.
measure_writing() {
  if is_cloning "$1"; then
    bench cloning "$1" "$2"
  fi
  bench in-place "$1" "$2"
}

echo "making models of $body_mb MB and $head_mb MB" >&2
bench models "$work" "$body_mb" "$head_mb"
((failed == 0)) || exit 1
bench facts "$work" "$body_mb" "$head_mb"
if [[ " $filesystems " == *" here "* ]]; then
  name="here ($(findmnt -n -o FSTYPE -T "$work"))"
  copying="cp"
  if is_cloning "$work"; then copying="cp --reflink=never"; fi
  bench copying "$work" "$name" --cp "$copying"
  measure_writing "$work" "$name"
fi
bench reading "$work"

for filesystem in $filesystems; do
  [[ $filesystem != here ]] || continue
  rows=("graft --in-place")
  [[ $filesystem == ext4 ]] || rows=("graft --copy=clone" "${rows[@]}")
  if ((EUID != 0)); then
    not_measured "needs root for loop mounts" "${rows[@]}"
    continue
  fi
  if ! type -P "mkfs.$filesystem" >/dev/null; then
    not_measured "no mkfs.$filesystem" "${rows[@]}"
    continue
  fi
  mkdir -p "$work/mount"
  # The smallest XFS has 300 MB.
  truncate -s "$((3 * (body_mb + head_mb) + 600))M" "$work/image"
  if ! "mkfs.$filesystem" -q "$work/image" >/dev/null 2>&1 || ! mount -o loop "$work/image" "$work/mount"; then
    not_measured "cannot be made or mounted" "${rows[@]}"
    rm "$work/image"
    continue
  fi
  cp "$work/target.gguf" "$work/donor.gguf" "$work/mount"
  measure_writing "$work/mount" "$filesystem"
  umount "$work/mount"
  rm "$work/image"
done

cat <<'END_OF_TEXT'

A program and what it is compared with ran in turns, and once before the runs that count. The ratio is that of the
medians; for a bandwidth, higher is better. Everything that is read was in the page cache. An output was removed, and
everything synced, before the clock of the next run started. Every time of a writer includes its fsync. Goals are for a
body of 3 GB and a head of 100 MB; "met" also needs a peak memory of at most 48 MiB. "Written" is what the process gave
to the file system, from /proc/self/io.
END_OF_TEXT
exit "$failed"
