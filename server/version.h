// What this easeld is.
#pragma once

#include <string>

namespace easel {

// What `easeld --version` prints: the version, then a line each for the build, LibTorch, CUDA and the git
// revision.
std::string VersionText();

}  // namespace easel
