// What this easel is.
#pragma once

#include <string>

namespace easel {

// What `easel --version` prints: the version, then a line each for the build and the git revision.
std::string ClientVersionText();

}  // namespace easel
