#!/usr/bin/env bash
# Makes the .deb in build/packages, has lintian and hardening-check judge it, and tries it in a clean Debian 12: apt installs
# it, it grafts and verifies the bundled model, apt removes it, and no file may be left. docs/packaging.md shows a run.
# The clean Debian comes from debootstrap, with the mirror that this machine uses, and is kept in build/ for the next run.
set -euo pipefail
cd "$(dirname "$0")/.."
as_root=()
((EUID == 0)) || as_root=(sudo)
step() { echo "== $*"; }

scripts/install_dependencies.sh package
step build
scripts/build.sh release -DBUILD_TESTING=OFF "$@"
rm -rf build/packages
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH
(cd build/release && cpack -B "$OLDPWD/build/packages" >/dev/null)
rm -r build/packages/_CPack_Packages
deb=$(echo build/packages/mtpgraft_*.deb)
(cd build/packages && sha256sum -- *.deb)
dpkg-deb --field "$deb"

step lintian
lintian --allow-root --fail-on error,warning "$deb"
step hardening-check
tree=$(mktemp -d)
trap '"${as_root[@]}" rm -rf --one-file-system "$tree"' EXIT
dpkg-deb --fsys-tarfile "$deb" | tar -xO ./usr/bin/mtpgraft >"$tree/mtpgraft"
hardening-check --nocfprotection "$tree/mtpgraft" | sed "s#$tree/##"

step "clean Debian 12"
suite=bookworm
base=build/debian-12.tar
if [[ ! -e $base ]]; then
  mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Label: Debian' "Codename: $suite" | head -n 1)
  : "${mirror:?no Debian $suite among the sources of apt}"
  "${as_root[@]}" debootstrap --variant=minbase "$suite" "$tree/debian" "$mirror" >"$tree/debootstrap.log" ||
    { tail "$tree/debootstrap.log" >&2; exit 1; }
  "${as_root[@]}" tar -C "$tree/debian" -cf "$base.part" .
  mv "$base.part" "$base"
else
  "${as_root[@]}" mkdir "$tree/debian"
  "${as_root[@]}" tar -C "$tree/debian" -xf "$base"
fi
"${as_root[@]}" cp /etc/resolv.conf "$tree/debian/etc/resolv.conf"
"${as_root[@]}" mkdir "$tree/debian/try"
"${as_root[@]}" cp "$deb" tests/models/target-12L-Q4_K_M.gguf tests/models/mtp-base-8L-Q8_0.gguf "$tree/debian/try"

# The mount of /proc goes with the namespace, however this ends.
"${as_root[@]}" unshare --mount --pid --fork --kill-child --mount-proc --root="$tree/debian" --wd=/try \
  env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 bash -euo pipefail <<'END'
run() {
  echo "\$ $*"
  "$@"
}
apt() {
  echo "\$ apt-get $*"
  apt-get -qq -y --no-install-recommends -o Dpkg::Use-Pty=0 "$@" >/dev/null
}
# What apt and dpkg keep for themselves is no part of a package.
files() { find / -xdev \( -path /try -o -path /var/cache -o -path /var/lib -o -path /var/log \) -prune -o -print | sort; }

apt update
files >/try/before
apt install ./mtpgraft_*.deb
run mtpgraft --version
run mtpgraft graft target-12L-Q4_K_M.gguf mtp-base-8L-Q8_0.gguf
run mtpgraft verify target-12L-MTP-Q4_K_M.gguf --target target-12L-Q4_K_M.gguf --donor mtp-base-8L-Q8_0.gguf
apt purge --autoremove mtpgraft
files | diff /try/before -
echo "nothing is left"
END
