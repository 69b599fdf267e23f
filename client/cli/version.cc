#include "client/cli/version.h"

#include "build_facts.h"  // cmake/build_facts.cmake

namespace easel {

std::string ClientVersionText() {
  return "easel " EASEL_VERSION "\nbuild: " EASEL_BUILD_TYPE ", " EASEL_COMPILER
         "\nrevision: " EASEL_REVISION;
}

}  // namespace easel
