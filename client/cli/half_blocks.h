// Pictures as text: each character cell shows two pixels, one above the other, in 24-bit colour.
#pragma once

#include <string>
#include <vector>

#include "model/image.h"

namespace easel {

// One line for each two rows of pixels, image.width cells wide; the colours are reset at its end. Of an odd
// number of rows, the last line's lower half stays the terminal's own.
std::vector<std::string> HalfBlocks(const Image& image);

}  // namespace easel
