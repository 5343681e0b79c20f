// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "yonder/detail/structure.hpp"

namespace yonder {

// The declared structure of T, for a type whose serialize reads different things for different values, or
// throws for values of zeros and ones. (Such a type is refused with codec_fault::unstable_structure when its
// task is first used.) Change the name whenever the form on the wire changes; list the types that it may
// contain, where they may change.
//
//   template <>
//   struct yonder::schema<shape> {
//     static constexpr std::string_view name = "geometry.shape/2";
//     using parts = std::tuple<circle, polygon>;  // optional
//   };
template <class T>
struct schema;

}  // namespace yonder
