// SPDX-License-Identifier: Apache-2.0
#include "src/cli/keys.hpp"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pwd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <utility>
#include <variant>
#include <vector>

#include "src/cli/json_text.hpp"
#include "src/cli/output.hpp"
#include "transports/setup_error.hpp"
#include "transports/zmq/address.hpp"
#include "transports/zmq/enrolment.hpp"

namespace yonder::cli {
namespace {

using std::chrono::seconds;
using transport::key_entry;
using transport::no_expiry;

constexpr std::chrono::minutes usual_token_life{10};
constexpr std::string_view usual_port = ":5555";
constexpr char addresses_file[] = "addresses";  // of a hub that runs, or ran last: one a line

std::string variable(char const* name) {
  auto const* const value = std::getenv(name);
  return value != nullptr ? value : "";
}

// As of yonder::runtime: where nobody has set it, the system's list of users says it.
std::string home() {
  if (auto stated = variable("HOME"); !stated.empty()) return stated;
  auto const* const entry = ::getpwuid(::geteuid());
  return entry != nullptr && entry->pw_dir != nullptr ? entry->pw_dir : "";
}

transport::key_terms terms_of(std::string const& role, std::string const& name, seconds lifetime) {
  transport::key_terms terms{.name = name, .lifetime = lifetime};
  if (!transport::read_roles(role, terms.rights))
    throw usage_problem("'" + role + "' is no role; there are client, worker and operator");
  return terms;
}

// The address of this machine from which it would send to `there`, to which nothing is sent. Empty: none.
std::string source_address(int family, char const* there) {
  struct descriptor {
    int number;
    explicit descriptor(int made) : number(made) {}
    descriptor(descriptor const&) = delete;
    descriptor& operator=(descriptor const&) = delete;
    ~descriptor() {
      if (number >= 0) ::close(number);
    }
  } const socket(::socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  addrinfo wanted{};
  wanted.ai_family = family;
  wanted.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  if (socket.number < 0 || ::getaddrinfo(there, "9", &wanted, &found) != 0) return {};
  std::unique_ptr<addrinfo, void (*)(addrinfo*)> const owner(found, ::freeaddrinfo);
  if (::connect(socket.number, found->ai_addr, found->ai_addrlen) != 0) return {};
  sockaddr_storage own{};
  socklen_t size = sizeof own;
  std::array<char, INET6_ADDRSTRLEN> text{};
  auto* const address = reinterpret_cast<sockaddr*>(&own);
  if (::getsockname(socket.number, address, &size) != 0) return {};
  if (::getnameinfo(address, size, text.data(), text.size(), nullptr, 0, NI_NUMERICHOST) != 0) return {};
  std::string const literal(text.data());
  if (literal.find('%') != std::string::npos) return {};  // of one link only
  return family == AF_INET6 ? "[" + literal + "]" : literal;
}

bool is_of_one_link(std::string const& address) { return address.starts_with("169.254."); }

// An address of this machine that others may reach: that by which it reaches others (RFC 5737 and 3849 keep
// those that are named here for examples), and not that of a container's bridge or of a board's own port.
std::string own_host() {
  if (auto own = source_address(AF_INET, "192.0.2.1"); !own.empty() && !is_of_one_link(own)) return own;
  if (auto own = source_address(AF_INET6, "2001:db8::1"); !own.empty()) return own;
  ifaddrs* first = nullptr;
  if (::getifaddrs(&first) != 0) first = nullptr;
  std::unique_ptr<ifaddrs, void (*)(ifaddrs*)> const all(first, [](ifaddrs* list) {
    if (list != nullptr) ::freeifaddrs(list);
  });
  for (auto const* one = first; one != nullptr; one = one->ifa_next) {
    if (one->ifa_addr == nullptr || one->ifa_addr->sa_family != AF_INET) continue;
    if ((one->ifa_flags & IFF_UP) == 0 || (one->ifa_flags & IFF_LOOPBACK) != 0) continue;
    std::array<char, INET_ADDRSTRLEN> text{};
    auto const& address = reinterpret_cast<sockaddr_in const*>(one->ifa_addr)->sin_addr;
    if (::inet_ntop(AF_INET, &address, text.data(), text.size()) != nullptr && !is_of_one_link(text.data()))
      return text.data();
  }
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "localhost";
}

// tcp:// or tls://, and what is well formed behind it.
bool is_network_address(std::string const& text) {
  using namespace transport;
  try {
    return std::holds_alternative<tcp_address>(parse_address(
        text, address_use::connect, is_of(socket_schemes, text) ? socket_schemes : zmq_schemes));
  } catch (transport::setup_error const&) {
    return false;
  }
}

// Empty: none has left it.
std::string left_address(std::string const& keys) {
  std::ifstream file(std::filesystem::path(keys) / addresses_file);
  for (std::string line; std::getline(file, line);)
    if (auto seen = seen_from_elsewhere(line); is_network_address(seen)) return seen;
  return {};
}

std::string hub_of(key_order const& order) {
  auto stated = order.hub.empty() ? variable("YONDER_HUB") : order.hub;
  transport::take_fragment(stated);
  if (is_network_address(stated)) return stated;
  if (!order.hub.empty())
    throw usage_problem("--hub: '" + stated +
                        "' is no address of a hub on another machine: tcp://HOST:PORT or tls://HOST:PORT");
  auto const keys = keys_folder(order.keys);
  if (auto left = left_address(keys); !left.empty()) return left;
  auto usual = "tcp://" + own_host() + std::string(usual_port);
  std::cerr << "yonder: no hub of " << keys << " has said where it listens; this line is for one at " << usual
            << " (--hub tcp://HOST:PORT)\n";
  return usual;
}

// Where there is no bound the option is left out: whoever says 0 does not mean that.
void check_bounds(key_order const& order) {
  for (auto const& [option, most] :
       {std::pair("--max-jobs", order.max_jobs), std::pair("--max-gpus", order.max_gpus)})
    if (most == 0u) throw usage_problem(std::string(option) + " is from 1 on; leave it out for any number");
  for (auto const& [option, time] :
       {std::pair("--expires", order.expires), std::pair("--within", order.within)})
    if (time && *time < seconds(1))
      throw usage_problem(std::string(option) + ": it would be over before anybody could use it");
}

std::string in_words(std::uint32_t most) { return most == 0 ? "any" : std::to_string(most); }

std::string state_of(key_entry const& one) {
  if (one.expires != no_expiry && one.expires <= std::time(nullptr)) return "expired";
  return one.enrols ? "token" : one.has_role ? "key" : "key without a role";
}

void print_json(std::vector<key_entry> const& all) {
  char const* before = "[";
  for (auto const& one : all) {
    std::cout << std::exchange(before, ",\n ") << "{\"name\": " << in_json(one.name)
              << ", \"role\": " << in_json(transport::roles_in_words(one.rights))
              << ", \"state\": " << in_json(state_of(one)) << ", \"expires\": "
              << (one.expires == no_expiry ? "null" : in_json(transport::in_utc(one.expires)))
              << ", \"max_jobs\": " << one.rights.max_jobs << ", \"max_gpus\": " << one.rights.max_gpus
              << ", \"key\": " << in_json(transport::text_of(one.key)) << "}";
  }
  std::cout << (all.empty() ? "[]\n" : "]\n");
}

std::string line_to_paste(std::string const& keys, std::string const& hub, transport::key_terms const& terms,
                          seconds within) {
  auto const address = hub + "#" + transport::issue_token(keys, terms, within);
  if (terms.rights.operates) return "YONDER_HUB=" + address + " yonder ps";
  return terms.rights.calls ? "YONDER_HUB=" + address + " app" : "app --yonder-worker " + address;
}

}  // namespace

// A shell leaves the '~' of --keys=~/FOLDER, and whoever sets variables without one that of YONDER_KEYS.
std::string keys_folder(std::string const& stated) {
  if (auto keys = stated.empty() ? variable("YONDER_KEYS") : stated; !keys.empty()) {
    if (keys.front() == '~')
      throw usage_problem("the folder of keys '" + keys +
                          "' begins with '~', which no shell has replaced: say the whole path");
    return keys;
  }
  if (auto const config = variable("XDG_CONFIG_HOME"); !config.empty()) return config + "/yonder";
  return home() + "/.config/yonder";
}

std::string seen_from_elsewhere(std::string const& address) {
  auto const scheme = address.substr(0, std::min(address.size(), std::string_view("tcp://").size()));
  if (scheme != "tcp://" && scheme != "tls://") return address;
  auto const port = address.rfind(':');
  for (auto const* const anywhere : {"*", "0.0.0.0", "[::]"})
    if (address.compare(scheme.size(), port - scheme.size(), anywhere) == 0)
      return scheme + own_host() + address.substr(port);
  return address;
}

void leave_addresses(std::string const& keys, std::vector<std::string> const& addresses) noexcept try {
  auto const file = std::filesystem::path(keys) / addresses_file;
  auto made = file;
  made += "." + std::to_string(::getpid());
  {
    std::ofstream lines(made);
    for (auto const& one : addresses)
      if (one.starts_with("tcp://") || one.starts_with("tls://")) lines << one << '\n';
  }
  std::filesystem::rename(made, file);
} catch (std::exception const&) {  // a folder that is only read, say
}

std::string free_key_name(std::string const& keys, std::string const& role) {
  auto const all = transport::list_keys(keys);
  for (int number = 1;; ++number) {
    auto name = role + "-" + std::to_string(number);
    if (std::none_of(all.begin(), all.end(), [&](auto const& one) { return one.name == name; })) return name;
  }
}

std::string invitation(std::string const& keys, std::string const& hub, std::string const& role,
                       std::string const& name, seconds within, seconds lifetime) {
  return line_to_paste(keys, hub, terms_of(role, name, lifetime), within);
}

int issue_key(key_order const& order) {
  auto const keys = keys_folder(order.keys);
  check_bounds(order);
  auto const lifetime = whole_seconds(order.expires, seconds::max());
  auto terms = terms_of(order.role, order.name, lifetime);
  terms.rights.max_jobs = order.max_jobs.value_or(0);
  terms.rights.max_gpus = order.max_gpus.value_or(0);
  if ((order.max_jobs || order.max_gpus) && !terms.rights.calls)
    throw usage_problem("--max-jobs and --max-gpus bound calls, which a key of the role '" + order.role +
                        "' makes none of");
  if (!order.into.empty() && !order.key.empty())
    throw usage_problem("--to makes a key, --key lists one that is there: say one of them");
  if (!order.into.empty()) {
    transport::issue_files(keys, terms, order.into);
    if (order.json)
      std::cout << "{\"name\": " << in_json(order.name) << ", \"folder\": " << in_json(order.into) << "}\n";
    return EXIT_SUCCESS;
  }
  if (!order.key.empty()) {
    transport::raw_key key{};
    if (!transport::read_key_text(order.key, key))
      throw usage_problem("--key takes the 40 characters of a .pub file");
    transport::issue_listed(keys, terms, key);
    if (order.json)
      std::cout << "{\"name\": " << in_json(order.name) << ", \"key\": " << in_json(order.key) << "}\n";
    return EXIT_SUCCESS;
  }
  auto const line = line_to_paste(keys, hub_of(order), terms, whole_seconds(order.within, usual_token_life));
  if (order.json)
    std::cout << "{\"name\": " << in_json(order.name) << ", \"line\": " << in_json(line) << "}\n";
  else
    std::cout << line << '\n';
  return EXIT_SUCCESS;
}

int list_keys(key_order const& order) {
  auto const all = transport::list_keys(keys_folder(order.keys));
  if (order.json) {
    print_json(all);
    return EXIT_SUCCESS;
  }
  table listed{{"NAME", "ROLE", "STATE", "JOBS", "GPUS", "EXPIRES", "KEY"}};
  for (auto const& one : all)
    listed.add({one.name, transport::roles_in_words(one.rights), state_of(one), in_words(one.rights.max_jobs),
                in_words(one.rights.max_gpus),
                one.expires == no_expiry ? "never" : transport::in_utc(one.expires),
                transport::text_of(one.key)});
  listed.print();
  return EXIT_SUCCESS;
}

int revoke_key(key_order const& order) {
  auto const count = transport::revoke_keys(keys_folder(order.keys), order.name);
  if (order.json) std::cout << "{\"revoked\": " << count << "}\n";
  if (count != 0) return EXIT_SUCCESS;
  std::cerr << "yonder: no key is called '" << order.name << "'; `yonder keys list` shows them\n";
  return exit_not_found;
}

}  // namespace yonder::cli
