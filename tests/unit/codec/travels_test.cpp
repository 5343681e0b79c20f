// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <any>
#include <functional>
#include <memory_resource>
#include <span>

#include "tests/unit/codec/zoo.hpp"

// The words of each refusal are held by tests/compile_fail.

using yonder::detail::check_travels;
using yonder::detail::is_travelling;
using yonder::detail::obstacle;
using yonder::detail::obstacle_of;
using yonder::detail::wire_type_t;

namespace {

struct polymorphic {
  virtual ~polymorphic() = default;
  template <class Archive>
  void serialize(Archive&) {}
};
class without_functions {
  int value_ = 0;

 public:
  int value() const { return value_; }
};
struct seventeen {
  int a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q;
};
struct with_base : zoo::reading {
  int more;
};
struct with_bits {
  unsigned low : 4;
  unsigned high : 4;
};
struct with_constant {
  int const value = 1;
};
struct with_reference {
  int& value;
};
struct made_otherwise {
  std::string text;
  zoo::without_default value = zoo::without_default(1);
};
struct half_free {
  int value;
};
template <class Archive>
void save(Archive&, half_free const&) {}
struct unreachable {
  int value;

 private:
  template <class Archive>
  void serialize(Archive&) {}
};
struct twice {
  template <class Archive>
  void serialize(Archive&) {}
  template <class Archive>
  void save(Archive&) const {}
  template <class Archive>
  void load(Archive&) {}
};
struct twice_but_stated : twice {};
struct only_saved {
  int value;
  template <class Archive>
  void save(Archive&) const {}
};
class hidden_default {
  hidden_default() = default;
  friend class cereal::access;

 public:
  template <class Archive>
  void serialize(Archive&) {}
};
// A user's class of the shape of std::optional, with functions of its own.
template <class T>
struct own_optional {
  using value_type = T;
  bool has_value() const { return has; }
  T& emplace() { return value; }
  void reset() {}
  template <class Archive>
  void serialize(Archive& ar) {
    ar(has, value);
  }
  bool has = false;
  T value{};
};

template <class T, class Tag>
struct strong {
  T value{};
  template <class Archive>
  void serialize(Archive& ar) {
    ar(value);
  }
};
// An order, a hash, an equality and a deleter.
struct by_remainder {
  int by = 10;
  bool operator()(int a, int b) const { return a % by < b % by; }
  std::size_t operator()(int a) const { return static_cast<std::size_t>(a % by); }
  void operator()(int const* a) const { delete a; }
};
struct without_default_order : std::less<> {
  explicit without_default_order(int) {}
};

template <class T>
constexpr obstacle why = obstacle_of<T, true>;

static_assert(check_travels<int, std::string, zoo::tree, std::vector<std::map<int, zoo::by_member>>>());
static_assert(check_travels<>());
static_assert(is_travelling<std::unique_ptr<zoo::without_default>>);
static_assert(is_travelling<polymorphic>);

static_assert(why<int*> == obstacle::raw_pointer);
static_assert(why<char const*> == obstacle::raw_pointer);
static_assert(why<void (*)()> == obstacle::raw_pointer);
static_assert(why<int zoo::versioned::*> == obstacle::raw_pointer);
static_assert(why<std::nullptr_t> == obstacle::raw_pointer);
static_assert(why<std::shared_ptr<int>> == obstacle::shared_pointer);
static_assert(why<std::weak_ptr<int>> == obstacle::shared_pointer);
static_assert(why<std::unique_ptr<polymorphic>> == obstacle::polymorphic_pointer);
static_assert(why<std::unique_ptr<int[]>> == obstacle::array_pointer);
static_assert(why<int&> == obstacle::reference);
static_assert(why<std::string_view> == obstacle::view);
static_assert(why<std::span<int const>> == obstacle::view);
static_assert(why<wchar_t> == obstacle::wide_character);
static_assert(why<std::wstring> == obstacle::wide_character);
static_assert(why<long double> == obstacle::wide_number);
static_assert(why<std::complex<long double>> == obstacle::wide_number);
static_assert(why<std::chrono::duration<long double>> == obstacle::wide_number);
static_assert(why<twice> == obstacle::ambiguous);
static_assert(why<without_functions> == obstacle::no_functions);
static_assert(why<only_saved> == obstacle::no_functions);
static_assert(why<std::function<void()>> == obstacle::function_object);
static_assert(why<std::any> == obstacle::no_header);
static_assert(why<zoo::without_default> == obstacle::no_default_constructor);
static_assert(why<std::unique_ptr<hidden_default>> == obstacle::no_default_constructor);
static_assert(why<hidden_default> == obstacle::no_default_constructor);

// Aggregates.
static_assert(check_travels<zoo::reading, zoo::station, zoo::sixteen, zoo::family>());
static_assert(why<seventeen> == obstacle::too_many_members);
static_assert(why<with_base> == obstacle::base_class);
static_assert(why<with_bits> == obstacle::unbound_member);
static_assert(why<with_constant> == obstacle::const_member);
static_assert(why<with_reference> == obstacle::unmade_member);
static_assert(why<made_otherwise> == obstacle::unmade_member);
static_assert(why<half_free> == obstacle::no_functions);
static_assert(why<unreachable> == obstacle::no_functions);

// The first obstacle is found inside templates.
static_assert(why<std::vector<std::shared_ptr<int>>> == obstacle::shared_pointer);
static_assert(why<std::map<std::string, int*>> == obstacle::raw_pointer);
static_assert(why<std::map<without_functions*, int>> == obstacle::raw_pointer);
static_assert(why<std::optional<without_functions>> == obstacle::no_functions);
static_assert(why<std::variant<int, long double>> == obstacle::wide_number);
static_assert(why<std::tuple<int, std::pair<int, wchar_t>>> == obstacle::wide_character);
static_assert(why<std::array<std::unique_ptr<std::string_view>, 2>> == obstacle::view);
static_assert(why<std::stack<std::shared_ptr<int>>> == obstacle::shared_pointer);
static_assert(why<std::vector<zoo::without_default>> == obstacle::no_default_constructor);

// What a template is made of need not travel, unless it is a part: tags, comparators, hashes, allocators.
static_assert(is_travelling<strong<int, struct user_tag>>);
static_assert(is_travelling<std::tuple<strong<int, struct user_tag>>>);
static_assert(is_travelling<std::optional<strong<int, struct user_tag>>>);
static_assert(is_travelling<std::variant<strong<int, struct user_tag>>>);
static_assert(is_travelling<std::tuple<std::tuple<strong<int, struct user_tag>>>>);
static_assert(is_travelling<std::tuple<std::variant<std::set<int, by_remainder>>>>);
static_assert(is_travelling<std::tuple<std::set<int, by_remainder>>>);
static_assert(is_travelling<std::tuple<std::map<int, int, by_remainder>>>);
static_assert(is_travelling<std::tuple<std::unordered_set<int, by_remainder, by_remainder>>>);
static_assert(is_travelling<std::tuple<std::unique_ptr<int, by_remainder>>>);
static_assert(is_travelling<std::tuple<std::pmr::vector<int>>>);
static_assert(is_travelling<std::tuple<std::pmr::map<int, std::pmr::string>>>);
static_assert(why<std::tuple<std::tuple<strong<int, struct user_tag>, int*>>> == obstacle::raw_pointer);
static_assert(why<std::variant<std::vector<wchar_t>>> == obstacle::wide_character);

// Made anew where it arrives, it would be null, or could not be made.
static_assert(why<std::set<int, bool (*)(int, int)>> == obstacle::function_pointer);
static_assert(why<std::map<int, int, bool (*)(int, int)>> == obstacle::function_pointer);
static_assert(why<std::unordered_set<int, std::size_t (*)(int)>> == obstacle::function_pointer);
static_assert(why<std::unique_ptr<int, void (*)(int*)>> == obstacle::function_pointer);
static_assert(why<std::set<int, without_default_order>> == obstacle::no_default_constructor);

static_assert(std::is_same_v<wire_type_t<std::string_view>, std::string>);
static_assert(std::is_same_v<wire_type_t<std::string_view const&>, std::string>);
static_assert(std::is_same_v<wire_type_t<std::span<float const>>, std::vector<float>>);
static_assert(std::is_same_v<wire_type_t<std::span<float const, 4>>, std::vector<float>>);
static_assert(std::is_same_v<wire_type_t<std::string const&>, std::string>);
static_assert(std::is_same_v<wire_type_t<std::string&&>, std::string>);
static_assert(std::is_same_v<wire_type_t<int const>, int>);
static_assert(std::is_same_v<wire_type_t<int&>, int&>);
static_assert(!is_travelling<wire_type_t<std::span<float>>>);

}  // namespace

CEREAL_SPECIALIZE_FOR_ALL_ARCHIVES(twice_but_stated, cereal::specialization::member_serialize)

TEST_CASE("an ambiguous type that cereal::specialize decides travels") {
  CHECK(yonder::detail::serialization_of<twice_but_stated>.how == yonder::detail::form::member_serialize);
  CHECK(is_travelling<twice_but_stated>);
}

TEST_CASE("a user's class that looks like a library type keeps its own functions") {
  own_optional<int> value;
  value.has = true;
  value.value = 9;
  yonder::detail::encoded bytes;
  encode(bytes, value);
  CHECK(bytes.head.size() == 5);
  CHECK(yonder::detail::kind_of<own_optional<int>> == yonder::detail::kind::user);
}
