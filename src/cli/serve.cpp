// SPDX-License-Identifier: Apache-2.0
#include "src/cli/serve.hpp"

#include <dlfcn.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <string_view>
#include <utility>

#include "src/cli/json_text.hpp"
#include "src/cli/keys.hpp"
#include "src/cli/output.hpp"
#include "transports/zmq/keys.hpp"
#include "yonder/runtime.hpp"

namespace yonder::cli {
namespace {

constexpr char everywhere[] = "tcp://*:5555";
constexpr std::chrono::minutes invitation_life{10};

bool needs_keys(std::string const& address) {
  return address.starts_with("tcp://") || address.starts_with("tls://");
}

// Whether they were made now.
bool have_keys(std::string const& folder) {
  std::error_code unknown;
  if (std::filesystem::exists(std::filesystem::path(folder) / "server.key", unknown)) return false;
  transport::keygen(folder);
  return true;
}

struct pasted {
  std::string worker, client;
};

pasted invite(std::string const& keys, std::string const& address) {
  auto const line = [&](std::string const& role) {
    return invitation(keys, seen_from_elsewhere(address), role, free_key_name(keys, role), invitation_life,
                      std::chrono::seconds::max());
  };
  return {line("worker"), line("client")};
}

void print_plain(std::vector<std::string> const& addresses, std::string const& http, pasted const& lines) {
  for (auto const& address : addresses) std::cout << address << '\n';
  if (!http.empty()) std::cout << http << '\n';
  if (!lines.worker.empty())
    std::cout << "\non another machine, each good once, within ten minutes (more: yonder keys issue):\n"
              << "  " << lines.worker << "\n  " << lines.client << '\n';
}

void print_json(std::vector<std::string> const& addresses, std::string const& http, pasted const& lines) {
  char const* before = "{\"addresses\": [";
  for (auto const& address : addresses) std::cout << std::exchange(before, ", ") << in_json(address);
  std::cout << "]";
  if (!http.empty()) std::cout << ", \"http\": " << in_json(http);
  if (!lines.worker.empty())
    std::cout << ", \"worker\": " << in_json(lines.worker) << ", \"client\": " << in_json(lines.client);
  std::cout << "}\n";
}

}  // namespace

int serve_hub(hub_order const& order) {
  sigset_t endings;
  ::sigemptyset(&endings);
  ::sigaddset(&endings, SIGTERM);
  ::sigaddset(&endings, SIGINT);
  struct sigaction now {};
  if (::sigaction(SIGHUP, nullptr, &now) == 0 && now.sa_handler != SIG_IGN) ::sigaddset(&endings, SIGHUP);
  ::pthread_sigmask(SIG_BLOCK, &endings, nullptr);  // before the runtime starts its thread, which inherits it
  auto const keys = keys_folder(order.keys);
  auto const bind = order.addresses.empty() ? std::vector<std::string>{everywhere} : order.addresses;
  bool const made = std::any_of(bind.begin(), bind.end(), needs_keys) && have_keys(keys);
  runtime_options options{.max = 0, .bind = bind, .keys = keys};
  options.journal = order.journal;
  if (order.result_ttl) options.result_ttl = *order.result_ttl;
  if (order.max_journal_bytes) options.max_journal_bytes = *order.max_journal_bytes;
  options.http.address = order.http;
  if (order.drain_timeout) options.drain_timeout = *order.drain_timeout;
  ::unsetenv("YONDER_HUB");  // it is the hub
#if !defined(YONDER_HAS_HTTP)
  for (auto const* name : {"OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"})
    if (std::getenv(name) != nullptr)
      std::cerr << "yonder: " << name
                << " is set, and this yonder was built without yonder::http: no collector is told; "
                << "YONDER_TRACE_FILE names a file for traces\n";
#endif
  yonder::runtime hub(options);
  auto const addresses = hub.addresses();
  if (std::any_of(addresses.begin(), addresses.end(), needs_keys)) leave_addresses(keys, addresses);
  auto const keyed = std::find_if(addresses.begin(), addresses.end(), needs_keys);
  bool const invites = keyed != addresses.end() && (made || order.json || ::isatty(STDOUT_FILENO) == 1);
  auto const lines = invites ? invite(keys, *keyed) : pasted();
  auto const http = hub.http_address();
  order.json ? print_json(addresses, http, lines) : print_plain(addresses, http, lines);
  flush_output();
  hub.serve();
  return EXIT_SUCCESS;
}

int become_worker(std::string const& endpoint, std::vector<std::string> const& libraries) {
  std::vector<std::string> words{"yonder", "--yonder-worker", endpoint};
  words.insert(words.end(), libraries.begin(), libraries.end());
  std::vector<char*> arguments;
  for (auto& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  ::execv("/proc/self/exe", arguments.data());
  std::cerr << "yonder: this program cannot be started again: " << std::strerror(errno) << '\n';
  return exit_failed;
}

void work(int argc, char** argv) {
  for (int i = 1 + (std::string_view(argv[1]).find('=') == std::string_view::npos ? 2 : 1); i < argc; ++i) {
    if (::dlopen(argv[i], RTLD_NOW | RTLD_GLOBAL) != nullptr) continue;
    std::cerr << "yonder worker: cannot be loaded: " << ::dlerror() << '\n';
    std::exit(exit_usage);
  }
  yonder::runtime const here(argc, argv);
  std::exit(exit_failed);  // a worker does not come back
}

}  // namespace yonder::cli
