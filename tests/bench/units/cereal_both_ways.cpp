// SPDX-License-Identifier: Apache-2.0
//
// Compiled for its compile time only: a unit that uses cereal both ways once.
#include <cereal/archives/binary.hpp>
#include <cereal/types/string.hpp>
#include <sstream>

#include "message.hpp"

message there_and_back(message const& value) {
  std::stringstream stream;
  cereal::BinaryOutputArchive{stream}(value);
  message copy;
  cereal::BinaryInputArchive{stream}(copy);
  return copy;
}
