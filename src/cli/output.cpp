// SPDX-License-Identifier: Apache-2.0
#include "src/cli/output.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <optional>

namespace yonder::cli {
namespace {

constexpr std::size_t between = 2;

// None: it is no terminal.
std::optional<winsize> terminal_size() {
  winsize size{};
  if (::isatty(STDOUT_FILENO) != 1 || ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
    return std::nullopt;
  return size;
}

}  // namespace

std::string as_live_page(std::string const& text) {
  auto const size = terminal_size();
  auto left = size ? std::size_t{size->ws_row} : std::size_t{24};
  std::string page = "\x1b[H";
  for (std::size_t at = 0; at < text.size() && left > 1; --left) {
    auto const end = std::min(text.find('\n', at), text.size());
    page += text.substr(at, end - at) + "\x1b[K\n";
    at = end + 1;
  }
  return page + "\x1b[J";
}

std::string table::text() const {
  std::vector<std::size_t> widths(rows_.front().size());
  for (auto const& row : rows_)
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  auto const size = terminal_size();
  auto const most = size ? std::size_t{size->ws_col} : std::string::npos;
  std::string text;
  for (auto const& row : rows_) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i)
      line += row[i] + std::string(widths[i] + between - row[i].size(), ' ');
    line.resize(line.find_last_not_of(' ') + 1);
    text += line.substr(0, most) + '\n';
  }
  return text;
}

}  // namespace yonder::cli
