#include "server/version.h"

#include "build_facts.h"  // cmake/build_facts.cmake

namespace easel {

std::string VersionText() {
  return "easeld " EASEL_VERSION "\nbuild: " EASEL_BUILD_TYPE ", " EASEL_COMPILER
         "\nLibTorch: " EASEL_LIBTORCH "\nCUDA: " EASEL_CUDA_VERSION "\nrevision: " EASEL_REVISION;
}

}  // namespace easel
