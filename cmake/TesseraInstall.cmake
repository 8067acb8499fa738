# What find_package(tessera) finds: tessera::kernels, tessera::codec, tessera::tokenizer, tessera::model and, with
# media files, tessera::media.
include(CMakePackageConfigHelpers)
set(package ${CMAKE_INSTALL_LIBDIR}/cmake/tessera)
install(EXPORT tessera NAMESPACE tessera:: FILE tessera-targets.cmake DESTINATION ${package})
configure_package_config_file(cmake/tessera-config.cmake.in ${CMAKE_BINARY_DIR}/tessera-config.cmake
  INSTALL_DESTINATION ${package})
write_basic_package_version_file(${CMAKE_BINARY_DIR}/tessera-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/tessera-config.cmake ${CMAKE_BINARY_DIR}/tessera-config-version.cmake
  DESTINATION ${package})

foreach(folder kernels codec tokenizer model)
  install(DIRECTORY ${folder} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/tessera
    FILES_MATCHING PATTERN "*.h" PATTERN "*-inl.h" EXCLUDE PATTERN cuda EXCLUDE)
endforeach()
if(TESSERA_MEDIA)
  install(FILES media/audio.h media/channels.h media/image.h media/image_processor.h media/image_resize.h media/video.h
    DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/tessera/media)
endif()
