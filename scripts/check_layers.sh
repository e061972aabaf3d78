#!/usr/bin/env bash
# Who may include whom: each layer includes itself and the layers to its left. A public header belongs to the layer
# that implements it. The program (cli) is a client of the library: it includes public headers, util and report. Also who
# may include which header of a library or system. Prints each offence and fails if there is one.
set -euo pipefail
cd "$(dirname "$0")/.."

layers=(util io cache net gguf model plan donor verify bench job release report cli)
declare -A rank
for i in "${!layers[@]}"; do rank[${layers[i]}]=$i; done
declare -A layer_of_header=(
  [file_kind.h]=util
  [result.h]=util [digest.h]=util [version.h]=util [file.h]=io [text_file.h]=io [context.h]=io [cache.h]=cache [remote.h]=net
  [gguf.h]=gguf [split.h]=gguf [base_models.h]=model [head.h]=model [summary.h]=model [projector.h]=model [unfinished.h]=model [plan.h]=plan [file_plan.h]=plan [key_edits.h]=plan [output_name.h]=plan
  [header_digest.h]=plan [strip.h]=plan [head_data.h]=donor [donor.h]=donor
  [convert.h]=donor [verify.h]=verify [bench.h]=bench [execute.h]=job [job.h]=job [option_names.h]=job [release.h]=release)
# Who may include a header of a library or of a system: the files that match the pattern. One that is in no row is for
# nobody. Files with the name of a system are chosen by CMake; the others are compiled everywhere.
posix='src/(io|cli|util)/[a-z_]+_(posix|linux)\.(h|cc)'
declare -A owners=(
  ['fmt/.*']='src/.*' ['CLI/.*']='src/cli/.*' ['spdlog/.*']='src/cli/output\.cc'
  ['nlohmann/.*']='src/(util/json\.h|net/hub\.cc|donor/.*|release/.*|plan/(record\.cc|value_json\.h)|report/(json|json_parts|release_json)\.(h|cc))'
  ['xxhash\.h|xxh_x86dispatch\.h']='src/util/hash\.cc' ['openssl/.*']='src/util/sha256\.cc'
  ['curl/.*']='src/net/curl_library\.h'
  ['dlfcn\.h']='src/util/dynamic_library_posix\.cc'
  ['sched\.h']='src/util/processors_linux\.cc'
  ['(dirent|fcntl|unistd|sys/(file|stat|statvfs|types))\.h']="$posix|src/io/(file_descriptor|system)\\.h"
  ['(linux/[a-z]+|sys/(ioctl|prctl|vfs|xattr))\.h']='src/io/[a-z_]+_linux\.cc'
  ['(netinet/in|sys/(socket|wait))\.h']='src/io/child_process_posix\.cc'
  ['csignal']='src/cli/terminal_posix\.cc|src/io/([a-z_]+_linux|child_process_posix)\.cc'
  ['thread']='src/util/(threads\.h|processors_other\.cc)|src/io/directory_posix\.cc')

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
  [[ ! $included =~ _(posix|linux)\.h$ || $file =~ ^($posix|src/io/in_place\.h)$ ]] ||
    fail "$file: includes '$included', which is of some systems only"
  [[ $own != cli || $included =~ ^(mtpgraft|util|report|cli)/ ]] || fail "$file: the program includes the private '$included'"
done < <(grep -rHoP '^#include "\K[^"]+' src include)

while IFS=: read -r file included; do
  may=
  for pattern in "${!owners[@]}"; do
    [[ $included =~ ^($pattern)$ ]] && may=${owners[$pattern]}
  done
  # What has neither point nor slash is a header of C++.
  [[ -n $may || $included =~ [./] ]] || continue
  [[ $file =~ ^(${may:-nobody})$ ]] || fail "$file: includes <$included>, which ${may:-no file} may"
  [[ $file != include/* || ! $included =~ [./] ]] || fail "$file: a public header includes <$included>"
done < <(grep -rHoP '^#include <\K[^>]+' src include)

# What some systems lack, and what means another file there: text becomes a path by as_path() of util/path.h.
while IFS= read -r line; do
  fail "$line: use util/threads.h, util/glob.h and as_path()"
done < <(grep -rnP 'jthread|\bfnmatch\(|(filesystem::[a-z_]+|fstream)( \w+)?( = |[({])(?!as_path\(|parent\(|std::filesystem::|[)}])' \
  src include | grep -vP '^src/util/path\.|//.*(jthread|fnmatch)')

# Text becomes JSON by parse_json(), which measures it first. The safetensors header has a parser of its own.
while IFS= read -r line; do
  fail "$line: use util/json.h"
done < <(grep -rnE '(Json|json)::(parse|accept|sax_parse)\(' src | grep -vE '^src/(util/json\.h|donor/safetensors\.cc):')

# The library has other users than those of the command line: what they are to do is a Remedy, report/ has the words.
# Options of other programs are told everywhere; those of a llama-server that is started are in one file.
commands='graft|extract|strip|verify|bench|inspect|checksum|recover|cache|release'
ours='"[^"]*((^|[^a-z-])--[a-z]| -o\b|mtpgraft ('$commands') )'
others='"[^"]*(\bcp|hf download|gguf_new_metadata\.py|llama-server|llama-quantize|llama-gguf-split|ollama show|git lfs) [^"]*--'
for layer in "${layers[@]}"; do
  [[ $layer != report ]] || break
  while IFS= read -r line; do
    fail "$line: a literal names an option or a command of the program"
  done < <(grep -rnE "$ours" "src/$layer" | grep -vE "$others|^src/bench/command\.cc:")
done

# What is longer has two subjects.
while read -r lines file; do
  ((lines <= 400)) || fail "$file: $lines lines, more than 400"
done < <(find src include -name '*.cc' -o -name '*.h' | xargs wc -l | grep -v ' total$')

((failures == 0)) && echo "layers: ok"
exit $((failures > 0))
