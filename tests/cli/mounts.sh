# shellcheck shell=bash
# Sourced after common.sh by the tests that need other file systems than the one they run on: fresh ones in sparse
# images. Where the machine does not allow that the part is skipped, aloud. Under CI=true it is a failure: a CI that
# tests no cloning should not look as if it did.

lack() {
  if [[ ${CI:-} == true ]]; then
    fail "$* (CI=true)"
  else
    skip_part "$*"
  fi
}

# add_mount DIR WHAT MOUNT_ARGUMENT...: mounts until the end of the test.
add_mount() {
  local directory=$1 what=$2
  shift 2
  mkdir -p "$directory"
  if ! mount "$@" "$directory" 2>"$SCRATCH/mount_error"; then
    lack "cannot mount $what: $(head -n 1 "$SCRATCH/mount_error")"
    return 1
  fi
  cleanups+=("umount '$WORK/$directory' || umount -l '$WORK/$directory'")
}

# as_root DIR: whether this is the user who can mount it.
as_root() {
  if [[ $(id -u) != 0 ]]; then
    lack "$1: only root can mount a file system"
    return 1
  fi
}

# mount_image DIR SIZE MKFS [OPTION]...: a new file system on ./DIR. Returns 1 if that is impossible here.
mount_image() {
  local directory=$1 size=$2 image=$SCRATCH/$1.img
  shift 2
  as_root "$directory" || return 1
  if ! command -v "$1" >/dev/null; then
    lack "$directory: there is no $1"
    return 1
  fi
  truncate -s "$size" "$image"
  if ! "$@" "$image" >/dev/null 2>"$SCRATCH/mount_error"; then
    lack "$directory: $* failed: $(head -n 1 "$SCRATCH/mount_error")"
    return 1
  fi
  add_mount "$directory" "the image made by '$*'" -t "${mount_type:-auto}" -o loop "$image"
}

# mount_fuse TYPE SIZE MKFS [OPTION]...: the same where a program is the file system. Containers often have no FUSE.
mount_fuse() {
  if [[ ! -c /dev/fuse ]]; then
    skip_part "$1: there is no /dev/fuse"
    return 1
  fi
  mount_type=$1 mount_image "$@"
}

# The file systems of these tests, each on a directory of its name. XFS makes none below 300 MB, and blocks that are
# larger than a page of memory are for Linux 6.12 and later.
mount_fs() {
  case $1 in
    xfs) mount_image xfs 300M mkfs.xfs -q ;;
    xfs-noreflink) mount_image xfs-noreflink 300M mkfs.xfs -q -m reflink=0 ;;
    btrfs) mount_image btrfs 192M mkfs.btrfs -q ;;
    xfs-16k) CI= mount_image xfs-16k 300M mkfs.xfs -q -b size=16k ;;
    exfat-fuse) mount_fuse exfat-fuse 64M mkfs.exfat ;;
    ntfs-3g) mount_fuse ntfs-3g 64M mkfs.ntfs -q -F ;;
    ext4) mount_image ext4 64M mkfs.ext4 -q -F -m 0 ;;
    tmpfs) as_root tmpfs && add_mount tmpfs "a tmpfs" -t tmpfs -o size=64m tmpfs ;;
    ramfs) as_root ramfs && add_mount ramfs "a ramfs" -t ramfs ramfs ;;
    overlay)
      as_root overlay && add_mount layers "a tmpfs" -t tmpfs tmpfs || return 1
      mkdir layers/{lower,upper,work}
      add_mount overlay "an overlay" -t overlay -o lowerdir=layers/lower,upperdir=layers/upper,workdir=layers/work overlay
      ;;
  esac
}

# leave_room DIR KIB: fills the file system but for about this much.
leave_room() {
  local directory=$1 kib=$2 size i=0
  fallocate -l "${kib}K" "$directory/room"
  for size in 64M 16M 4M 1M 256K 64K 16K; do
    while fallocate -l "$size" "$directory/filler$i" 2>/dev/null; do
      i=$((i + 1))
    done
  done
  rm "$directory/room"
  sync -f "$directory"
}

# flip_byte FILE OFFSET: changes one byte, and no other block on disk.
flip_byte() {
  local byte
  byte=$(od -An -tu1 -j "$2" -N 1 "$1")
  # shellcheck disable=SC2059  # the format is the byte
  printf "\\x$(printf %02x $((byte ^ 0x20)))" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}
