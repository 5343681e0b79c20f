// SPDX-License-Identifier: Apache-2.0
#pragma once

// How values become bytes and back: cereal's archives over flat buffers, and the errors they throw. Users
// give their types cereal's functions (serialize, save and load, …). docs/codec.md lists the types of the
// standard library that are here; <cereal/types/….hpp> adds the others.
#include "yonder/detail/export.hpp"

#include "yonder/detail/codec_error.hpp"
#include "yonder/detail/codec_reader.hpp"
#include "yonder/detail/codec_travels.hpp"
#include "yonder/detail/codec_writer.hpp"
#include "yonder/schema.hpp"

#ifndef YONDER_LINKS_CORE
#include "yonder/detail/codec_definitions.hpp"
#endif
