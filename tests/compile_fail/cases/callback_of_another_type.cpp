// SPDX-License-Identifier: Apache-2.0
// expect: then() takes a task whose only parameter is what the call returns
#include <yonder/callback.hpp>

#include <string>

int count(std::string const& text);
inline constexpr yonder::task<count> counting{{.durable = true}};
void print(std::string const& text);
inline constexpr yonder::task<print> printing;

void both() { (void)counting.then(printing).spawn("text"); }
