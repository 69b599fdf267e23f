# find_package(easel CONFIG): easel::image_client, for C++20 programs that include <easel/image_client.h>.
include(CMakeFindDependencyMacro)
# In this order: gRPC's package looks for the protobuf that is found already.
find_dependency(Protobuf)
find_dependency(gRPC CONFIG)
find_dependency(absl CONFIG)
include(${CMAKE_CURRENT_LIST_DIR}/easel-targets.cmake)
