#!/usr/bin/env bash
# Makes build/packages/mtpgraft-VERSION-linux-ARCHITECTURE.tar.gz: a program that needs nothing but a C library, with what
# `cmake --install` puts beside it. Fails if it needs more, and tells the oldest glibc that it runs with.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/install_dependencies.sh build
scripts/build.sh static "$@"

version=$(sed -n 's/^CMAKE_PROJECT_VERSION:[A-Z]*=//p' build/static/CMakeCache.txt)
name=mtpgraft-$version-linux-$(uname -m)
stage=build/static/stage
rm -rf "$stage"
cmake --install build/static --component program --strip --prefix "$stage/$name" >/dev/null
cp LICENSE README.md "$stage/$name"
# Of what is linked in.
mkdir "$stage/$name/licenses"
for package in libcli11-dev libfmt-dev libspdlog-dev libssl-dev libstdc++6 libxxhash-dev nlohmann-json3-dev; do
  cp "/usr/share/doc/$package/copyright" "$stage/$name/licenses/$package"
done
program=$stage/$name/bin/mtpgraft

echo "needs:"
objdump -p "$program" | sed -n 's/^ *NEEDED */  /p'
if objdump -p "$program" | grep NEEDED | grep -vE ' (libc|libm|ld-linux[-a-z0-9_]*)\.so\.[0-9]+$'; then
  echo "which is more than the C library" >&2
  exit 1
fi
oldest=$(objdump -T "$program" | grep -o 'GLIBC_[0-9.]*' | sort -uV | tail -n 1)
echo "oldest C library: $oldest, for:"
objdump -T "$program" | sed -n "s/.*($oldest) */  /p"

mkdir -p build/packages
tar --directory "$stage" --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$(git log -1 --format=%ct)" \
  -cf - "$name" | gzip -9n >"build/packages/$name.tar.gz"
(cd build/packages && sha256sum -- "$name.tar.gz")
