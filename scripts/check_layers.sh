#!/usr/bin/env bash
# Who may include whom: each layer includes itself and the layers to its left. A public header belongs to the layer
# that implements it. The program (cli) is a client of the library: it includes public headers, util and report. Prints each offence and fails if there is one.
set -euo pipefail
cd "$(dirname "$0")/.."

layers=(util io cache net gguf model plan donor verify job release report cli)
declare -A rank
for i in "${!layers[@]}"; do rank[${layers[i]}]=$i; done
declare -A layer_of_header=(
  [result.h]=util [digest.h]=util [version.h]=util [file.h]=io [context.h]=io [cache.h]=cache [remote.h]=net
  [gguf.h]=gguf [split.h]=gguf [head.h]=model [summary.h]=model [projector.h]=model [plan.h]=plan [file_plan.h]=plan [key_edits.h]=plan [output_name.h]=plan
  [header_digest.h]=plan [strip.h]=plan [head_data.h]=donor [donor.h]=donor
  [convert.h]=donor [verify.h]=verify [execute.h]=job [job.h]=job [option_names.h]=job [release.h]=release)
# Headers of libraries and of the system that only these files may include.
declare -A owners=(
  ['xxhash\.h']='src/util/hash\.cc' ['CLI/']='src/cli/.*' ['spdlog/']='src/cli/output\.cc'
  ['nlohmann/']='src/(net/hub\.cc|donor/.*|release/.*|plan/(record\.cc|value_json\.h)|report/(json|json_parts|release_json)\.(h|cc))'
  ['dlfcn\.h']='src/util/dynamic_library_posix\.cc' ['sched\.h']='src/util/processors_linux\.cc' ['curl/']='src/net/curl_library\.h'
  ['openssl/']='src/util/sha256\.cc'
  ['(fcntl|unistd|linux/[a-z]+|sys/[a-z]+)\.h']='src/((io|cache)/.*|cli/progress\.cc)')

failures=0
fail() { echo "$1"; failures=$((failures + 1)); }

while IFS=: read -r file included; do
  case $file in
    include/*) own=${layer_of_header[${file##*/}]:-} ;;
    *) own=${file#src/} own=${own%%/*} ;;
  esac
  case $included in
    mtpgraft/*) other=${layer_of_header[${included#mtpgraft/}]:-} ;;
    *) other=${included%%/*} ;;
  esac
  [[ -n $own && -n ${rank[$own]:-} ]] || { fail "$file: belongs to no layer"; continue; }
  [[ -n $other && -n ${rank[$other]:-} ]] || { fail "$file: includes '$included', which belongs to no layer"; continue; }
  ((rank[$other] <= rank[$own])) || fail "$file: layer $own includes '$included' of layer $other"
  [[ $file != include/* || $included == mtpgraft/* ]] || fail "$file: a public header includes the private '$included'"
  [[ $own != cli || $included =~ ^(mtpgraft|util|report|cli)/ ]] || fail "$file: the program includes the private '$included'"
done < <(grep -rHoP '^#include "\K[^"]+' src include)

while IFS=: read -r file included; do
  for pattern in "${!owners[@]}"; do
    if [[ $included =~ ^$pattern && ! $file =~ ^${owners[$pattern]}$ ]]; then
      fail "$file: includes <$included>, which only ${owners[$pattern]} may"
    fi
  done
  [[ $file != include/* || ! $included =~ [./] ]] || fail "$file: a public header includes <$included>"
done < <(grep -rHoP '^#include <\K[^>]+' src include)

# The library has other users than those of the command line: what they are to do is a Remedy, report/ has the words.
# Options of other programs are told everywhere.
commands='graft|extract|strip|verify|inspect|checksum|recover|cache|release'
ours='"[^"]*((^|[^a-z-])--[a-z]| -o\b|mtpgraft ('$commands') )'
others='"[^"]*(\bcp|hf download|gguf_new_metadata\.py|llama-server) [^"]*--'
for layer in "${layers[@]}"; do
  [[ $layer != report ]] || break
  while IFS= read -r line; do
    fail "$line: a literal names an option or a command of the program"
  done < <(grep -rnE "$ours" "src/$layer" | grep -vE "$others")
done

((failures == 0)) && echo "layers: ok"
exit $((failures > 0))
