// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <stdexcept>
#include <string>
#include <string_view>
#include <typeinfo>

#include "src/runtime/registry.hpp"
#include "yonder/error.hpp"
#include "yonder/exception.hpp"
#include "yonder/task.hpp"

// The names below are what every compiler must find: workers of another build are asked by them.
int plain_function(int number) { return number; }
int never_throws(int number) noexcept { return number; }

namespace zoo {
int feed(int number) { return number; }
namespace reptiles {
std::string feed(std::string const& text) { return text; }
}  // namespace reptiles

struct keeper {
  static int count(int number) { return number; }
  static constexpr auto clean = [](int number) { return number; };
};
inline constexpr auto shift = [](int number) { return number; };

struct escaped : std::runtime_error {
  using runtime_error::runtime_error;
};

inline namespace v2 {
std::string fed(int number) { return std::to_string(number); }
struct unfed : std::runtime_error {
  using runtime_error::runtime_error;
};
}  // namespace v2
extern "C" int yonder_test_c_function(int number) { return number; }
}  // namespace zoo

static int of_this_file(int number) { return number; }
inline constexpr auto global_lambda = [](int number) { return number; };
int overloaded(int number) { return number; }
double overloaded(double number) { return number; }
template <class T>
T of_any(T number) {
  return number;
}

namespace {
int hidden(int number) { return number; }

template <auto Function>
constexpr std::string_view name = yonder::task<Function>::name;

// What a runtime says at its start of a function that this compiler, or another one, spells so.
template <auto Function>
std::string said_of(std::string_view spelled) {
  yonder::detail::task_entry entry{spelled,
                                   nullptr,
                                   nullptr,
                                   nullptr,
                                   &yonder::detail::image_tag,
                                   &typeid(yonder::detail::symbol_of<Function>),
                                   true};
  yonder::detail::registration const registered{entry};
  try {
    yonder::runtime_detail::check_registry();
  } catch (yonder::usage_error const& error) {
    return error.details().message;
  }
  return "nothing";
}
}  // namespace

static_assert(name<plain_function> == "plain_function");
static_assert(name<&plain_function> == "plain_function");
static_assert(name<never_throws> == "never_throws");
static_assert(name<zoo::feed> == "zoo::feed");
static_assert(name<zoo::reptiles::feed> == "zoo::reptiles::feed");
static_assert(name<zoo::keeper::count> == "zoo::keeper::count");
static_assert(name<&zoo::keeper::clean> == "zoo::keeper::clean");
static_assert(name<&zoo::shift> == "zoo::shift");
static_assert(name<&global_lambda> == "global_lambda");
static_assert(name<of_this_file> == "of_this_file");
static_assert(name<static_cast<int (*)(int)>(overloaded)> == "overloaded");

static_assert(yonder::task<static_cast<double (*)(double)>(overloaded), "overloaded(double)">::name ==
              "overloaded(double)");
static_assert(yonder::task<of_any<int>, "of_any-int">::name == "of_any-int");
static_assert(yonder::task<hidden, "tests/hidden">::name == "tests/hidden");
static_assert(yonder::task<[](int number) { return number; }, "unnamed">::name == "unnamed");
static_assert(yonder::task<zoo::feed, "feed">::name == "feed");

static_assert(yonder::exception_registration<zoo::escaped>::name == "zoo::escaped");
static_assert(yonder::exception_registration<zoo::escaped, "escaped">::name == "escaped");

TEST_CASE("a name is stated where compilers would spell it differently") {
  using yonder::detail::is_portable;
  CHECK(is_portable("ns::f"));
  for (auto const* spelled : {"", "f<int>", "(anonymous namespace)::f", "{anonymous}::f", "<lambda(int)>",
                              "*f", "(lambda at a.cpp:1:2)", "f [with T = int]", "&f", "operator int"})
    CHECK_FALSE(is_portable(spelled));
}

TEST_CASE("a stated name is 1 to 200 printable characters without spaces") {
  using yonder::detail::is_acceptable;
  CHECK(is_acceptable("a"));
  CHECK(is_acceptable("v2/overloaded(int)<T>!~"));
  CHECK(is_acceptable(std::string(200, 'x')));
  CHECK_FALSE(is_acceptable(std::string(201, 'x')));
  for (auto const* wrong : {"", "a b", "a\tb", "a\n", "na\xc3\xafve", "\x7f"})
    CHECK_FALSE(is_acceptable(wrong));
}

TEST_CASE("a name that another compiler spells otherwise is refused when a runtime starts") {
  auto const said = said_of<zoo::fed>("zoo::fed");
  CHECK(said.find("'zoo::fed'") != std::string::npos);
  CHECK(said.find("in full it is 'zoo::v2::fed'") != std::string::npos);
  CHECK(said.find("yonder::task<f, \"name\">") != std::string::npos);
  CHECK(said_of<of_any<int>>("of_any").find("is another one under another compiler") != std::string::npos);

  yonder::detail::exception_entry entry{"zoo::unfed", nullptr, nullptr, &typeid(zoo::unfed), true};
  yonder::detail::registration const registered{entry};
  CHECK_THROWS_AS(yonder::runtime_detail::check_registry(), yonder::usage_error);
}

TEST_CASE("a name that every compiler spells alike is taken") {
  CHECK(said_of<plain_function>("plain_function") == "nothing");
  CHECK(said_of<never_throws>("never_throws") == "nothing");
  CHECK(said_of<zoo::reptiles::feed>("zoo::reptiles::feed") == "nothing");
  CHECK(said_of<zoo::keeper::count>("zoo::keeper::count") == "nothing");
  CHECK(said_of<&zoo::keeper::clean>("zoo::keeper::clean") == "nothing");
  CHECK(said_of<&global_lambda>("global_lambda") == "nothing");
  CHECK(said_of<of_this_file>("of_this_file") == "nothing");
  CHECK(said_of<static_cast<double (*)(double)>(overloaded)>("overloaded") == "nothing");
  CHECK(said_of<zoo::fed>("zoo::v2::fed") == "nothing");
  CHECK(said_of<zoo::yonder_test_c_function>("zoo::yonder_test_c_function") == "nothing");
}
