#include "client/cli/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>

namespace easel {

Environment ProcessEnvironment() {
  return [](const std::string& name) -> std::optional<std::string> {
    const char* value = std::getenv(name.c_str());
    if (value == nullptr) return std::nullopt;
    return value;
  };
}

Terminal DescribeTerminal(bool is_terminal, const Environment& environment) {
  Terminal terminal;
  const std::string term = environment("TERM").value_or("");
  terminal.interactive = is_terminal && !term.empty() && term != "dumb";
  const std::string colour = environment("COLORTERM").value_or("");
  // Terminals that know 256 colours know 24 bits, too, today; many do not say so through ssh.
  const bool colourful = colour == "truecolor" || colour == "24bit" || term.find("256color") != term.npos ||
                         term.find("direct") != term.npos || term.find("kitty") != term.npos;
  terminal.pictures = terminal.interactive && colourful && environment("NO_COLOR").value_or("").empty();
  return terminal;
}

Terminal DetectTerminal(int fd) {
  Terminal terminal = DescribeTerminal(isatty(fd) != 0, ProcessEnvironment());
  winsize size = {};
  if (terminal.interactive && ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 && size.ws_row > 0) {
    terminal.columns = size.ws_col;
    terminal.rows = size.ws_row;
  }
  return terminal;
}

}  // namespace easel
