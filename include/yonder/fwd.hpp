// SPDX-License-Identifier: Apache-2.0
#pragma once

// The names of Yonder, for headers that only mention them.
namespace yonder {

class error;
class runtime;
struct call_id;
struct options;
struct runtime_options;
template <class R>
class call;
template <class T>
class generator;
template <class T>
class input_stream;
template <class T>
class ref;
template <class T>
class stream_range;
template <class T, class E>
class expected;

}  // namespace yonder
