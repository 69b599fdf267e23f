# What `cmake --install` and cpack put where. The tree runs from wherever it is moved to:
#   bin/                      easeld, easel
#   lib/easel/                LibTorch and what it loads, where they stood to one another, since they look for each other by that
#   lib/systemd/system/       easeld.service
#   include/easel/, lib/*.a, lib/cmake/easel/    the client library: find_package(easel), easel::image_client
#   share/easel/model/        the shipped model
#   share/easel/proto/        the API
#   share/doc/easel/          NOTICE, and the licences of what lib/easel holds
include(GNUInstallDirs)

# Beside LIBTORCH_ROOT the wheel keeps what NVIDIA's wheels brought; the installed files keep their paths from there.
get_filename_component(_wheels ${LIBTORCH_ROOT} DIRECTORY)
get_filename_component(_torch ${LIBTORCH_ROOT} NAME)
set_target_properties(easeld PROPERTIES INSTALL_RPATH "$ORIGIN/../lib/easel/${_torch}/lib")
install(TARGETS easeld easel RUNTIME DESTINATION bin)

# Only what the loader asks for when easeld starts, less what is the driver's ...
install(CODE "
  set(wheels \"${_wheels}\")
  file(GET_RUNTIME_DEPENDENCIES EXECUTABLES \"$<TARGET_FILE:easeld>\" RESOLVED_DEPENDENCIES_VAR needed
       UNRESOLVED_DEPENDENCIES_VAR missing PRE_EXCLUDE_REGEXES \"^ld-linux\" \"^libcuda[.]so\" \"^libnvidia-\")
  if(missing)
    message(FATAL_ERROR \"easeld needs libraries that are not here: \${missing}\")
  endif()
  foreach(library \${needed})
    cmake_path(IS_PREFIX wheels \"\${library}\" NORMALIZE ours)
    if(ours)
      cmake_path(RELATIVE_PATH library BASE_DIRECTORY \"\${wheels}\" OUTPUT_VARIABLE path)
      get_filename_component(folder \"\${path}\" DIRECTORY)
      file(INSTALL \"\${wheels}/\${path}\" DESTINATION \"\${CMAKE_INSTALL_PREFIX}/lib/easel/\${folder}\" FOLLOW_SYMLINK_CHAIN)
    endif()
  endforeach()")
# ... and on CUDA what cuDNN and the runtime compiler load later, by name.
if(EASEL_CUDA)
  foreach(_part ${_torch}/lib/libcaffe2_nvrtc.so nvidia/cudnn/lib/libcudnn*.so* nvidia/cu13/lib/libnvrtc*.so*)
    file(GLOB _files ${_wheels}/${_part})
    get_filename_component(_folder ${_part} DIRECTORY)
    install(FILES ${_files} DESTINATION lib/easel/${_folder})
  endforeach()
endif()

set_target_properties(easel_image_client PROPERTIES EXPORT_NAME image_client)
set_target_properties(easel_proto PROPERTIES EXPORT_NAME proto)
install(TARGETS easel_image_client easel_proto EXPORT easel ARCHIVE DESTINATION lib INCLUDES DESTINATION include)
install(EXPORT easel NAMESPACE easel:: FILE easel-targets.cmake DESTINATION lib/cmake/easel)
install(FILES cmake/easel-config.cmake DESTINATION lib/cmake/easel)
install(FILES client/image_client.h DESTINATION include/easel)
install(FILES ${CMAKE_BINARY_DIR}/proto/easel/v1/image_generation.pb.h ${CMAKE_BINARY_DIR}/proto/easel/v1/image_generation.grpc.pb.h
        DESTINATION include/easel/v1)
install(FILES proto/easel/v1/image_generation.proto DESTINATION share/easel/proto/easel/v1)

install(DIRECTORY model/reference DESTINATION share/easel/model)
install(FILES NOTICE DESTINATION share/doc/easel)
file(GLOB _licences RELATIVE ${_wheels} ${_wheels}/torch-*.dist-info/licenses ${_wheels}/nvidia_*.dist-info/licenses)
foreach(_licence ${_licences})
  string(REPLACE ".dist-info/licenses" "" _name ${_licence})
  install(DIRECTORY ${_wheels}/${_licence}/ DESTINATION share/doc/easel/licenses/${_name})
endforeach()
install(FILES deploy/systemd/easeld.service DESTINATION lib/systemd/system)

set(CPACK_GENERATOR DEB TGZ)
set(CPACK_PACKAGE_CONTACT "Easel's maintainers <maintainers@easel.invalid>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "Serves latent diffusion transformers over gRPC")
if(EASEL_CUDA)
  set(CPACK_PACKAGE_FILE_NAME ${PROJECT_NAME}-${PROJECT_VERSION}-cuda-${CMAKE_SYSTEM_PROCESSOR})
else()
  set(CPACK_PACKAGE_FILE_NAME ${PROJECT_NAME}-${PROJECT_VERSION}-cpu-${CMAKE_SYSTEM_PROCESSOR})
endif()
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_COMPRESSION_TYPE zstd)
# The Debian packages that easeld needs, as dpkg reads them off the programs; LibTorch is our own.
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
file(GLOB _folders LIST_DIRECTORIES TRUE ${LIBTORCH_ROOT}/lib ${_wheels}/nvidia/*/lib)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS_PRIVATE_DIRS ${_folders})
include(CPack)
