# Completion of mtpgraft for bash, as `mtpgraft completion bash` prints it.

_mtpgraft() {
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
  # bash takes --copy=clone for three words.
  if [[ $current == = ]]; then
    current=
  elif [[ $previous == = ]]; then
    previous=${COMP_WORDS[COMP_CWORD - 2]}
  fi

  local options="" words="" files=() pattern
  if ((COMP_CWORD == 1)); then
    options="-h --help --version"
    words="inspect graft extract strip verify bench checksum release cache recover completion"
  else
    case ${COMP_WORDS[1]} in
      inspect)
        options="-h --help --tensors --kv --mmproj --no-cache --allow-http --json -q --quiet --progress"
        words="" files=('*.gguf' '*.safetensors')
        case $previous in
          --mmproj) words="" files=('*.gguf') ;;
          --progress) words="auto json none" files=() ;;
        esac
        ;;
      graft)
        options="-h --help --from-base -o --output --in-place -n --dry-run -f --force --checksums --copy --no-sync
          --replace --strict --no-record --source-digests --head-type --ggml --norm-offset --no-cache --allow-http --set
          --set-file --unset --yarn --merge --split-head --link -v --verbose --json -q --quiet --progress"
        words="" files=('*.gguf' '*.safetensors')
        case $previous in
          -o | --output) words="" files=('*.gguf') ;;
          --checksums | --ggml) words="" files=('*') ;;
          --copy) words="auto buffered clone kernel" files=() ;;
          --head-type) words="f32 f16 bf16 q8_0 q6_k q5_k q4_k" files=() ;;
          --norm-offset) words="0 1" files=() ;;
          --set | --set-file | --unset | --yarn) words="" files=() ;;
          --link) words="auto clone copy hard sym" files=() ;;
          --progress) words="auto json none" files=() ;;
        esac
        ;;
      extract)
        options="-h --help -o --output -n --dry-run -f --force --checksums --copy --no-sync --for --tensors-only
          --no-shared-tensors --head-type --ggml --norm-offset --no-cache --allow-http -v --verbose --json -q --quiet
          --progress"
        words="" files=('*.gguf' '*.safetensors')
        case $previous in
          -o | --output | --for) words="" files=('*.gguf') ;;
          --checksums | --ggml) words="" files=('*') ;;
          --copy) words="auto buffered clone kernel" files=() ;;
          --head-type) words="f32 f16 bf16 q8_0 q6_k q5_k q4_k" files=() ;;
          --norm-offset) words="0 1" files=() ;;
          --progress) words="auto json none" files=() ;;
        esac
        ;;
      strip)
        options="-h --help -o --output --in-place -n --dry-run -f --force --checksums --copy --no-sync -v --verbose
          --json -q --quiet --progress"
        words="" files=('*.gguf')
        case $previous in
          -o | --output) words="" files=('*.gguf') ;;
          --checksums) words="" files=('*') ;;
          --copy) words="auto buffered clone kernel" files=() ;;
          --progress) words="auto json none" files=() ;;
        esac
        ;;
      verify)
        options="-h --help --target --donor --trust-shared-extents --allow-edits --tensors-only --head-type --ggml
          --norm-offset --no-cache --allow-http -c --check --exact --status --strict --ignore-missing --json -q --quiet
          --progress"
        words="" files=('*.gguf')
        case $previous in
          --target) words="" files=('*.gguf') ;;
          --donor) words="" files=('*.gguf' '*.safetensors') ;;
          --head-type) words="f32 f16 bf16 q8_0 q6_k q5_k q4_k" files=() ;;
          --ggml | -c | --check) words="" files=('*') ;;
          --norm-offset) words="0 1" files=() ;;
          --progress) words="auto json none" files=() ;;
        esac
        ;;
      bench)
        options="-h --help --url --depths --model-draft --baseline --server --draft-args --start-timeout --min-speedup
          --require-same-text --prompts --predict --chat --temp --top-k --top-p --seed --answer-timeout --min-acceptance
          --card --chart -f --force --json -q --quiet --progress"
        words="" files=('*.gguf')
        case $previous in
          --url | --depths | --draft-args | --start-timeout | --min-speedup | --predict | --temp | --top-k | --top-p | --seed | --answer-timeout | --min-acceptance) words="" files=() ;;
          --model-draft | --baseline) words="" files=('*.gguf') ;;
          --server | --card | --chart) words="" files=('*') ;;
          --prompts) words="" files=('*.json') ;;
          --progress) words="auto json none" files=() ;;
        esac
        ;;
      checksum)
        options="-h --help --algorithm --json -q --quiet --progress"
        words="" files=('*.gguf')
        case $previous in
          --algorithm) words="sha256 xxh128" files=() ;;
          --progress) words="auto json none" files=() ;;
        esac
        ;;
      release)
        options="-h --help -n --dry-run -j --jobs -f --force --no-sync --bench --ggml --json -q --quiet --progress"
        words="" files=('*.json')
        case $previous in
          -j | --jobs) words="" files=() ;;
          --bench) words="" files=('*.json') ;;
          --ggml) words="" files=('*') ;;
          --progress) words="auto json none" files=() ;;
        esac
        ;;
      cache)
        options="-h --help --list --clear --json -q --quiet --progress"
        case $previous in
          --progress) words="auto json none" files=() ;;
        esac
        ;;
      recover)
        options="-h --help --json -q --quiet --progress"
        words="" files=('*.gguf')
        case $previous in
          --progress) words="auto json none" files=() ;;
        esac
        ;;
      completion)
        options="-h --help"
        words="bash fish zsh" files=()
        ;;
    esac
  fi

  if [[ $current == -* ]]; then
    words=$options files=()
  fi
  mapfile -t COMPREPLY < <(
    compgen -W "$words" -- "$current"
    for pattern in "${files[@]}"; do
      compgen -f -X "!$pattern" -- "$current"
    done
    [[ ${#files[@]} == 0 || ${files[0]} == '*' ]] || compgen -d -- "$current"
  )
  [[ ${#files[@]} == 0 ]] || compopt -o filenames 2>/dev/null
}

complete -F _mtpgraft mtpgraft
