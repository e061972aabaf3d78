# What cpack needs for a .deb of the component `program`. The library is static C++, which only suits the compiler and the
# libraries that it was built with, so who builds against it installs it from source.
set(MTPGRAFT_MAINTAINER "mtpgraft maintainers <maintainers@mtpgraft.invalid>"
    CACHE STRING "Maintainer of the .deb, with a real address where it is published")
set(MTPGRAFT_HOMEPAGE "" CACHE STRING "Homepage of the .deb")

set(CPACK_GENERATOR DEB)
set(CPACK_VERBATIM_VARIABLES ON)
set(CPACK_INSTALL_CMAKE_PROJECTS "${PROJECT_BINARY_DIR};mtpgraft;program;/")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE
                                                WORLD_READ WORLD_EXECUTE)
set(CPACK_STRIP_FILES ON)
set(CPACK_PRE_BUILD_SCRIPTS "${CMAKE_CURRENT_LIST_DIR}/finish_tree.cmake")

set(CPACK_PACKAGE_CONTACT "${MTPGRAFT_MAINTAINER}")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "grafts multi-token-prediction heads into quantised GGUF models")
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION
    "Puts a multi-token-prediction (MTP, \"nextn\") head back into a quantised GGUF
whose fine-tune, merge or expansion lost it, so that llama.cpp drafts with it
and decodes faster. The head comes from the base model, as GGUF or safetensors.
The model's own tensors stay byte for byte what they were, which is verified.")
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_DEBIAN_PACKAGE_HOMEPAGE "${MTPGRAFT_HOMEPAGE}")
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "libcurl4, ca-certificates")
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_COMPRESSION_TYPE xz)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
include(CPack)
