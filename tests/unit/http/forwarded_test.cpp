// SPDX-License-Identifier: Apache-2.0
#include "src/http/forwarded.hpp"

#include <doctest/doctest.h>

#include "tests/unit/http/desk.hpp"
#include "yonder/error.hpp"

namespace http_tests {
namespace {

std::string client_of(fields const& said, std::string_view peer = "10.0.0.1",
                      std::vector<std::string> const& believed = {"10.0.0.0/8", "fd00::/8"}) {
  auto const seen = outside_of(said, {.client = std::string(peer), .host = "own"}, proxy_list(believed));
  return seen.fault.empty() ? seen.client : "fault: " + seen.fault;
}
std::string client_in(std::string_view list) { return client_of({{"X-Forwarded-For", list}}); }
std::string client_in_forwarded(std::string_view list) { return client_of({{"Forwarded", list}}); }

// "https://example.org"
std::string origin_of(fields const& said, std::string_view peer = "10.0.0.1") {
  auto const seen =
      outside_of(said, {.client = std::string(peer), .host = "own"}, proxy_list({"10.0.0.0/8"}));
  return seen.fault.empty() ? (seen.is_tls ? "https://" : "http://") + seen.host : "fault: " + seen.fault;
}

std::string refusal_of(std::string const& range) {
  try {
    proxy_list const list({range});
    return "none";
  } catch (yonder::usage_error const& error) {
    CHECK(error.details().code == yonder::errc::bad_configuration);
    return error.details().message;
  }
}

bool holds(std::string const& range, std::string_view address) {
  return proxy_list({range}).contains(parse_ip(address).value());
}

bool mentions(std::string const& text, std::string_view word) { return text.find(word) != text.npos; }

TEST_CASE("addresses are read without zones, and IPv4 within IPv6 is IPv4") {
  CHECK(parse_ip("10.1.2.3") == parse_ip("::ffff:10.1.2.3"));
  CHECK(parse_ip("::ffff:0a01:0203") == parse_ip("10.1.2.3"));
  CHECK(parse_ip("fe80::1%eth0") == parse_ip("FE80:0:0::1"));
  CHECK(parse_ip("::10.1.2.3") != parse_ip("10.1.2.3"));
  CHECK(to_string(parse_ip("2001:DB8::0:1").value()) == "2001:db8::1");
  using namespace std::string_view_literals;
  for (auto const bad :
       {""sv, "1.2.3"sv, "1.2.3.4.5"sv, "01.2.3.4"sv, "256.1.1.1"sv, "1.2.3.4 "sv, "::1%"sv, "::1%a b"sv,
        ":::1"sv, "[::1]"sv, "1.2.3.4%eth0"sv, "1.2.3.4\0"sv, "::1\0"sv, "localhost"sv})
    CHECK_MESSAGE(!parse_ip(bad), bad);
}

TEST_CASE("ranges hold their own addresses, each family's apart") {
  CHECK(holds("10.0.0.0/8", "10.255.0.1"));
  CHECK_FALSE(holds("10.0.0.0/8", "11.0.0.0"));
  CHECK(holds("172.16.0.0/12", "172.31.255.255"));
  CHECK_FALSE(holds("172.16.0.0/12", "172.32.0.0"));
  CHECK(holds("10.0.0.0/8", "::ffff:10.0.0.9"));
  CHECK(holds("::ffff:10.0.0.0/104", "10.2.3.4"));
  CHECK(holds("127.0.0.1", "127.0.0.1"));
  CHECK_FALSE(holds("127.0.0.1", "127.0.0.2"));
  CHECK(holds("fd00::/8", "fdff::1"));
  CHECK_FALSE(holds("fd00::/8", "fe00::1"));
  CHECK_FALSE(holds("::/1", "10.0.0.1"));  // as ::ffff:10.0.0.1 would be within
  CHECK_FALSE(holds("128.0.0.0/1", "8000::1"));
  CHECK(holds("::1", "::1"));
}

TEST_CASE("what is no range, or everybody, is refused in words") {
  for (auto const* bad :
       {"", "*", "proxy.example", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/8x", "10.0.0.0/008x",
        "fe80::1%eth0", "::/129", "10.0.0.1:80", " 10.0.0.1", "10.0.0.0/8/8"})
    CHECK_MESSAGE(mentions(refusal_of(bad), "an address or a range is expected"), bad);
  CHECK(mentions(refusal_of("10.1.2.3/8"), "bits behind its prefix"));
  CHECK(mentions(refusal_of("::ffff:10.0.0.0/90"), "bits behind its prefix"));
  for (auto const* everybody : {"0.0.0.0/0", "::/0", "::ffff:0.0.0.0/96"})
    CHECK_MESSAGE(mentions(refusal_of(everybody), "would believe everybody"), everybody);
}

TEST_CASE("only a proxy that is named is believed") {
  fields const said{
      {"X-Forwarded-For", "203.0.113.7"}, {"X-Forwarded-Proto", "https"}, {"X-Forwarded-Host", "a.example"}};
  CHECK(client_of(said) == "203.0.113.7");
  CHECK(client_of(said, "11.0.0.1") == "11.0.0.1");
  CHECK(client_of(said, "10.0.0.1", {}) == "10.0.0.1");
  CHECK(client_of(said, "") == "");
  CHECK(origin_of(said) == "https://a.example");
  CHECK(origin_of(said, "11.0.0.1") == "http://own");
  CHECK(origin_of({{"X-Forwarded-Proto", "nonsense"}}, "11.0.0.1") == "http://own");  // not even read
  CHECK(client_of(said, "::ffff:10.0.0.1") == "203.0.113.7");
  CHECK(client_of({}) == "10.0.0.1");
}

TEST_CASE("the client is the rightmost address that is no such proxy's") {
  CHECK(client_in("1.1.1.1, 203.0.113.7") == "203.0.113.7");  // whatever it said itself
  CHECK(client_in("1.1.1.1, 203.0.113.7, 10.0.0.2, 10.0.0.3") == "203.0.113.7");
  CHECK(client_in("10.0.0.9, 203.0.113.7, 10.0.0.2") == "203.0.113.7");
  CHECK(client_in("10.0.0.9, 10.0.0.2") == "10.0.0.9");  // all are: the leftmost
  CHECK(client_in("203.0.113.7, ::ffff:10.0.0.2") == "203.0.113.7");
  CHECK(client_in("203.0.113.7, fd00::5") == "203.0.113.7");
  CHECK(client_in("1.1.1.1, unknown, 10.0.0.2") == "unknown");
  CHECK(client_of({{"X-Forwarded-For", "1.1.1.1"}, {"x-forwarded-for", "203.0.113.7"}}) == "203.0.113.7");
  CHECK(client_of({{"X-Forwarded-For", "203.0.113.7"}, {"X-Forwarded-For", "10.0.0.2"}}) == "203.0.113.7");
  CHECK(client_in(" ,203.0.113.7 ,, ") == "203.0.113.7");
  CHECK(client_in("") == "10.0.0.1");
}

TEST_CASE("addresses stand with ports, brackets and zones") {
  CHECK(client_in("203.0.113.7:1234") == "203.0.113.7");
  CHECK(client_in("2001:db8::7") == "2001:db8::7");
  CHECK(client_in("[2001:db8::7]") == "2001:db8::7");
  CHECK(client_in("[2001:db8::7]:1234") == "2001:db8::7");
  CHECK(client_in("fe80::1%eth0") == "fe80::1");
  for (auto const* bad : {"a", "1.2.3.4:", "1.2.3.4:123456", "1.2.3.4:x", "[1.2.3.4]", "[2001:db8::7",
                          "2001:db8::7]", "[2001:db8::7]1", "[]", "_hidden", "for=1.2.3.4", "1.2.3.4;5.6.7.8",
                          "1.2.3.4 5.6.7.8", "\"1.2.3.4\""})
    CHECK_MESSAGE(mentions(client_in(bad), "X-Forwarded-For: '" + std::string(bad) + "' is no address"), bad);
  CHECK(mentions(client_in("nonsense, 203.0.113.7"), "fault"));
}

TEST_CASE("Forwarded is read as RFC 7239 has it") {
  CHECK(client_in_forwarded("for=203.0.113.7") == "203.0.113.7");
  CHECK(client_in_forwarded("For=\"203.0.113.7:80\";proto=http;by=10.0.0.1") == "203.0.113.7");
  CHECK(client_in_forwarded("for=\"[2001:db8:cafe::17]:4711\"") == "2001:db8:cafe::17");
  CHECK(client_in_forwarded("for=1.1.1.1, for=203.0.113.7;ext=\"a,\\\"b;\" , for=10.0.0.2") == "203.0.113.7");
  CHECK(client_in_forwarded("for=_gazonk") == "_gazonk");
  CHECK(client_in_forwarded("for=\"_gazonk:_p\"") == "_gazonk");
  CHECK(client_in_forwarded("for=1.1.1.1, for=Unknown") == "Unknown");
  CHECK(client_in_forwarded("for=1.1.1.1, proto=https") == "10.0.0.1");  // the client is not said
  CHECK(client_in_forwarded(", ,;for=203.0.113.7;,") == "203.0.113.7");
  CHECK(client_of({{"Forwarded", "for=1.1.1.1"}, {"Forwarded", "for=203.0.113.7"}}) == "203.0.113.7");
  for (auto const* bad : {"203.0.113.7", "for", "for=", "for=1.2.3.4:80", "for=[::1]", "for=\"::1\"",
                          "for=\"1.2.3.4", "for=\"a\\", "for =1.2.3.4", "for=1.2.3.4;for=1.2.3.4",
                          "for=1.2.3.4 proto=http", "proto=ftp", "host=\"a b\"", "host=\"\"", "=x"})
    CHECK_MESSAGE(mentions(client_in_forwarded(bad), "fault: Forwarded: "), bad);
}

TEST_CASE("scheme and host are those that the proxy before the client saw") {
  CHECK(origin_of({{"X-Forwarded-Proto", "HTTPS"}}) == "https://own");
  CHECK(origin_of({{"X-Forwarded-Host", "a.example:8443"}}) == "http://a.example:8443");
  CHECK(origin_of({{"X-Forwarded-Proto", "https"}, {"X-Forwarded-Host", "a.example:443"}}) ==
        "https://a.example");
  CHECK(origin_of({{"X-Forwarded-Proto", "http"}, {"X-Forwarded-Host", "[::1]:80"}}) == "http://[::1]");
  // What the client said stands further left.
  CHECK(origin_of({{"X-Forwarded-For", "1.1.1.1, 203.0.113.7"}, {"X-Forwarded-Proto", "https, http"}}) ==
        "http://own");
  CHECK(origin_of({{"X-Forwarded-Proto", "https, http"}, {"X-Forwarded-Host", "evil.example, a.example"}}) ==
        "http://a.example");
  // Of two proxies, both of which add, and of which one does.
  CHECK(origin_of({{"X-Forwarded-For", "1.1.1.1, 203.0.113.7, 10.0.0.2"},
                   {"X-Forwarded-Proto", "https, http"}}) == "https://own");
  CHECK(origin_of({{"X-Forwarded-For", "203.0.113.7, 10.0.0.2"}, {"X-Forwarded-Proto", "https"}}) ==
        "https://own");
  CHECK(origin_of({{"Forwarded",
                    "for=1.1.1.1;proto=http;host=evil, for=203.0.113.7;proto=https;host=\"a.example:443\", "
                    "for=10.0.0.2;proto=http;host=inner"}}) == "https://a.example");
  CHECK(origin_of({{"Forwarded", "for=1.1.1.1;proto=https;host=evil, for=203.0.113.7"}}) == "http://own");
  for (auto const* bad : {"wss", "https://", "https;http"})
    CHECK_MESSAGE(mentions(origin_of({{"X-Forwarded-Proto", bad}}), "is neither http nor https"), bad);
  for (auto const* bad : {"a b", "a/b", "a\"b", "<script>", "h\xc3\xa9"})
    CHECK_MESSAGE(mentions(origin_of({{"X-Forwarded-Host", bad}}), "is no host"), bad);
}

TEST_CASE("both kinds of fields at once are refused, as a proxy sets one and passes the other on") {
  for (auto const* name : {"X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host"}) {
    auto const said = client_of({{name, "http"}, {"Forwarded", "for=203.0.113.7"}});
    CHECK_MESSAGE(mentions(said, "Forwarded and " + std::string(name) + " are both there"), said);
  }
  CHECK(client_of({{"X-Forwarded-For", " "}, {"Forwarded", "for=203.0.113.7"}}) == "203.0.113.7");
}

std::string const one_key = "0123456789abcdef alice admin\n";

// As if it came from that proxy.
fields said_by_proxy(fields more) {
  more.insert(more.end(), alice.begin(), alice.end());
  return more;
}

TEST_CASE("a page behind a proxy that ends TLS is of its own origin, and its cookie is for https") {
  desk at({.trusted_proxies = {"127.0.0.1"}}, one_key);
  fields const from_page{
      {"Origin", "https://a.example"}, {"X-Forwarded-Proto", "https"}, {"X-Forwarded-Host", "a.example"}};
  CHECK(at.ask("POST", "/v1/session", "key=0123456789abcdef", from_page)
            ->field("Set-Cookie")
            .ends_with("; Secure"));
  CHECK(at.ask("POST", "/v1/session", "key=0123456789abcdef", from_page)
            ->field("Set-Cookie")
            .starts_with("__Host-yonder_session="));
  CHECK(at.ask("GET", "/v1/tasks", "", said_by_proxy(from_page))->got->status == 200);
  auto elsewhere = from_page;
  elsewhere[0].second = "https://localhost:8000";
  CHECK(at.ask("GET", "/v1/tasks", "", said_by_proxy(elsewhere))->got->status == 403);
  CHECK_FALSE(
      at.ask("POST", "/v1/session", "key=0123456789abcdef", {})->field("Set-Cookie").ends_with("; Secure"));
  auto const bad = at.ask("GET", "/v1/tasks", "", said_by_proxy({{"X-Forwarded-Proto", "gopher"}}));
  CHECK(bad->got->status == 400);
  CHECK(bad->body()["code"] == "bad_forwarded");

  desk unbelieving({.trusted_proxies = {"10.0.0.0/8"}}, one_key);
  CHECK(unbelieving.ask("GET", "/v1/tasks", "", said_by_proxy(from_page))->got->status == 403);
  auto const kept =
      unbelieving.ask("POST", "/v1/session", "key=0123456789abcdef", {{"X-Forwarded-Proto", "https"}});
  CHECK(kept->got->status == 303);
  CHECK_FALSE(kept->field("Set-Cookie").ends_with("; Secure"));
}

TEST_CASE("those without a key share a rate by the address that the proxy saw") {
  desk at({.trusted_proxies = {"127.0.0.1"}, .requests_per_second = 1}, one_key);
  auto const status_for = [&](std::string_view list) {
    return at.ask("GET", "/v1/tasks", "", {{"X-Forwarded-For", list}})->got->status;
  };
  CHECK(status_for("203.0.113.7") == 401);
  CHECK(status_for("203.0.113.7") == 429);
  CHECK(status_for("1.1.1.1, 203.0.113.7") == 429);  // saying another is of no use
  CHECK(status_for("203.0.113.8") == 401);
  CHECK(at.ask("POST", "/v1/session", "key=wrong", {{"X-Forwarded-For", "203.0.113.8"}})->got->status == 429);
  CHECK(at.ask("GET", "/v1/tasks", "", said_by_proxy({{"X-Forwarded-For", "203.0.113.7"}}))->got->status ==
        200);
  at.pass(std::chrono::seconds(1));
  CHECK(status_for("203.0.113.7") == 401);
}

}  // namespace
}  // namespace http_tests
