// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tests/bench/measure.hpp"

namespace bench {

// What a figure must keep: our own, in the row's unit, or its ratio to the peer's.
struct target {
  enum class kind { ratio_at_most, ratio_at_least, ours_at_most, ours_at_least };
  kind what;
  double limit;

  bool met_by(comparison const& found) const;
  std::string text(std::string_view unit) const;
};

constexpr target ratio_at_most(double limit) { return {target::kind::ratio_at_most, limit}; }
constexpr target ratio_at_least(double limit) { return {target::kind::ratio_at_least, limit}; }
constexpr target at_most(double limit) { return {target::kind::ours_at_most, limit}; }
constexpr target at_least(double limit) { return {target::kind::ours_at_least, limit}; }

struct row {
  std::string what;
  std::string unit;
  std::string peer_name;
  target wanted;
  comparison found{};
  std::string skipped{};  // why there are no figures
  std::string group{};    // `./dev bench GROUP` measures it
};

// Prints a line for every row as it comes, and keeps them for the file.
class report {
 public:
  // Of what follows. Its name is a constant.
  void begin_group(std::string_view name) { group_ = name; }

  // `found` is in `scale`ths of the unit: 1e3 for ns that are shown as µs.
  void add(row done, comparison const& found, double scale = 1);
  void skip(row left_out, std::string why);

  // An array of objects. Throws std::runtime_error where the file cannot be written.
  void write_json(std::string const& file) const;

 private:
  std::vector<row> rows_;
  std::string group_;
};

// The peers' versions and the machine, a line each that begins with '#'; then the names of the columns.
void print_heading();

}  // namespace bench
