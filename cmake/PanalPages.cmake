# The pages of a room, src/<room>/pages/*, become constants of the generated header <room>/detail/pages.h: report.html is
# panal::<room>::pages::kReportHtml. Nothing is read at run time.
function(panal_embed_pages room)
  file(GLOB pages CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/${room}/pages/*)
  if(NOT pages)
    return()
  endif()
  set(header ${CMAKE_BINARY_DIR}/generated/${room}/detail/pages.h)
  list(JOIN pages "|" joined)
  add_custom_command(OUTPUT ${header}
    COMMAND ${CMAKE_COMMAND} -DROOM=${room} "-DPAGES=${joined}" -DOUTPUT=${header} -P ${CMAKE_SOURCE_DIR}/cmake/write_pages.cmake
    DEPENDS ${pages} ${CMAKE_SOURCE_DIR}/cmake/write_pages.cmake VERBATIM)
  target_sources(panal_${room} PRIVATE ${header})
endfunction()
