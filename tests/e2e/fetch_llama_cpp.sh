#!/usr/bin/env bash
# Makes OUT_DIR/llama.cpp, a clone of llama.cpp v0.5.0 without files, and links to npm's libraries of it beside:
# `fetch_llama_cpp.sh OUT_DIR`.
# Needs git, and what package.json names installed. x86-64 only, as the libraries are.
set -euo pipefail
mkdir -p "${1:?the directory}"
out=$(realpath "$1")
cd "$(dirname "$0")"

# The source is in another package of the same release, which has llama.cpp's repository as a bundle. npm would
# install a hundred packages that it depends on, so it is fetched alone, and checked as by a lock file.
package=node-llama-cpp-3.22.1.tgz
sha512=6e5b488a9b9699cd76dc7eed30880318a4ac4ab866865418795502e3c5d38d55bb5c624988927209d95333343f2e25a83e4183a5c2f816f883a60c3ba9f4e20f
if [[ ! -d $out/llama.cpp ]]; then
  fetched=$(mktemp -d "$out/XXXXXX")
  trap 'rm -rf "$fetched"' EXIT
  (cd "$fetched" && npm pack --loglevel=error --ignore-scripts node-llama-cpp@3.22.1 >/dev/null)
  sha512sum --check --quiet <<<"$sha512  $fetched/$package"
  tar -xzf "$fetched/$package" -C "$fetched" package/llama/gitRelease.bundle
  git clone -q --no-checkout "$fetched/package/llama/gitRelease.bundle" "$fetched/llama.cpp"
  mv "$fetched/llama.cpp" "$out"
fi

# Libraries for each processor are looked for where the program is.
ln -sf "$PWD"/node_modules/@node-llama-cpp/linux-x64/bins/linux-x64/*.so "$out"
