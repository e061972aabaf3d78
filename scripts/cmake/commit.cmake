# Writes the commit of SOURCE_DIR to the header HEADER: cmake -D SOURCE_DIR=... -D HEADER=... -P commit.cmake
# A header that says it already is left alone, so that nothing is compiled again.
set(commit unknown)
# A source archive may lie in the repository of something else.
if(EXISTS "${SOURCE_DIR}/.git")
  # Without locks, for builds must not disturb a git that works at the same time.
  execute_process(COMMAND git -C "${SOURCE_DIR}" --no-optional-locks describe --always --dirty --exclude=* --abbrev=12
                  OUTPUT_VARIABLE described OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE failed)
  if(NOT failed)
    set(commit "${described}")
  endif()
endif()
set(line "#define MTPGRAFT_COMMIT \"${commit}\"\n")
set(old_line "")
if(EXISTS "${HEADER}")
  file(READ "${HEADER}" old_line)
endif()
if(NOT line STREQUAL old_line)
  file(WRITE "${HEADER}" "${line}")
endif()
