// SPDX-License-Identifier: Apache-2.0
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "yonder/task.hpp"

// Pairs of functions, plain::X and local::X, whose machine code is compared. A temporary for a by-value
// parameter is not among them: a plain call makes it in place, local() moves it once.
struct point {
  double x = 0;
  double y = 0;
  void serialize(auto& ar) { ar(x, y); }
};

int add(int a, int b);
int add_or_not(int a, int b) noexcept;
std::size_t length(std::string const& text);
std::size_t consume(std::string text);
std::unique_ptr<int> box(int number);
std::unique_ptr<int> rebox(std::unique_ptr<int> number);
int total(std::span<int const> numbers);
std::size_t view(std::string_view text);
point mirrored(point at);
std::vector<int> repeated(int number, std::size_t times);
void log(std::string const& text, int level);
inline int twice(int number) { return 2 * number; }
inline constexpr auto lambda = [](int a, int b) { return a - b; };

inline constexpr yonder::task<add> add_task{{.retries = 3}};
inline constexpr yonder::task<add_or_not> add_or_not_task;
inline constexpr yonder::task<length> length_task;
inline constexpr yonder::task<consume> consume_task;
inline constexpr yonder::task<box> box_task;
inline constexpr yonder::task<rebox> rebox_task;
inline constexpr yonder::task<total> total_task;
inline constexpr yonder::task<view> view_task;
inline constexpr yonder::task<mirrored> mirrored_task;
inline constexpr yonder::task<repeated> repeated_task;
inline constexpr yonder::task<log> log_task;
inline constexpr yonder::task<twice> twice_task;
inline constexpr yonder::task<&lambda> lambda_task;

namespace plain {
int ints(int a, int b) { return add(a, b); }
int never_throws(int a, int b) noexcept { return add_or_not(a, b) + 1; }
std::size_t string_reference(std::string const& text) { return length(text); }
std::size_t string_literal() { return length("a text that is longer than the small buffer"); }
std::size_t string_copied(std::string const& text) { return consume(text); }
std::size_t string_moved(std::string& text) { return consume(std::move(text)); }
std::unique_ptr<int> move_only_result(int number) { return box(number); }
std::unique_ptr<int> move_only_argument(std::unique_ptr<int>& from) { return rebox(std::move(from)); }
int number_span(std::vector<int> const& numbers) { return total(numbers); }
std::size_t text_view(std::string const& text) { return view(text); }
double small_struct(point const& at) { return mirrored(at).x; }
std::size_t vector_result(int number) { return repeated(number, 9).size(); }
void no_result(std::string const& text) { log(text, 2); }
int inlined(int number) { return twice(number) + 1; }
int inline_lambda(int a, int b) { return lambda(a, b); }
}  // namespace plain

namespace local {
int ints(int a, int b) { return add_task.local(a, b); }
int never_throws(int a, int b) noexcept { return add_or_not_task.local(a, b) + 1; }
std::size_t string_reference(std::string const& text) { return length_task.local(text); }
std::size_t string_literal() { return length_task.local("a text that is longer than the small buffer"); }
std::size_t string_copied(std::string const& text) { return consume_task.local(text); }
std::size_t string_moved(std::string& text) { return consume_task.local(std::move(text)); }
std::unique_ptr<int> move_only_result(int number) { return box_task.local(number); }
std::unique_ptr<int> move_only_argument(std::unique_ptr<int>& from) {
  return rebox_task.local(std::move(from));
}
int number_span(std::vector<int> const& numbers) { return total_task.local(numbers); }
std::size_t text_view(std::string const& text) { return view_task.local(text); }
double small_struct(point const& at) { return mirrored_task.local(at).x; }
std::size_t vector_result(int number) { return repeated_task.local(number, 9).size(); }
void no_result(std::string const& text) { log_task.local(text, 2); }
int inlined(int number) { return twice_task.local(number) + 1; }
int inline_lambda(int a, int b) { return lambda_task.local(a, b); }
}  // namespace local
