# Completion of mtpgraft for fish.

complete -c mtpgraft -f
complete -c mtpgraft -n __fish_use_subcommand -s h -l help -d 'Print commands and exit codes'
complete -c mtpgraft -n __fish_use_subcommand -l version -d 'Print version, commit, compiler, libraries and features'
complete -c mtpgraft -n __fish_use_subcommand -a inspect -d 'Tell what a GGUF is, and whether it has an MTP head'
complete -c mtpgraft -n __fish_use_subcommand -a graft -d 'Write TARGET with the MTP head of DONOR in it to a new file'
complete -c mtpgraft -n __fish_use_subcommand -a extract -d 'Write the MTP head of DONOR to a file of its own'
complete -c mtpgraft -n __fish_use_subcommand -a strip -d 'Take the MTP head out of a model'
complete -c mtpgraft -n __fish_use_subcommand -a verify -d 'Check a graft'
complete -c mtpgraft -n __fish_use_subcommand -a checksum -d 'Print a checksum of each tensor'
complete -c mtpgraft -n __fish_use_subcommand -a release -d 'Make all the grafts that a plan lists'
complete -c mtpgraft -n __fish_use_subcommand -a cache -d 'List, or remove, what is kept of remote donors'
complete -c mtpgraft -n __fish_use_subcommand -a recover -d 'Undo, or finish, an interrupted in-place change'

set -l models 'inspect graft extract strip verify checksum release recover'
complete -c mtpgraft -n "__fish_seen_subcommand_from $models" -k -a '(__fish_complete_suffix .gguf)'

set -l every 'inspect graft extract strip verify checksum release cache recover'
complete -c mtpgraft -n "__fish_seen_subcommand_from $every" -s h -l help -d 'Print arguments, options and examples'
complete -c mtpgraft -n "__fish_seen_subcommand_from $every" -l json -d 'Print one JSON object, also on failure'
complete -c mtpgraft -n "__fish_seen_subcommand_from $every" -s q -l quiet -d 'Leave out warnings, progress and success'

set -l writing 'graft extract strip'
complete -c mtpgraft -n "__fish_seen_subcommand_from $writing" -s o -l output -r -F -d 'Output file'
complete -c mtpgraft -n "__fish_seen_subcommand_from $writing" -s n -l dry-run -d 'Print the plan, write nothing'
complete -c mtpgraft -n "__fish_seen_subcommand_from $writing" -s f -l force -d 'Replace an existing output file'
complete -c mtpgraft -n "__fish_seen_subcommand_from $writing" -l checksums -r -F -d 'Write checksums of the output too'
complete -c mtpgraft -n "__fish_seen_subcommand_from $writing" -l copy -x -a 'auto clone kernel buffered' -d 'How bytes are copied'
complete -c mtpgraft -n "__fish_seen_subcommand_from $writing" -l no-sync -d 'Do not wait until the output is on the disk'
complete -c mtpgraft -n "__fish_seen_subcommand_from $writing" -s v -l verbose -d 'Print every tensor, and how ranges were copied'

set -l reading 'graft extract verify'
complete -c mtpgraft -n "__fish_seen_subcommand_from $reading" -l head-type -x -a 'f32 f16 bf16 q8_0 q6_k q5_k q4_k' -d 'Convert the head'
complete -c mtpgraft -n "__fish_seen_subcommand_from $reading" -l ggml -r -F -d 'libggml-base.so of llama.cpp, or its directory'
complete -c mtpgraft -n "__fish_seen_subcommand_from $reading" -l norm-offset -x -a '0 1' -d 'Of safetensors, whether 1 is to be added to norms'

set -l remote 'inspect graft extract verify'
complete -c mtpgraft -n "__fish_seen_subcommand_from $remote" -l no-cache -d 'Keep nothing of what is fetched'
complete -c mtpgraft -n "__fish_seen_subcommand_from $remote" -l allow-http -d 'Take http:// too'

complete -c mtpgraft -n '__fish_seen_subcommand_from inspect' -l tensors -d 'List tensors; =GLOB, those that match'
complete -c mtpgraft -n '__fish_seen_subcommand_from inspect' -l kv -d 'List keys and values; =GLOB, those that match'
complete -c mtpgraft -n '__fish_seen_subcommand_from inspect' -l mmproj -r -F -d 'Tell whether this projector fits'

complete -c mtpgraft -n '__fish_seen_subcommand_from graft strip' -l in-place -d 'Change the model itself'
complete -c mtpgraft -n '__fish_seen_subcommand_from graft' -l replace -d 'Put the head in the place of one that TARGET has'
complete -c mtpgraft -n '__fish_seen_subcommand_from graft' -l strict -d 'Refuse what is otherwise only warned about'
complete -c mtpgraft -n '__fish_seen_subcommand_from graft' -l no-record -d 'Leave out the key mtpgraft.record'
complete -c mtpgraft -n '__fish_seen_subcommand_from graft' -l set -x -d 'Give a key a value: KEY=TYPE:VALUE'
complete -c mtpgraft -n '__fish_seen_subcommand_from graft' -l unset -x -d 'Leave a key out'
complete -c mtpgraft -n '__fish_seen_subcommand_from graft' -l yarn -x -d 'Extend the context by this factor with YaRN'
complete -c mtpgraft -n '__fish_seen_subcommand_from graft' -l merge -d 'Of a split model, write one file'
complete -c mtpgraft -n '__fish_seen_subcommand_from graft' -l split-head -d 'The head is a file of its own'
complete -c mtpgraft -n '__fish_seen_subcommand_from graft' -l link -x -a 'auto hard clone sym copy' -d 'The files of a split model that stay'

complete -c mtpgraft -n '__fish_seen_subcommand_from extract' -l for -r -F -d 'Number the head for this model'
complete -c mtpgraft -n '__fish_seen_subcommand_from extract' -l tensors-only -d 'Only the tensors of the head'

complete -c mtpgraft -n '__fish_seen_subcommand_from verify' -l target -r -F -d 'Compare with what this and --donor make'
complete -c mtpgraft -n '__fish_seen_subcommand_from verify' -l donor -r -F -d 'The donor of the graft'
complete -c mtpgraft -n '__fish_seen_subcommand_from verify' -l trust-shared-extents -d 'Do not read shared blocks'
complete -c mtpgraft -n '__fish_seen_subcommand_from verify' -s c -l check -r -F -d 'Check the tensors that this list names'
complete -c mtpgraft -n '__fish_seen_subcommand_from verify' -l exact -d 'No other tensors, and the same keys'
complete -c mtpgraft -n '__fish_seen_subcommand_from verify' -l status -d 'Print nothing, the exit code tells'
complete -c mtpgraft -n '__fish_seen_subcommand_from verify' -l strict -d 'Lines that cannot be read are a failure'
complete -c mtpgraft -n '__fish_seen_subcommand_from verify' -l ignore-missing -d 'Missing tensors are no failure'

complete -c mtpgraft -n '__fish_seen_subcommand_from checksum' -l algorithm -x -a 'xxh128 sha256' -d 'Of the checksums'

complete -c mtpgraft -n '__fish_seen_subcommand_from release' -k -a '(__fish_complete_suffix .json)'
complete -c mtpgraft -n '__fish_seen_subcommand_from release' -s n -l dry-run -d 'Check and print the plan, write nothing'
complete -c mtpgraft -n '__fish_seen_subcommand_from release' -s j -l jobs -x -d 'Grafts that are written at once'
complete -c mtpgraft -n '__fish_seen_subcommand_from release' -s f -l force -d 'Replace what is not what the plan makes'
complete -c mtpgraft -n '__fish_seen_subcommand_from release' -l no-sync -d 'Do not wait until outputs are on the disk'

complete -c mtpgraft -n '__fish_seen_subcommand_from cache' -l list -d 'Print what is there'
complete -c mtpgraft -n '__fish_seen_subcommand_from cache' -l clear -d 'Remove all of it'
