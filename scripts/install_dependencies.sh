#!/usr/bin/env bash
# Installs what is missing of the Debian packages that a task needs:
# `install_dependencies.sh build|test|asan|tidy|bench|package|snakemake`.
set -euo pipefail

build=(g++ cmake ninja-build libcli11-dev libspdlog-dev libfmt-dev nlohmann-json3-dev libssl-dev libxxhash-dev
  libcurl4-openssl-dev)
declare -A packages=(
  [build]="${build[*]}"
  [test]="${build[*]} git libgtest-dev pkgconf python3 python3-numpy python3-jsonschema python3-torch python3-yaml xxhash nodejs npm libgomp1 e2fsprogs xfsprogs btrfs-progs exfat-fuse exfatprogs ntfs-3g mount util-linux nginx openssl"
  [bench]="${build[*]} python3 time xxhash e2fsprogs xfsprogs btrfs-progs mount util-linux"
  [asan]="${build[*]} libgtest-dev python3 python3-numpy e2fsprogs mount util-linux clang libclang-rt-14-dev"
  [tidy]="${build[*]} libgtest-dev python3 clang clang-tidy clang-format"
  [package]="${build[*]} git dpkg-dev lintian devscripts debootstrap util-linux"
  [snakemake]="${build[*]} python3 snakemake util-linux"
)

missing=()
for package in ${packages[${1:?task}]}; do
  # A program that was installed by other means does as well as its package; not so words of the shell, as `time`.
  type -P "$package" >/dev/null && continue
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
done
((${#missing[@]} == 0)) && exit 0

as_root=()
((EUID == 0)) || as_root=(sudo)
echo "installing: ${missing[*]}"
"${as_root[@]}" apt-get update -qq
DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
