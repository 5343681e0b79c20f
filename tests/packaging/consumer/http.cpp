// SPDX-License-Identifier: Apache-2.0
#include <yonder/http.hpp>
#include <yonder/yonder.hpp>

double twice(double x) { return 2 * x; }
inline constexpr yonder::task<twice> doubled;
inline constexpr yonder::http::endpoint<doubled, "x"> doubled_over_http;

int main(int argc, char** argv) {
  yonder::runtime here(argc, argv, {.http = {.address = "127.0.0.1:0", .without_keys = true}});
  return here.http_address().starts_with("http://127.0.0.1:") && doubled.remote(21) == 42 ? 0 : 1;
}
