// SPDX-License-Identifier: Apache-2.0
#include "yonder/codec.hpp"

#include <array>
#include <cereal/archives/binary.hpp>
#include <cereal/types/string.hpp>
#include <cereal/types/vector.hpp>
#include <cstring>
#include <sstream>
#include <tuple>

#include "tests/bench/rows.hpp"
#include "tests/bench/workload.hpp"

namespace bench {
namespace {

namespace codec = yonder::detail;

using small_value = std::tuple<int, double, std::string>;

constexpr std::size_t text_size = 32;

std::vector<small_value> random_values() {
  std::vector<small_value> values;
  auto const text = random_text(text_size * 256);
  for (int i = 0; i < 256; ++i)
    values.emplace_back(i * 7919, i / 3.0, text.substr(static_cast<std::size_t>(i) * text_size, text_size));
  return values;
}

// One value there and back, by ours, cereal's own archive, and copies of its bytes.

void by_yonder(small_value const& value, codec::encoded& bytes) {
  bytes.head.clear();
  codec::encode(bytes, value);
  auto decoded = codec::decode<small_value>(bytes.head, bytes.buffers);
  observe(decoded);
}

void by_cereal(small_value const& value) {
  std::stringstream stream;
  cereal::BinaryOutputArchive out(stream);
  auto const& [number, real, text] = value;
  out(number, real, text);
  small_value decoded;
  cereal::BinaryInputArchive in(stream);
  in(std::get<0>(decoded), std::get<1>(decoded), std::get<2>(decoded));
  observe(decoded);
}

struct flat_value {
  int number;
  double real;
  std::array<char, text_size> text;
};

void by_memcpy(flat_value const& value, std::array<char, sizeof(flat_value)>& bytes) {
  std::memcpy(bytes.data(), &value, sizeof value);
  observe(bytes);
  flat_value decoded;
  std::memcpy(&decoded, bytes.data(), sizeof decoded);
  observe(decoded);
}

void measure_small(report& to) {
  auto const values = random_values();
  codec::encoded bytes;
  auto const ours = [&] {
    return time_per_call(values.size(), [&] {
      for (auto const& value : values) by_yonder(value, bytes);
    });
  };
  auto const cereal = [&] {
    return time_per_call(values.size(), [&] {
      for (auto const& value : values) by_cereal(value);
    });
  };
  std::vector<flat_value> flat(values.size());
  for (std::size_t i = 0; i < flat.size(); ++i) {
    flat[i].number = std::get<0>(values[i]);
    flat[i].real = std::get<1>(values[i]);
    std::memcpy(flat[i].text.data(), std::get<2>(values[i]).data(), text_size);
  }
  std::array<char, sizeof(flat_value)> flat_bytes{};
  auto const copies = [&] {
    return time_per_call(flat.size(), [&] {
      for (auto const& value : flat) by_memcpy(value, flat_bytes);
    });
  };
  std::string const what = "codec, {int, double, string(32)} both ways";
  to.add({what, "ns", "cereal BinaryArchive", at_most(45)}, compare(ours, cereal));
  to.add({what, "ns", "memcpy", at_most(45)}, compare(ours, copies));
}

void measure_large(report& to) {
  auto const numbers = random_floats((std::size_t{1} << 20) / sizeof(float));
  std::vector<float> there(numbers.size());
  std::vector<float> back(numbers.size());
  codec::encoded bytes;
  auto const ours = [&] {
    return time_per_call(1, [&] {
      bytes.head.clear();
      bytes.buffers.clear();
      codec::encode(bytes, numbers);
      auto decoded = codec::decode<std::vector<float>>(bytes.head, bytes.buffers);
      observe(decoded);
    });
  };
  auto const copies = [&] {
    return time_per_call(1, [&] {
      std::memcpy(there.data(), numbers.data(), numbers.size() * sizeof(float));
      observe(there);
      std::memcpy(back.data(), there.data(), there.size() * sizeof(float));
      observe(back);
    });
  };
  auto const cereal = [&] {
    return time_per_call(1, [&] {
      std::stringstream stream;
      cereal::BinaryOutputArchive{stream}(numbers);
      cereal::BinaryInputArchive{stream}(back);
      observe(back);
    });
  };
  std::string const what = "codec, 1 MiB vector<float> both ways";
  to.add({what, "µs", "two memcpys", ratio_at_most(1.1)}, compare(ours, copies), 1e3);
  to.add({what, "µs", "cereal BinaryArchive", ratio_at_most(1.1)}, compare(ours, cereal), 1e3);
}

}  // namespace

void measure_codec(report& to) {
  pinned const here;
  measure_small(to);
  measure_large(to);
}

}  // namespace bench
