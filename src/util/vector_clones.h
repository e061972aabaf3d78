#pragma once

// Before a function whose loops compilers make vectors of: it is compiled for wider ones as well, and the processor
// decides which is used. The results are the same.
#if defined(__x86_64__) && defined(__gnu_linux__) && defined(__GLIBC__) && defined(__OPTIMIZE__) && \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define MTPGRAFT_VECTOR_CLONES __attribute__((target_clones("avx2", "default")))
#else
#define MTPGRAFT_VECTOR_CLONES
#endif
