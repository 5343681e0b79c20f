// SPDX-License-Identifier: Apache-2.0
#include "src/cli/output.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>

namespace yonder::cli {
namespace {

constexpr std::size_t between = 2;

// None: it is no terminal.
std::size_t terminal_width() {
  winsize size{};
  if (::isatty(STDOUT_FILENO) != 1 || ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
    return std::string::npos;
  return size.ws_col;
}

}  // namespace

void table::print() const {
  std::vector<std::size_t> widths(rows_.front().size());
  for (auto const& row : rows_)
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  auto const most = terminal_width();
  for (auto const& row : rows_) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i)
      line += row[i] + std::string(widths[i] + between - row[i].size(), ' ');
    line.resize(line.find_last_not_of(' ') + 1);
    std::cout << line.substr(0, most) << '\n';
  }
}

}  // namespace yonder::cli
