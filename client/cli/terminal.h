// What the place that we write to can show.
#pragma once

#include <functional>
#include <optional>
#include <string>

namespace easel {

struct Terminal {
  bool interactive = false;  // lines can be redrawn in place; else plain lines
  bool pictures = false;     // 24-bit colour too
  int columns = 80;
  int rows = 24;
};

// A variable of the environment, as getenv gives it.
using Environment = std::function<std::optional<std::string>(const std::string&)>;
Environment ProcessEnvironment();

// From TERM, NO_COLOR (https://no-color.org) and COLORTERM, for a file descriptor that is a terminal or not.
Terminal DescribeTerminal(bool is_terminal, const Environment& environment);

// That of `fd`, with its size.
Terminal DetectTerminal(int fd);

}  // namespace easel
