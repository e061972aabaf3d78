# Completion of mtpgraft for bash.

_mtpgraft() {
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
  # bash takes --copy=clone for three words.
  if [[ $current == = ]]; then
    current=
  elif [[ $previous == = ]]; then
    previous=${COMP_WORDS[COMP_CWORD - 2]}
  fi

  local options="-h --help" words="" files=""
  if ((COMP_CWORD == 1)); then
    words="inspect graft extract strip verify checksum release cache recover"
    options+=" --version"
  else
    options+=" --json -q --quiet"
    local writing="-o --output -n --dry-run -f --force --checksums --copy --no-sync -v --verbose"
    local remote="--no-cache --allow-http"
    local reading="--head-type --ggml --norm-offset $remote"
    files=gguf
    case ${COMP_WORDS[1]} in
      inspect)
        options+=" --tensors --kv --mmproj $remote"
        files=donor
        ;;
      graft)
        options+=" $writing $reading --in-place --replace --strict --no-record --set --unset --yarn --merge"
        options+=" --split-head --link"
        files=donor
        ;;
      extract)
        options+=" $writing $reading --for --tensors-only"
        files=donor
        ;;
      strip) options+=" $writing --in-place" ;;
      verify)
        options+=" $reading --target --donor --trust-shared-extents -c --check --exact --status --strict"
        options+=" --ignore-missing"
        ;;
      checksum) options+=" --algorithm" ;;
      release)
        options+=" -n --dry-run -j --jobs -f --force --no-sync"
        files=plan
        ;;
      cache)
        options+=" --list --clear"
        files=
        ;;
      recover) ;;
      *) files= ;;
    esac
    case $previous in
      --copy) words="auto clone kernel buffered" files="" ;;
      --algorithm) words="xxh128 sha256" files="" ;;
      --link) words="auto hard clone sym copy" files="" ;;
      --head-type) words="f32 f16 bf16 q8_0 q6_k q5_k q4_k" files="" ;;
      --norm-offset) words="0 1" files="" ;;
      --set | --unset | --yarn) return ;;
      --mmproj | --for | --target | -o | --output) files=gguf ;;
      --donor) files=donor ;;
      -c | --check | --checksums | --ggml) files=any ;;
    esac
  fi

  if [[ $current == -* ]]; then
    words=$options files=
  fi
  local patterns=([0]='')
  case $files in
    gguf) patterns=('!*.gguf') ;;
    plan) patterns=('!*.json') ;;
    donor) patterns=('!*.gguf' '!*.safetensors') ;;
  esac
  mapfile -t COMPREPLY < <(
    compgen -W "$words" -- "$current"
    if [[ -n $files ]]; then
      for pattern in "${patterns[@]}"; do
        compgen -f -X "$pattern" -- "$current"
      done
      [[ $files == any ]] || compgen -d -- "$current"
    fi
  )
  [[ -z $files ]] || compopt -o filenames 2>/dev/null
}

complete -F _mtpgraft mtpgraft
