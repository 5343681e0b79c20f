// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>
#include <random>

#include "tests/unit/codec/zoo.hpp"

// Random values of every type in the zoo, for round trips.
namespace zoo {

class dice {
 public:
  explicit dice(std::uint64_t seed) : engine_(seed) {}

  std::uint64_t bits() { return engine_(); }
  std::size_t size() { return engine_() % 5; }
  bool coin() { return engine_() % 2 != 0; }

  template <class T>
  T value() {
    T made{};
    fill(made);
    return made;
  }

  template <class T>
  requires std::is_arithmetic_v<T>
  void fill(T& number) {
    if constexpr (std::is_same_v<T, bool>) {
      number = coin();
    } else if constexpr (std::is_floating_point_v<T>) {
      number = static_cast<T>(static_cast<double>(static_cast<std::int64_t>(bits())) / 1e6);
    } else {
      number = static_cast<T>(bits());
    }
  }
  template <class C>
  void fill(std::basic_string<C>& text) {
    text.resize(size() * 7);
    for (auto& c : text) fill(c);
  }
  template <class T>
  requires requires(T& t) { t.emplace_back(), t.resize(1); }
  void fill(T& sequence) {
    sequence.resize(size());
    for (auto&& each : sequence) each = value<typename T::value_type>();
  }
  template <class T>
  void fill(std::forward_list<T>& list) {
    for (auto n = size(); n > 0; --n) list.push_front(value<T>());
  }
  template <class T>
  requires requires { typename T::key_type; }
  void fill(T& set) {
    for (auto n = size(); n > 0; --n) {
      if constexpr (requires { typename T::mapped_type; }) {
        set.emplace(value<typename T::key_type>(), value<typename T::mapped_type>());
      } else {
        set.emplace(value<typename T::key_type>());
      }
    }
  }
  template <class T, class C>
  void fill(std::stack<T, C>& stack) {
    for (auto n = size(); n > 0; --n) stack.push(value<T>());
  }
  template <class T, class C>
  void fill(std::queue<T, C>& queue) {
    for (auto n = size(); n > 0; --n) queue.push(value<T>());
  }
  template <class T, class C, class L>
  void fill(std::priority_queue<T, C, L>& queue) {
    for (auto n = size(); n > 0; --n) queue.push(value<T>());
  }
  template <class T, std::size_t N>
  void fill(std::array<T, N>& array) {
    for (auto& each : array) fill(each);
  }
  template <class T>
  void fill(std::valarray<T>& array) {
    array.resize(size());
    for (auto& each : array) fill(each);
  }
  template <std::size_t N>
  void fill(std::bitset<N>& set) {
    for (std::size_t i = 0; i < N; ++i) set[i] = coin();
  }
  template <class... T>
  void fill(std::tuple<T...>& tuple) {
    std::apply([this](auto&... part) { (this->fill(part), ...); }, tuple);
  }
  template <class T, class U>
  void fill(std::pair<T, U>& pair) {
    fill(pair.first);
    fill(pair.second);
  }
  template <class T>
  void fill(std::optional<T>& optional) {
    if (coin()) fill(optional.emplace());
  }
  template <class... T>
  void fill(std::variant<T...>& variant) {
    auto const index = bits() % sizeof...(T);
    [&]<std::size_t... I>(std::index_sequence<I...>) {
      (void)((I == index && (this->fill(variant.template emplace<I>()), true)) || ...);
    }
    (std::index_sequence_for<T...>{});
  }
  template <class T>
  void fill(std::unique_ptr<T>& pointer) {
    if (coin()) fill(*(pointer = std::make_unique<T>()));
  }
  template <class T>
  void fill(std::complex<T>& number) {
    number = {value<T>(), value<T>()};
  }
  template <class T>
  void fill(std::atomic<T>& atomic) {
    atomic = value<T>();
  }
  template <class R, class P>
  void fill(std::chrono::duration<R, P>& duration) {
    duration = std::chrono::duration<R, P>(value<R>());
  }
  template <class C, class D>
  void fill(std::chrono::time_point<C, D>& point) {
    point = std::chrono::time_point<C, D>(value<D>());
  }

  void fill(std::byte& byte) { byte = static_cast<std::byte>(bits()); }
  void fill(color& value) { value = static_cast<color>(bits() % 3); }
  void fill(plain& value) { value = coin() ? first : second; }
  void fill(yes_no& value) { value = coin() ? yes_no::yes : yes_no::no; }
  void fill(mood& value) { value = coin() ? mood::glad : mood::glum; }
  void fill(nothing&) {}
  void fill(by_member& value) { fill(value.label), fill(value.score); }
  void fill(by_function& value) { fill(value.x), fill(value.y); }
  void fill(with_member_split& made) { made = with_member_split(value<std::vector<std::int64_t>>()); }
  void fill(with_free_split& value) { fill(value.value); }
  void fill(with_member_minimal& value) { fill(value.text); }
  void fill(with_free_minimal& value) { value.degrees = static_cast<std::int32_t>(bits() % 721) - 360; }
  void fill(versioned& value) { fill(value.since_1), fill(value.since_3); }
  void fill(versioned_split& value) { fill(value.name); }
  void fill(reading& value) { fill(value.value), fill(value.unit); }
  void fill(station& value) {
    fill(value.id), fill(value.name), fill(value.place[1]), fill(value.flags[1][0]), fill(value.readings);
    fill(value.notes), fill(value.last), fill(value.load);
  }
  void fill(sixteen& value) { fill(value.a), fill(value.p); }
  void fill(family& value) {
    fill(value.age);
    if (bits() % 3 == 0) fill(value.children);
  }
  void fill(base& value) { fill(value.id); }
  void fill(derived& value) { fill(value.id), fill(value.name); }
  void fill(diamond& value) { fill(value.id); }
  void fill(tree& value) {
    fill(value.value);
    if (bits() % 3 == 0) fill(value.children);
  }
  void fill(chain& value) { fill(value.value), fill(value.next); }
  void fill(deferred& value) { fill(value.value), fill(value.later), fill(value.last); }
  void fill(raw_block& value) {
    value.count = static_cast<std::uint32_t>(bits() % 64);
    value.numbers.resize(value.count);
    for (auto& each : value.numbers) fill(each);
  }
  void fill(c_arrays& value) {
    for (auto& each : value.numbers) fill(each);
    for (auto& each : value.flags) fill(each);
    for (auto& each : value.words) fill(each);
  }
  template <class T>
  void fill(bag<T>& value) {
    fill(value.items);
  }

 private:
  std::mt19937_64 engine_;
};

}  // namespace zoo
