# The code version that lineage records: the commit, with "+dirty" for a changed tree. It is asked for at
# every build, and the generated header changes only when the answer does.
add_custom_target(panal_version
  COMMAND ${CMAKE_COMMAND} -DSOURCE_DIR=${CMAKE_SOURCE_DIR} -DVERSION=${PROJECT_VERSION}
          -DOUTPUT=${CMAKE_BINARY_DIR}/generated/panal_version.h -P ${CMAKE_SOURCE_DIR}/cmake/write_version.cmake
  BYPRODUCTS ${CMAKE_BINARY_DIR}/generated/panal_version.h VERBATIM)
