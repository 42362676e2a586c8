# ringws::ringws, the shared library, and ringws::static, the archive. The tree may be moved.
# REALPATH: /lib may be a link to /usr/lib, and the headers are in /usr/include.
get_filename_component(_ringws_here "${CMAKE_CURRENT_LIST_DIR}" REALPATH)
get_filename_component(_ringws_prefix "${_ringws_here}/../@UP@" ABSOLUTE)
set(_ringws_so "${_ringws_prefix}/@LIBDIR@/@SO@")
set(_ringws_archive "${_ringws_prefix}/@LIBDIR@/libringws.a")

foreach(_ringws_file IN ITEMS "${_ringws_so}" "${_ringws_archive}" "${_ringws_prefix}/include/ringws.h")
  if(NOT EXISTS "${_ringws_file}")
    set(ringws_FOUND FALSE)
    set(ringws_NOT_FOUND_MESSAGE "${_ringws_file} is missing")
    return()
  endif()
endforeach()

if(NOT TARGET ringws::ringws)
  add_library(ringws::ringws SHARED IMPORTED)
  set_target_properties(ringws::ringws PROPERTIES
    IMPORTED_LOCATION "${_ringws_so}"
    IMPORTED_SONAME "@SONAME@"
    INTERFACE_INCLUDE_DIRECTORIES "${_ringws_prefix}/include")
endif()
if(NOT TARGET ringws::static)
  add_library(ringws::static STATIC IMPORTED)
  set_target_properties(ringws::static PROPERTIES
    IMPORTED_LOCATION "${_ringws_archive}"
    IMPORTED_LINK_INTERFACE_LANGUAGES C
    INTERFACE_LINK_LIBRARIES "@LIBRARIES_CMAKE@"
    INTERFACE_INCLUDE_DIRECTORIES "${_ringws_prefix}/include")
endif()
