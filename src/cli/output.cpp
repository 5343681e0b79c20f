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

// Where a line has no blank in its second half it is broken at its end, between characters of UTF-8.
std::string in_lines(std::string_view line, std::size_t indent) {
  auto const size = terminal_size();
  auto const width = size ? std::max<std::size_t>(size->ws_col, indent + 20) : std::string::npos;
  std::string text;
  for (std::size_t before = 0;; before = indent) {
    auto const most = width - before;
    text.append(before, ' ');
    if (!size || line.size() <= most) return text.append(line) + '\n';
    auto end = line.rfind(' ', most);
    if (end == line.npos || end < most / 2)
      for (end = most; end > 1 && (static_cast<unsigned char>(line[end]) & 0xC0U) == 0x80U;) --end;
    text.append(line.substr(0, end)) += '\n';
    line.remove_prefix(std::min(line.find_first_not_of(' ', end), line.size()));
    if (line.empty()) return text;
  }
}

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
