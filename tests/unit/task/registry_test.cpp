// SPDX-License-Identifier: Apache-2.0
#include "src/runtime/registry.hpp"

#include <doctest/doctest.h>

#include <array>
#include <stdexcept>
#include <string>

#include "yonder/exception.hpp"
#include "yonder/task.hpp"

using yonder::detail::encoded;
using yonder::detail::exception_entry;
using yonder::detail::registration;
using yonder::detail::symbol_of;
using yonder::detail::task_entry;

namespace {

int first_function() { return 1; }
int second_function() { return 2; }

// The images of two plugins.
char const images[2]{};

template <std::uint64_t Hash>
std::uint64_t hash_of() {
  return Hash;
}
template <char Letter>
std::string const& letter() {
  static std::string const its(1, Letter);
  return its;
}
[[noreturn]] std::uint64_t no_hash() {
  throw yonder::codec_error(yonder::codec_fault::unstable_structure, 0, "it reads by value");
}
template <int>
void invoke(std::span<std::byte const>, std::span<yonder::detail::buffer const>,
            yonder::detail::decode_limits, encoded&) {}

task_entry entry_of(char const& image, std::uint64_t (*hash)(), std::string const& (*words)(),
                    yonder::detail::task_invoker run, std::type_info const& symbol) {
  return {"plugin::work", hash, words, run, &image, &symbol, false};
}
task_entry first_entry() {
  return entry_of(images[0], &hash_of<1>, &letter<'a'>, &invoke<1>, typeid(symbol_of<first_function>));
}

std::string refusal(task_entry const* called = nullptr) {
  try {
    if (called == nullptr)
      yonder::runtime_detail::check_registry();
    else
      yonder::runtime_detail::check_task(*called);
  } catch (yonder::usage_error const& refused) {
    CHECK(refused.code() == yonder::errc::duplicate_task);
    return refused.what();
  }
  return "";
}

bool has(std::string const& whole, std::string_view part) { return whole.find(part) != whole.npos; }

template <int>
struct plugin_error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct old_error : std::runtime_error {
  using std::runtime_error::runtime_error;
  int code = 1;
  template <class Archive>
  void serialize(Archive& ar) {
    ar(code);
  }
};
struct new_error : std::runtime_error {
  using std::runtime_error::runtime_error;
  float code = 1;
  template <class Archive>
  void serialize(Archive& ar) {
    ar(code);
  }
};

}  // namespace

TEST_CASE("two plugins whose tasks of one name differ in structure are refused, with both structures") {
  auto one = first_entry();
  auto other = entry_of(images[1], &hash_of<2>, &letter<'b'>, &invoke<2>, typeid(symbol_of<first_function>));
  registration const first(one);
  registration const second(other);
  auto const words = refusal();
  CHECK(has(words, "two different functions are tasks of the name 'plugin::work'"));
  CHECK(has(words, " (a)"));
  CHECK(has(words, " (b)"));
}

TEST_CASE("two plugins whose tasks of one name are different functions are refused") {
  auto one = first_entry();
  auto other = entry_of(images[1], &hash_of<1>, &letter<'a'>, &invoke<2>, typeid(symbol_of<second_function>));
  registration const first(one);
  registration const second(other);
  CHECK(has(refusal(), "two different functions"));
}

TEST_CASE("one function that two images contain is one task, whose signature and function are of one image") {
  auto one = first_entry();
  auto other = entry_of(images[1], &hash_of<1>, &letter<'b'>, &invoke<2>, typeid(symbol_of<first_function>));
  for (bool const turned : {false, true}) {
    registration const first(turned ? other : one);
    registration const second(turned ? one : other);
    CHECK(refusal().empty());
    auto const* const found = yonder::runtime_detail::find_task("plugin::work");
    CHECK(found == (turned ? &other : &one));
    for (auto const& offered : yonder::runtime_detail::offered_functions())
      if (offered.name == found->name) CHECK(offered.schema == found->structure());
  }
}

TEST_CASE("a plugin that is loaded while a runtime stands takes no other task's name, wherever it lies") {
  for (auto const here : {0, 1}) {
    auto one =
        entry_of(images[here], &hash_of<1>, &letter<'a'>, &invoke<1>, typeid(symbol_of<first_function>));
    auto twin =
        entry_of(images[1 - here], &hash_of<1>, &letter<'a'>, &invoke<2>, typeid(symbol_of<second_function>));
    auto with_it = twin;
    with_it.name = "plugin::play";
    registration const first(one);
    CHECK(refusal().empty());  // as a runtime begins
    registration const second(twin);
    registration const third(with_it);
    CHECK(yonder::runtime_detail::find_task(one.name) == &one);
    CHECK(has(refusal(&twin), "two different functions are tasks of the name 'plugin::work'"));
    CHECK(refusal(&one).empty());
    CHECK(refusal(&with_it).empty());
  }
  CHECK(yonder::runtime_detail::find_task("plugin::work") == nullptr);
}

TEST_CASE("a task without a structure is offered as one that matches no caller, with the reason") {
  auto one = entry_of(images[0], &no_hash, &letter<'a'>, &invoke<1>, typeid(symbol_of<first_function>));
  registration const first(one);
  CHECK(refusal().empty());
  for (auto const& offered : yonder::runtime_detail::offered_functions()) {
    if (offered.name != one.name) continue;
    CHECK(offered.signature == 0);
    CHECK(offered.schema == "none: it reads by value");
  }
}

TEST_CASE("tasks that differ in nothing but their result have different signatures") {
  using yonder::detail::structure_of_task;
  CHECK(structure_of_task<int, double>::hash() != structure_of_task<long, double>::hash());
  CHECK(structure_of_task<int, double>::hash() == structure_of_task<int, double const&>::hash());
}

TEST_CASE("two exceptions of one name are refused") {
  using one = yonder::detail::exception_record<plugin_error<1>, "plugin_error">;
  using other = yonder::detail::exception_record<plugin_error<2>, "plugin_error">;
  auto entry = one::entry;
  auto twin = other::entry;
  registration const first(entry);
  {
    registration const second(twin);
    CHECK(has(refusal(), "are exceptions of the name 'plugin_error'"));
  }
  auto same = one::entry;
  registration const second(same);
  CHECK(refusal().empty());
}

TEST_CASE("an exception whose members differ between two builds is not made from the other's bytes") {
  using one = yonder::detail::exception_record<old_error, "code_error">;
  using other = yonder::detail::exception_record<new_error, "code_error">;
  encoded state;
  REQUIRE(one::encode(old_error("text"), state));
  CHECK_NOTHROW(other::raise(state.head.bytes()));
  CHECK_THROWS_WITH_AS(one::raise(state.head.bytes()), "text", old_error);
}
