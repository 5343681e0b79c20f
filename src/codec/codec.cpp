// SPDX-License-Identifier: Apache-2.0
#include "yonder/codec.hpp"

#include "yonder/detail/codec_definitions.hpp"
