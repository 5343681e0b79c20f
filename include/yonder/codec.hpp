// SPDX-License-Identifier: Apache-2.0
#pragma once

// How values become bytes and back: cereal's archives over flat buffers, and the errors they throw. Users
// give their types cereal's functions (serialize, save and load, …); <cereal/types/….hpp> adds those of the
// standard library but for strings, vectors, arrays, tuples, pairs, optionals, variants, valarrays, bitsets
// and unique_ptrs, which are here.
#include "yonder/detail/codec_error.hpp"
#include "yonder/detail/codec_reader.hpp"
#include "yonder/detail/codec_travels.hpp"
#include "yonder/detail/codec_writer.hpp"
#include "yonder/schema.hpp"
