// SPDX-License-Identifier: Apache-2.0
//
// The decoder on hostile bytes. An input is: which type (1 byte), how many buffers travel beside (1 byte,
// modulo 3), the size of each beyond 4096 bytes (1 byte each), and the inline part. Whatever the bytes:
// - decoding throws nothing but codec_error, and never holds more memory than its budget and a little;
// - a decoded value encodes again, and that decodes to a value of the same encoding.
#include <sanitizer/allocator_interface.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <span>

#include "tests/unit/codec/zoo.hpp"
#if __has_include(<boost/serialization/nvp.hpp>)
#include "tests/unit/codec/boost_zoo.hpp"
#endif

namespace {

using yonder::codec_error;
using yonder::detail::buffer;
using yonder::detail::decode_limits;
using yonder::detail::encoded;

constexpr std::size_t budget = std::size_t{32} << 10;
// What a budget does not count: what constructors of elements allocate, exceptions, the lists of rare_state.
constexpr std::size_t slack = budget + (std::size_t{64} << 10);

struct memory {
  std::size_t live = 0;
  std::size_t peak = 0;
};
memory seen;

void on_malloc(void const volatile*, std::size_t size) {
  seen.live += size;
  seen.peak = std::max(seen.peak, seen.live);
}

void on_free(void const volatile* freed) {
  auto* const data = const_cast<void const*>(freed);
  auto const size = data == nullptr ? 0 : __sanitizer_get_allocated_size(data);
  seen.live -= std::min(seen.live, size);
}

void require(bool holds, char const* what) {
  if (holds) return;
  std::fprintf(stderr, "violated: %s\n", what);
  std::abort();
}

struct input {
  std::span<std::byte const> head;
  std::span<buffer const> buffers;
};

// Null if the bytes are refused, as they may be.
template <class T>
std::unique_ptr<T> try_decode(input const& bytes) {
  auto value = std::make_unique<T>();
  seen = {};
  try {
    yonder::detail::decode_to(*value, bytes.head, bytes.buffers, decode_limits{.bytes = budget});
  } catch (codec_error const&) {
    value.reset();
  }
  require(seen.peak <= budget + slack, "decoding stays within its budget");
  return value;
}

// Hash tables come back in another order.
template <class T>
inline constexpr bool is_unordered = requires {
  typename T::hasher;
};

template <class T>
void check(input const& bytes) {
  auto const value = try_decode<T>(bytes);
  if (!value) return;
  encoded again;
  yonder::detail::encode(again, *value);
  auto const copy = std::make_unique<T>();
  yonder::detail::decode_to(*copy, again.head, again.buffers);
  encoded third;
  yonder::detail::encode(third, *copy);
  require(third.head.size() == again.head.size(), "a value and its copy have encodings of one size");
  if constexpr (!is_unordered<T>)
    require(std::ranges::equal(third.head.bytes(), again.head.bytes()), "a value and its copy encode alike");
}

using check_function = void (*)(input const&);

template <class... T>
constexpr std::array<check_function, sizeof...(T)> checks_of = {&check<T>...};

// Append only: the corpus names types by their place.
constexpr auto checks = checks_of<
    std::string, std::u32string, std::vector<std::uint64_t>, std::vector<bool>, std::vector<std::string>,
    std::vector<zoo::nothing>, std::array<bool, 5>, std::tuple<int, bool, std::string>, zoo::by_member,
    zoo::with_member_split, zoo::with_member_minimal, zoo::with_free_minimal, std::vector<zoo::versioned>,
    zoo::mood, zoo::yes_no, std::set<zoo::diamond>, zoo::tree, zoo::chain, std::vector<zoo::deferred>,
    zoo::raw_block, zoo::c_arrays, zoo::bag<int>, std::vector<zoo::sparse>,
    std::vector<std::unique_ptr<zoo::sparse>>, std::unique_ptr<zoo::without_default>, std::deque<std::string>,
    std::list<zoo::by_member>, std::forward_list<int>, std::valarray<double>, std::valarray<bool>,
    std::valarray<std::string>, std::bitset<75>, std::map<std::string, std::vector<int>>,
    std::multimap<int, zoo::by_member>, std::set<std::string>, std::unordered_map<std::string, int>,
    std::unordered_set<int>, std::unordered_multiset<int>, std::stack<std::string>, std::queue<int>,
    std::priority_queue<int>, std::optional<std::vector<int>>,
    std::variant<int, std::string, std::vector<zoo::tree>>, std::complex<float>, std::chrono::milliseconds,
    std::atomic<int>, std::vector<std::deque<int>>, std::vector<std::array<char, 4096>>,
    std::tuple<std::vector<float>, std::string>, std::map<int, std::optional<zoo::derived>>, zoo::station,
    std::vector<zoo::sixteen>, zoo::family
#if __has_include(<boost/serialization/nvp.hpp>)
    ,
    boost_zoo::order, boost_zoo::bag, boost_zoo::raw, std::vector<boost_zoo::item>
#endif
    >;

}  // namespace

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name
extern "C" int LLVMFuzzerInitialize(int*, char***) {
  __sanitizer_install_malloc_and_free_hooks(on_malloc, on_free);
  return 0;
}

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name
extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  static std::array<std::byte, 4096 + 255> const content{};
  auto bytes = std::as_bytes(std::span(data, size));
  if (bytes.size() < 4) return 0;
  auto const type = std::to_integer<std::size_t>(bytes[0]) % checks.size();
  std::array<buffer, 2> beside;
  auto const count = std::to_integer<std::size_t>(bytes[1]) % 3;
  for (std::size_t i = 0; i < count; ++i)
    beside[i] = {content.data(), 4096 + std::to_integer<std::size_t>(bytes[2 + i]), nullptr};
  checks[type]({bytes.subspan(4), std::span(beside).first(count)});
  return 0;
}
