# A program that needs nothing but a C library, which stays shared: --ggml loads a library at run time, and that library
# needs the C library of the machine. (A static musl cannot load any.)
set(CMAKE_FIND_LIBRARY_SUFFIXES .a)
set(OPENSSL_USE_STATIC_LIBS TRUE)
# What is not called is left out, since it could need a newer C library: std::random_device is one such thing.
add_link_options(-static-libstdc++ -static-libgcc -Wl,--as-needed,--gc-sections)

# Debian has no archives of these two. Used as headers, nothing of their shared libraries is needed.
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
set_property(TARGET fmt::fmt PROPERTY INTERFACE_COMPILE_DEFINITIONS FMT_HEADER_ONLY)
set_property(TARGET spdlog::spdlog PROPERTY INTERFACE_COMPILE_DEFINITIONS SPDLOG_FMT_EXTERNAL)
