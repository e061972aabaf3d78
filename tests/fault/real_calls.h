// The C library's function behind one that faults.cc stands in front of.
#pragma once

#include <dlfcn.h>

#define REAL(name)                                                                               \
  ([] {                                                                                          \
    static const auto function = reinterpret_cast<decltype(&::name)>(::dlsym(RTLD_NEXT, #name)); \
    return function;                                                                             \
  }())
