// SPDX-License-Identifier: Apache-2.0
#include "yonder/detail/codec_error.hpp"

#include <cxxabi.h>

#include <cstdlib>
#include <memory>
#include <new>

#include "src/codec/type_name.hpp"

namespace yonder {
namespace {

std::string at(std::size_t offset) { return " (at byte " + std::to_string(offset) + ")"; }

}  // namespace

namespace {

errc code_of(codec_fault fault) {
  switch (fault) {
    case codec_fault::over_budget: return errc::too_large;
    case codec_fault::unstable_structure: return errc::bad_configuration;
    default: return errc::undecodable;
  }
}

}  // namespace

codec_error::codec_error(codec_fault what_fault, std::size_t where, std::string const& words)
    : error({.code = code_of(what_fault), .message = words}), fault(what_fault), offset(where) {}

codec_error::~codec_error() = default;

namespace detail {

std::string type_name(std::type_info const& type) {
  int status = 0;
  std::unique_ptr<char, decltype(&std::free)> const name(
      abi::__cxa_demangle(type.name(), nullptr, nullptr, &status), &std::free);
  return name ? name.get() : type.name();
}

void throw_truncated(std::size_t offset, std::uint64_t needed, std::size_t left) {
  throw codec_error(codec_fault::truncated, offset,
                    "the bytes end too early: " + std::to_string(needed) + " more are needed, " +
                        std::to_string(left) + " are left" + at(offset));
}

void throw_trailing(std::size_t offset, std::size_t bytes, std::size_t buffers) {
  throw codec_error(codec_fault::trailing, offset,
                    "the value is complete, but " + std::to_string(bytes) + " bytes and " +
                        std::to_string(buffers) + " buffers are left" + at(offset));
}

void throw_too_deep(std::size_t offset, unsigned limit) {
  throw codec_error(codec_fault::too_deep, offset,
                    "objects are nested deeper than " + std::to_string(limit) +
                        "; send a long chain as a std::vector" + at(offset));
}

void throw_over_budget(std::size_t offset, std::uint64_t count, std::size_t each, std::size_t left) {
  throw codec_error(
      codec_fault::over_budget, offset,
      std::to_string(count) + " elements of " + std::to_string(each) +
          " bytes of memory exceed what is left of the decoding budget, " + std::to_string(left) +
          " bytes; runtime_options::max_decoded_bytes of whoever decodes raises it" + at(offset));
}

void throw_bad_bool(std::size_t offset, unsigned found) {
  throw codec_error(codec_fault::bad_bool, offset,
                    "a bool must be 0 or 1, not " + std::to_string(found) + at(offset));
}

void throw_bad_index(std::size_t offset, std::uint64_t found, std::uint64_t last) {
  throw codec_error(codec_fault::bad_value, offset,
                    "alternative " + std::to_string(found) + " of a variant whose last is " +
                        std::to_string(last) + at(offset));
}

void throw_bad_version(std::size_t offset, std::type_info const& type, std::uint32_t found,
                       std::uint32_t newest) {
  throw codec_error(codec_fault::bad_value, offset,
                    "version " + std::to_string(found) + " of " + type_name(type) +
                        ", of which this program knows " + std::to_string(newest) + " at most" + at(offset));
}

void throw_bad_block(std::size_t offset, std::size_t found, std::size_t expected) {
  throw codec_error(codec_fault::bad_value, offset,
                    "a block of " + std::to_string(expected) + " bytes travels in a buffer of " +
                        std::to_string(found) + at(offset));
}

void throw_lost_deferment(std::size_t offset) {
  throw codec_error(codec_fault::bad_value, offset,
                    "a class used cereal::defer, but nothing called serializeDeferments()" + at(offset));
}

void throw_not_constructed() {
  throw codec_error(codec_fault::rejected, 0, "load_and_construct returned without a call of construct(...)");
}

void rethrow_as_codec_error(std::size_t offset, std::type_info const& type) {
  try {
    throw;
  } catch (codec_error const&) {
    throw;
  } catch (std::bad_alloc const&) {
    throw;
  } catch (std::exception const& error) {
    throw codec_error(codec_fault::rejected, offset,
                      "while loading " + type_name(type) + ": " + error.what() + at(offset));
  } catch (abi::__forced_unwind const&) {  // the thread is being cancelled
    throw;
  } catch (...) {
    throw codec_error(codec_fault::rejected, offset,
                      "while loading " + type_name(type) +
                          ": it threw what is not derived from std::exception" + at(offset));
  }
}

}  // namespace detail
}  // namespace yonder
