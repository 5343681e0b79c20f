// SPDX-License-Identifier: Apache-2.0
#include "src/http/forwarded.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>

#include "src/http/message.hpp"
#include "yonder/error.hpp"

namespace yonder::http {
namespace {

constexpr std::string_view decimal_digits = "0123456789";
constexpr std::string_view letters_and_digits =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

std::string_view trimmed(std::string_view text) noexcept {
  auto const first = std::min(text.find_first_not_of(" \t"), text.size());
  text.remove_prefix(first);
  return text.substr(0, text.find_last_not_of(" \t") + 1);
}

bool consists_of(std::string_view text, std::string_view more) noexcept {
  return std::all_of(text.begin(), text.end(), [&](char c) {
    return letters_and_digits.find(c) != std::string_view::npos || more.find(c) != std::string_view::npos;
  });
}

// Without the zone, which says something on the machine that wrote it alone.
std::optional<std::string_view> without_zone(std::string_view text) noexcept {
  auto const percent = text.find('%');
  if (percent == std::string_view::npos) return text;
  auto const zone = text.substr(percent + 1);
  if (zone.empty() || !consists_of(zone, "-._~")) return std::nullopt;
  return text.substr(0, percent);
}

bool is_sender_port(std::string_view text, bool may_be_hidden) noexcept {
  if (may_be_hidden && text.size() > 1 && text.front() == '_') return consists_of(text, "._-");
  return !text.empty() && text.size() <= 5 &&
         text.find_first_not_of(decimal_digits) == std::string_view::npos;
}

// One that asked, as a proxy names it.
struct sender {
  std::string text;
  std::optional<ip_address> address{};
};

// "203.0.113.7", "203.0.113.7:1234", "[2001:db8::1]", "[2001:db8::1]:1234", "unknown" and, of Forwarded,
// "_hidden"; beside Forwarded also "2001:db8::1".
std::optional<sender> parse_sender(std::string_view text, bool is_of_forwarded) {
  auto address = text;
  std::string_view port;
  bool has_port = false;
  auto const cut = [&](std::size_t at) {
    has_port = true;
    port = text.substr(at + 1);
    return text.substr(0, at);
  };
  bool const is_bracketed = text.starts_with('[');
  if (is_bracketed) {
    auto const end = text.find(']');
    if (end == std::string_view::npos) return std::nullopt;
    if (end + 1 != text.size()) {
      if (text[end + 1] != ':') return std::nullopt;
      cut(end + 1);
    }
    address = text.substr(1, end - 1);
  } else if (auto const colon = text.find(':'); colon != std::string_view::npos && colon == text.rfind(':')) {
    address = cut(colon);
  }
  if (has_port && !is_sender_port(port, is_of_forwarded)) return std::nullopt;
  bool const is_hidden =
      is_same_name(address, "unknown") ||
      (is_of_forwarded && address.size() > 1 && address.front() == '_' && consists_of(address, "._-"));
  if (!is_bracketed && is_hidden) return sender{std::string(address)};
  auto const parsed = parse_ip(address);
  if (!parsed) return std::nullopt;
  bool const has_colons = address.find(':') != std::string_view::npos;
  if (has_colons != is_bracketed && (is_of_forwarded || is_bracketed)) return std::nullopt;
  return sender{to_string(*parsed), parsed};
}

// What one proxy says of the request that it received.
struct hop {
  std::optional<sender> from{};
  std::optional<bool> is_tls{};
  std::optional<std::string> host{};
};

std::string in_quotes(std::string_view text) {
  constexpr std::size_t most = 60;
  std::string out = "'";
  for (char const c : text.substr(0, most)) out += c >= ' ' && c <= '~' ? c : '?';
  return out + (text.size() > most ? "…'" : "'");
}

// Sets what is said, or says what is wrong with it.
std::string take_from(hop& of, std::string_view text, bool is_of_forwarded) {
  of.from = parse_sender(text, is_of_forwarded);
  return of.from ? "" : in_quotes(text) + " is no address";
}
std::string take_proto(hop& of, std::string_view text) {
  of.is_tls = is_same_name(text, "https");
  return *of.is_tls || is_same_name(text, "http") ? "" : in_quotes(text) + " is neither http nor https";
}
std::string take_host(hop& of, std::string_view text) {
  of.host = std::string(text);
  return !text.empty() && is_host_field(text) ? "" : in_quotes(text) + " is no host";
}

// Calls `each` for the members of a list, which may stand in several fields (RFC 9110, 5.3). Empty ones count
// for nothing. Returns what `each` says first.
template <class Each>
std::string for_each_member(field_list const& fields, std::string_view name, Each each) {
  for (auto const& [one, value] : fields) {
    if (!is_same_name(one, name)) continue;
    for (auto rest = value;;) {
      auto const end = std::min(rest.find(','), rest.size());
      if (auto const member = trimmed(rest.substr(0, end)); !member.empty())
        if (auto fault = each(member); !fault.empty()) return std::string(name) + ": " + fault;
      if (end == rest.size()) break;
      rest.remove_prefix(end + 1);
    }
  }
  return "";
}

// Reads the pairs of Forwarded.
class forwarded_reader {
 public:
  explicit forwarded_reader(std::string_view text) : rest_(text) {}

  // Appends an element for each that is there; says what is wrong.
  std::string read(std::vector<hop>& hops) {
    for (hop current;;) {
      skip_space();
      bool const ends = rest_.empty() || rest_.front() == ',';
      if (!ends && rest_.front() != ';')
        if (auto fault = read_pair(current); !fault.empty()) return fault;
      skip_space();
      bool const is_over = rest_.empty();
      if (is_over || rest_.front() == ',') {
        if (has_pairs_) hops.push_back(std::exchange(current, hop()));
        has_pairs_ = false;
      } else if (rest_.front() != ';') {
        return in_quotes(rest_) + " stands where ';' or ',' is expected";
      }
      if (is_over) return "";
      rest_.remove_prefix(1);
    }
  }

 private:
  static constexpr std::string_view token_marks = "!#$%&'*+-.^_`|~";

  void skip_space() { rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t"), rest_.size())); }

  std::string_view token() {
    std::size_t size = 0;
    while (size < rest_.size() && consists_of(rest_.substr(size, 1), token_marks)) ++size;
    auto const found = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return found;
  }

  // A token, or a string in quotes, in which a backslash stands before what it makes plain.
  std::optional<std::string> value() {
    if (!rest_.starts_with('"')) {
      auto const plain = token();
      return plain.empty() ? std::nullopt : std::optional(std::string(plain));
    }
    std::string text;
    for (std::size_t i = 1; i < rest_.size(); ++i) {
      char c = rest_[i];
      if (c == '"') {
        rest_.remove_prefix(i + 1);
        return text;
      }
      if (c == '\\') {
        if (++i == rest_.size()) return std::nullopt;
        c = rest_[i];
      }
      text += c;
    }
    return std::nullopt;
  }

  std::string read_pair(hop& current) {
    auto const all = rest_;
    auto const name = token();
    if (name.empty() || !rest_.starts_with('=')) return in_quotes(all) + " is no name=value";
    rest_.remove_prefix(1);
    auto const text = value();
    if (!text) return in_quotes(all) + " has no value, which is a word or stands in quotes";
    has_pairs_ = true;
    auto const take = [&](bool is_there, auto step) {
      return is_there ? std::string(name) + " is there twice" : step();
    };
    if (is_same_name(name, "for"))
      return take(current.from.has_value(), [&] { return take_from(current, *text, true); });
    if (is_same_name(name, "proto"))
      return take(current.is_tls.has_value(), [&] { return take_proto(current, *text); });
    if (is_same_name(name, "host"))
      return take(current.host.has_value(), [&] { return take_host(current, *text); });
    return "";  // `by`, and what later versions add
  }

  std::string_view rest_;
  bool has_pairs_ = false;
};

// What the member of a list says of the same hop, where some proxies wrote only the last: lists grow at their
// right ends. A single one was written by one proxy for all.
template <class T>
std::optional<T> member_at(std::vector<T> const& members, std::size_t from_right) {
  if (members.empty()) return std::nullopt;
  if (members.size() > from_right) return members[members.size() - 1 - from_right];
  return members.back();
}

constexpr std::array<std::string_view, 3> older_names{"X-Forwarded-For", "X-Forwarded-Proto",
                                                      "X-Forwarded-Host"};

// How many, from the right, are proxies that are believed: the next one is the client. At most all but one.
std::size_t position_of_client(std::vector<hop> const& hops, proxy_list const& believed) {
  std::size_t position = 0;
  while (position + 1 < hops.size()) {
    auto const& from = hops[hops.size() - 1 - position].from;
    if (!from || !from->address || !believed.contains(*from->address)) break;
    ++position;
  }
  return position;
}

// What the older fields say. `position`: of the client in X-Forwarded-For, from the right.
std::string read_older(field_list const& fields, proxy_list const& believed, hop& outermost) {
  std::vector<hop> froms;
  std::vector<bool> protos;
  std::vector<std::string> hosts;
  hop one;
  auto fault = for_each_member(fields, older_names[0], [&](std::string_view text) {
    return take_from(froms.emplace_back(), text, false);
  });
  if (fault.empty())
    fault = for_each_member(fields, older_names[1], [&](std::string_view text) {
      auto wrong = take_proto(one, text);
      protos.push_back(*one.is_tls);
      return wrong;
    });
  if (fault.empty())
    fault = for_each_member(fields, older_names[2], [&](std::string_view text) {
      auto wrong = take_host(one, text);
      hosts.push_back(*one.host);
      return wrong;
    });
  if (!fault.empty()) return fault;
  auto const position = position_of_client(froms, believed);
  if (!froms.empty()) outermost.from = froms[froms.size() - 1 - position].from;
  outermost.is_tls = member_at(protos, position);
  outermost.host = member_at(hosts, position);
  return "";
}

std::string read_forwarded(field_list const& fields, proxy_list const& believed, hop& outermost) {
  std::vector<hop> hops;
  for (auto const& [name, value] : fields)
    if (is_same_name(name, "Forwarded"))
      if (auto fault = forwarded_reader(value).read(hops); !fault.empty()) return "Forwarded: " + fault;
  if (!hops.empty()) outermost = hops[hops.size() - 1 - position_of_client(hops, believed)];
  return "";
}

bool has_field(field_list const& fields, std::string_view name) {
  return std::any_of(fields.begin(), fields.end(), [&](auto const& one) {
    return is_same_name(one.first, name) && !trimmed(one.second).empty();
  });
}

// Browsers leave the scheme's own port out of an origin.
std::string without_default_port(std::string host, bool is_tls) {
  std::string_view const port = is_tls ? ":443" : ":80";
  if (host.ends_with(port)) host.resize(host.size() - port.size());
  return host;
}

bool has_bits_behind(ip_address const& address, unsigned bits) {
  for (auto i = bits; i < (address.is_v4 ? 32U : 128U); ++i)
    if ((address.bytes[i / 8] >> (7 - i % 8) & 1U) != 0) return true;
  return false;
}

[[noreturn]] void refuse_range(std::string const& text, std::string const& why) {
  yonder::detail::throw_error(
      {.code = errc::bad_configuration,
       .message = "http_options::trusted_proxies: '" + text + "' " + why +
                  "; an address or a range is expected, as 127.0.0.1, 10.0.0.0/8 or fd00::/8"});
}

}  // namespace

std::optional<ip_address> parse_ip(std::string_view text) {
  ip_address parsed{.is_v4 = text.find(':') == std::string_view::npos};
  auto const address = parsed.is_v4 ? text : without_zone(text);
  if (!address || address->find('\0') != std::string_view::npos) return std::nullopt;
  std::string const plain(*address);
  if (::inet_pton(parsed.is_v4 ? AF_INET : AF_INET6, plain.c_str(), parsed.bytes.data()) != 1)
    return std::nullopt;
  if (parsed.is_v4) return parsed;
  constexpr std::array<std::uint8_t, 12> mapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  if (!std::equal(mapped.begin(), mapped.end(), parsed.bytes.begin())) return parsed;
  ip_address within{.is_v4 = true};
  std::copy_n(parsed.bytes.begin() + mapped.size(), 4, within.bytes.begin());
  return within;
}

std::string to_string(ip_address const& address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  ::inet_ntop(address.is_v4 ? AF_INET : AF_INET6, address.bytes.data(), text.data(), text.size());
  return text.data();
}

proxy_list::proxy_list(std::vector<std::string> const& ranges) {
  for (auto const& text : ranges) {
    auto const slash = std::min(text.find('/'), text.size());
    auto const address = parse_ip(std::string_view(text).substr(0, slash));
    if (!address || text.find('%') != text.npos) refuse_range(text, "is none");
    unsigned const width = address->is_v4 ? 32 : 128;
    unsigned bits = width;
    if (slash != text.size()) {
      auto const length = std::string_view(text).substr(slash + 1);
      auto const end = length.data() + length.size();
      unsigned written = address->is_v4 && text.find(':') != text.npos ? 128 : width;
      auto const most = written;
      auto const [stop, error] = std::from_chars(length.data(), end, written);
      if (error != std::errc() || stop != end || length.size() > 3 || written > most)
        refuse_range(text, "has a prefix that is none");
      if (most != width && written < most - width) refuse_range(text, "has bits behind its prefix");
      bits = written - (most - width);
    }
    if (bits == 0) refuse_range(text, "would believe everybody");
    if (has_bits_behind(*address, bits)) refuse_range(text, "has bits behind its prefix");
    ranges_.push_back({*address, bits});
  }
}

bool proxy_list::contains(ip_address const& address) const noexcept {
  return std::any_of(ranges_.begin(), ranges_.end(), [&](range const& one) {
    if (one.first.is_v4 != address.is_v4) return false;
    auto const whole = one.bits / 8;
    if (!std::equal(address.bytes.begin(), address.bytes.begin() + whole, one.first.bytes.begin()))
      return false;
    auto const rest = one.bits % 8;
    return rest == 0 || (address.bytes[whole] ^ one.first.bytes[whole]) >> (8 - rest) == 0;
  });
}

bool is_host_field(std::string_view text) noexcept { return consists_of(text, "-._~%!$&'()*+,;=:[]"); }

request_outside outside_of(field_list const& fields, request_outside seen, proxy_list const& believed) {
  if (believed.empty()) return seen;
  auto const peer = parse_ip(seen.client);
  if (!peer || !believed.contains(*peer)) return seen;
  auto const* const older = std::find_if(older_names.begin(), older_names.end(),
                                         [&](auto name) { return has_field(fields, name); });
  bool const has_forwarded = has_field(fields, "Forwarded");
  if (has_forwarded && older != older_names.end()) {
    // A proxy passes on what it does not set, as the client made it up.
    seen.fault = "Forwarded and " + std::string(*older) +
                 " are both there, and only one can be what the proxy says: it has to remove the other";
    return seen;
  }
  hop outermost;
  seen.fault =
      has_forwarded ? read_forwarded(fields, believed, outermost) : read_older(fields, believed, outermost);
  if (!seen.fault.empty()) return seen;
  if (outermost.from) seen.client = outermost.from->text;
  seen.is_tls = outermost.is_tls.value_or(seen.is_tls);
  seen.host = without_default_port(outermost.host.value_or(seen.host), seen.is_tls);
  return seen;
}

}  // namespace yonder::http
