// SPDX-License-Identifier: Apache-2.0
// A page on port 8000, with a form for the function: http://127.0.0.1:8000/ (its key:
// ~/.config/yonder/http_keys).
#include <yonder/http.hpp>
#include <yonder/yonder.hpp>
double celsius(double fahrenheit) { return (fahrenheit - 32) / 1.8; }
inline constexpr yonder::task<celsius> to_celsius;
inline constexpr yonder::http::endpoint<to_celsius, "fahrenheit"> over_http;
int main(int argc, char** argv) {
  yonder::runtime(argc, argv, {.http = {.address = "127.0.0.1:8000"}}).serve();
}
