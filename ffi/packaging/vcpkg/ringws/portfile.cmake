# An overlay port of the tree that it lies in:
#   vcpkg install ringws --overlay-ports=ffi/packaging/vcpkg
# Needs cargo. A port for the registry would fetch a release by vcpkg_from_github instead.
get_filename_component(SOURCE_PATH "${CURRENT_PORT_DIR}/../../../.." ABSOLUTE)
find_program(CARGO cargo HINTS "$ENV{HOME}/.cargo/bin" REQUIRED)
set(OPTIONS "")
if(NOT "tls" IN_LIST FEATURES)
  list(APPEND OPTIONS --no-tls)
endif()
if("nats" IN_LIST FEATURES)
  list(APPEND OPTIONS --nats)
endif()
if("mimalloc" IN_LIST FEATURES)
  list(APPEND OPTIONS --mimalloc)
endif()
vcpkg_execute_required_process(
  COMMAND "${CARGO}" install-ringws --prefix "${CURRENT_PACKAGES_DIR}"
    --target-dir "${CURRENT_BUILDTREES_DIR}/cargo" ${OPTIONS}
  WORKING_DIRECTORY "${SOURCE_PATH}"
  LOGNAME install)

# Its CMake files name both libraries, and lie where CMake looks for them: below lib. There is no
# debug build: whoever debugs a program does not want a slow engine in it.
set(VCPKG_POLICY_SKIP_LIB_CMAKE_MERGE_CHECK enabled)
set(VCPKG_POLICY_SKIP_MISPLACED_CMAKE_FILES_CHECK enabled)
set(VCPKG_POLICY_MISMATCHED_NUMBER_OF_BINARIES enabled)
file(REMOVE_RECURSE "${CURRENT_PACKAGES_DIR}/share/doc")
vcpkg_install_copyright(FILE_LIST "${SOURCE_PATH}/LICENSE-MIT" "${SOURCE_PATH}/LICENSE-APACHE"
  "${SOURCE_PATH}/ffi/THIRD-PARTY.txt")
