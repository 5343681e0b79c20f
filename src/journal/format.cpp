// SPDX-License-Identifier: Apache-2.0
#include "src/journal/format.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <limits>

#include "src/core/crc32c.hpp"
#include "src/core/little_endian.hpp"

namespace yonder::journal {
namespace {

using core::crc32c;
using core::load_le;
using core::store_le;

constexpr std::uint64_t segment_magic = 0x4745535245444e59;  // "YNDERSEG"
constexpr std::uint64_t witness_magic = 0x5449575245444e59;  // "YNDERWIT"
constexpr std::size_t preface_size = 16;                     // magic u64, version u32, their crc32c

constexpr std::uint8_t flag_continues = 1;
constexpr std::uint8_t flag_copy = 2;

// Offsets in a record's header.
namespace in_record {
constexpr std::size_t seal = 0, previous = 4, number = 8, synced = 16, origin = 24, session = 32, call = 40,
                      time = 48, items = 56, size = 60, body = 64, schema = 68, kind = 70, flags = 71;
}

std::uint32_t seed(location const& at) noexcept {
  std::byte bytes[20];
  store_le(bytes, at.identity);
  store_le(bytes + 8, at.offset);
  store_le(bytes + 16, at.segment);
  return crc32c(bytes);
}

std::uint32_t make_seal(std::byte const* header, location const& at) noexcept {
  return crc32c({header + in_record::previous, record_header_size - in_record::previous}, seed(at));
}

// A header that is true as such; its body may be anything.
bool header_holds(std::span<std::byte const> bytes, location const& at) noexcept {
  if (bytes.size() < record_header_size) return false;
  auto const what = static_cast<std::uint8_t>(bytes[in_record::kind]);
  auto const flags = static_cast<std::uint8_t>(bytes[in_record::flags]);
  auto const items = load_le<std::uint32_t>(&bytes[in_record::items]);
  if (what < 1 || what > 4 || flags > (flag_continues | flag_copy) || items == 0) return false;
  if (load_le<std::uint64_t>(&bytes[in_record::call]) > std::numeric_limits<std::uint64_t>::max() - items)
    return false;
  return make_seal(bytes.data(), at) == load_le<std::uint32_t>(&bytes[in_record::seal]);
}

void write_preface(std::byte* to, std::uint64_t magic) noexcept {
  store_le(to, magic);
  store_le(to + 8, format_version);
  store_le(to + 12, crc32c({to, 12}));
}

preface read_preface(std::span<std::byte const> bytes, std::uint64_t magic, std::uint32_t& version) noexcept {
  if (bytes.size() < preface_size || load_le<std::uint64_t>(bytes.data()) != magic ||
      load_le<std::uint32_t>(&bytes[12]) != crc32c(bytes.first(12)))
    return preface::damaged;
  version = load_le<std::uint32_t>(&bytes[8]);
  if (version > format_version) return preface::newer;
  return version == format_version ? preface::good : preface::damaged;
}

// The last four bytes are the checksum of all before.
bool sum_holds(std::span<std::byte const> bytes) noexcept {
  auto const end = bytes.size() - 4;
  return crc32c(bytes.first(end)) == load_le<std::uint32_t>(&bytes[end]);
}
void add_sum(std::span<std::byte> bytes) noexcept {
  auto const end = bytes.size() - 4;
  store_le(&bytes[end], crc32c(bytes.first(end)));
}

constexpr std::string_view segment_suffix = ".segment";
constexpr std::size_t segment_digits = 10;

}  // namespace

void encode(record const& what, std::byte* to) noexcept {
  std::memset(to, 0, record_header_size);
  store_le(to + in_record::number, what.number);
  store_le(to + in_record::synced, what.synced);
  store_le(to + in_record::origin, what.origin);
  store_le(to + in_record::session, what.call.session);
  store_le(to + in_record::call, what.call.number);
  store_le(to + in_record::time, what.time);
  store_le(to + in_record::items, what.items);
  store_le(to + in_record::size, what.size);
  store_le(to + in_record::schema, what.schema);
  store_le(to + in_record::kind, static_cast<std::uint8_t>(what.what));
  store_le(to + in_record::flags,
           static_cast<std::uint8_t>((what.continues ? flag_continues : 0) | (what.copy ? flag_copy : 0)));
}

record decode(std::byte const* from) noexcept {
  record made;
  made.number = load_le<std::uint64_t>(from + in_record::number);
  made.synced = load_le<std::uint64_t>(from + in_record::synced);
  made.origin = load_le<std::uint64_t>(from + in_record::origin);
  made.call = {load_le<std::uint64_t>(from + in_record::session),
               load_le<std::uint64_t>(from + in_record::call)};
  made.time = load_le<std::int64_t>(from + in_record::time);
  made.items = load_le<std::uint32_t>(from + in_record::items);
  made.size = load_le<std::uint32_t>(from + in_record::size);
  made.schema = load_le<std::uint16_t>(from + in_record::schema);
  made.what = static_cast<kind>(load_le<std::uint8_t>(from + in_record::kind));
  auto const flags = load_le<std::uint8_t>(from + in_record::flags);
  made.continues = (flags & flag_continues) != 0;
  made.copy = (flags & flag_copy) != 0;
  return made;
}

std::uint32_t seal(std::span<std::byte> bytes, location const& at, std::uint64_t number, std::uint64_t synced,
                   std::uint32_t previous) noexcept {
  auto* const header = bytes.data();
  store_le(header + in_record::number, number);
  store_le(header + in_record::synced, synced);
  if (load_le<std::uint64_t>(header + in_record::origin) == 0) store_le(header + in_record::origin, number);
  store_le(header + in_record::previous, previous);
  store_le(header + in_record::body, crc32c(bytes.subspan(record_header_size)));
  auto const made = make_seal(header, at);
  store_le(header + in_record::seal, made);
  return made;
}

std::uint32_t seal_of(std::byte const* record) noexcept {
  return load_le<std::uint32_t>(record + in_record::seal);
}

void store_time(std::byte* record, std::int64_t time) noexcept { store_le(record + in_record::time, time); }

std::optional<found_record> read_record(std::span<std::byte const> bytes, location const& at) noexcept {
  if (!header_holds(bytes, at)) return std::nullopt;
  found_record found;
  found.what = decode(bytes.data());
  auto const whole = size_on_disk(found.what.size);
  if (whole > bytes.size()) return std::nullopt;
  auto const padded = bytes.subspan(record_header_size, whole - record_header_size);
  if (crc32c(padded) != load_le<std::uint32_t>(&bytes[in_record::body])) return std::nullopt;
  found.previous = load_le<std::uint32_t>(&bytes[in_record::previous]);
  found.seal = load_le<std::uint32_t>(&bytes[in_record::seal]);
  found.body = padded.first(found.what.size);
  return found;
}

bool proves_synced(std::span<std::byte const> bytes, std::uint64_t from, location at,
                   std::uint64_t number) noexcept {
  auto const begin = at.offset;
  for (auto offset = (from + 7) / 8 * 8; offset + record_header_size <= bytes.size(); offset += 8) {
    auto const here = bytes.subspan(offset);
    // Between `number` and this one lie at most so many records: most bytes are no header by that alone.
    auto const its_number = load_le<std::uint64_t>(&here[in_record::number]);
    if (its_number <= number || its_number - number > offset / record_header_size) continue;
    if (load_le<std::uint64_t>(&here[in_record::synced]) < number) continue;
    at.offset = begin + offset;
    if (header_holds(here, at)) return true;
  }
  return false;
}

segment_header_bytes encode(segment_header const& what) noexcept {
  segment_header_bytes made{};
  write_preface(made.data(), segment_magic);
  store_le(&made[16], what.identity);
  store_le(&made[24], what.first);
  store_le(&made[32], what.segment);
  store_le(&made[36], what.previous);
  add_sum(made);
  return made;
}

found_segment_header read_segment_header(std::span<std::byte const> bytes) noexcept {
  found_segment_header found;
  found.state = read_preface(bytes, segment_magic, found.version);
  if (found.state != preface::good) return found;
  if (bytes.size() < segment_header_size || !sum_holds(bytes.first(segment_header_size))) {
    found.state = preface::damaged;
    return found;
  }
  found.what.identity = load_le<std::uint64_t>(&bytes[16]);
  found.what.first = load_le<std::uint64_t>(&bytes[24]);
  found.what.segment = load_le<std::uint32_t>(&bytes[32]);
  found.what.previous = load_le<std::uint32_t>(&bytes[36]);
  return found;
}

witness_bytes encode(witness const& what) noexcept {
  witness_bytes made{};
  write_preface(made.data(), witness_magic);
  store_le(&made[16], what.identity);
  store_le(&made[24], what.sequence);
  store_le(&made[32], what.synced);
  store_le(&made[40], what.seal);
  store_le(&made[44], what.first);
  store_le(&made[48], what.last);
  store_le(&made[52], what.schema);
  add_sum(made);
  return made;
}

found_witness read_witness(std::span<std::byte const> slot) noexcept {
  found_witness found;
  found.state = read_preface(slot, witness_magic, found.version);
  if (found.state != preface::good) return found;
  if (slot.size() < witness_size || !sum_holds(slot.first(witness_size))) {
    found.state = preface::damaged;
    return found;
  }
  found.what.identity = load_le<std::uint64_t>(&slot[16]);
  found.what.sequence = load_le<std::uint64_t>(&slot[24]);
  found.what.synced = load_le<std::uint64_t>(&slot[32]);
  found.what.seal = load_le<std::uint32_t>(&slot[40]);
  found.what.first = load_le<std::uint32_t>(&slot[44]);
  found.what.last = load_le<std::uint32_t>(&slot[48]);
  found.what.schema = load_le<std::uint16_t>(&slot[52]);
  return found;
}

std::string segment_name(std::uint32_t segment) {
  auto const digits = std::to_string(segment);
  return std::string(segment_digits - digits.size(), '0') + digits + std::string(segment_suffix);
}

std::optional<std::uint32_t> segment_of(std::string_view name) noexcept {
  if (name.size() != segment_digits + segment_suffix.size() || !name.ends_with(segment_suffix))
    return std::nullopt;
  std::uint32_t number = 0;
  auto const [end, error] = std::from_chars(name.data(), name.data() + segment_digits, number);
  if (error != std::errc{} || end != name.data() + segment_digits || number == 0) return std::nullopt;
  return number;
}

}  // namespace yonder::journal
