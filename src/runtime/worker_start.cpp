// SPDX-License-Identifier: Apache-2.0
#include "src/runtime/worker_start.hpp"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <span>
#include <utility>

#include "src/platform/descriptors.hpp"
#include "src/platform/system_call.hpp"

namespace yonder::runtime_detail {
namespace {

constexpr char supervised_format[] = "v3:channel=%d,page=%d,supervisor=%d,order=%d,printed=%d,relay=%d";

struct known_from_the_start {
  platform::own_image image;
  start_info how;
};

known_from_the_start* known = nullptr;  // for ever

start_info misuse(std::string what) { return {.kind = start_kind::misused, .fault = std::move(what)}; }
start_info server_misuse(std::string what) {
  return {.kind = start_kind::http_server, .fault = std::move(what)};
}

start_info replay_misuse(std::string what) { return {.kind = start_kind::replay, .fault = std::move(what)}; }

// Whoever started a program with more rights than he has chose its environment and its arguments.
start_info refused_rights() {
  return misuse(
      "this program has more rights than whoever started it (set-user-id, set-group-id, or capabilities of "
      "its "
      "file), and such a one is nobody's worker; take the bit or the capabilities from the file, or let "
      "workers "
      "be another program (runtime_options::worker_command)");
}

// The page that a process_pool has given us, if that is what the two descriptors are.
shared_page* inherited_memory() noexcept {
  struct stat socket {};
  struct stat memory {};
  if (::fstat(inherited_socket, &socket) != 0 || !S_ISSOCK(socket.st_mode)) return nullptr;
  if (::fstat(inherited_page, &memory) != 0 || memory.st_size != page_size) return nullptr;
  if (::fcntl(inherited_page, F_GET_SEALS) < 0) return nullptr;  // no anonymous memory
  void* const page = ::mmap(nullptr, page_size, PROT_READ | PROT_WRITE, MAP_SHARED, inherited_page, 0);
  if (page == MAP_FAILED) return nullptr;
  auto* const shared = static_cast<shared_page*>(page);
  if (shared->magic == page_magic) return shared;
  ::munmap(page, page_size);
  return nullptr;
}

// Whether we are the one process that is this worker, also after an exec.
bool claim(shared_page& page) noexcept {
  std::int32_t before = 0;
  return page.worker.compare_exchange_strong(before, ::getpid()) || before == ::getpid();
}

// The variable is read before main, and removed, so that no program that the worker starts takes itself for
// one: such a program may have the descriptors, but is not the process that claimed them.
start_info of_environment() {
  char const* const token = ::getenv(token_name);
  bool const told = token != nullptr && ::strcmp(token, token_value) == 0;
  ::unsetenv(token_name);
  if (platform::has_raised_rights()) return token != nullptr ? refused_rights() : start_info{};
  auto* const page = inherited_memory();
  if (page == nullptr) return {};
  bool const ours = claim(*page);
  ::munmap(page, page_size);
  if (ours) return {.kind = start_kind::pool_worker};
  return told ? misuse("another process is this worker already") : start_info{};
}

// Ends with the supervisor, however that ends; the kernel remembers the thread that started us, which does
// nothing else.
void take_supervision(start_info& how) {
  char const* const token = ::getenv(supervised_name);
  if (token == nullptr) return;
  supervised_descriptors passed;
  pid_t supervisor = 0;
  bool const valid = std::sscanf(token, supervised_format, &passed.channel, &passed.page, &supervisor,
                                 &passed.order, &passed.printed, &passed.relay) == 6;
  ::unsetenv(supervised_name);
  if (!valid || ::fcntl(passed.channel, F_SETFD, FD_CLOEXEC) != 0) return;
  how.supervisor = passed.channel;
  how.order = passed.order;
  how.printed = passed.printed;
  how.relay = passed.relay;
  for (int const one : {how.order, how.printed, how.relay})
    if (one >= 0) ::fcntl(one, F_SETFD, FD_CLOEXEC);
  void* const page = ::mmap(nullptr, page_size, PROT_READ | PROT_WRITE, MAP_SHARED, passed.page, 0);
  ::close(passed.page);
  if (page != MAP_FAILED) how.page = static_cast<supervised_page*>(page);
  if (how.page != nullptr && how.page->magic != page_magic) how.page = nullptr;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != supervisor) ::_exit(EXIT_FAILURE);  // it has gone already
}

bool is_flag(std::string_view argument, std::string_view flag) noexcept {
  return argument.starts_with(flag) && (argument.size() == flag.size() || argument[flag.size()] == '=');
}

start_info server_of(std::string_view address, std::span<char* const> rest);

// From whoever lists processes from now on.
void hide_token(char* address, std::size_t size) noexcept {
  auto const mark = std::string_view(address, size).find('#');
  if (mark != std::string_view::npos) ::explicit_bzero(address + mark, size - mark);
}

// What follows `--` is the program's own business.
start_info of_arguments(int argc, char** argv) {
  std::string_view flag;
  int at = 1;
  for (; at < argc; ++at) {
    if (std::string_view(argv[at]) == "--") return {};
    if (is_flag(argv[at], flag = worker_flag) || is_flag(argv[at], flag = serve_flag) ||
        is_flag(argv[at], flag = replay_flag))
      break;
    if (argv[at] == (flag = compare_flag) || argv[at] == (flag = build_flag)) break;
  }
  if (at >= argc) return {};
  if (platform::has_raised_rights()) return refused_rights();
  if (flag == build_flag) {
    start_info how{.kind = start_kind::build};
    if (argc != 2) how.fault = "--yonder-build is the only argument where it is one";
    return how;
  }
  if (flag == compare_flag) {
    start_info how{.kind = start_kind::comparison, .arguments = {argv + at + 1, argv + argc}};
    if (at != 1) how.fault = "--yonder-compare comes behind other arguments; write it as the first argument";
    return how;
  }
  bool const serves = flag == serve_flag;
  bool const replays = flag == replay_flag;
  auto const usage =
      "write it as the first argument: " + std::string(serves    ? "--yonder-serve 127.0.0.1:8000"
                                                       : replays ? "--yonder-replay FILE"
                                                                 : "--yonder-worker tcp://host:port");
  auto const refuse = serves ? server_misuse : replays ? replay_misuse : misuse;
  if (at != 1) return refuse(std::string(flag) + " comes behind other arguments; " + usage);
  std::string_view address = argv[1];
  address.remove_prefix(flag.size());
  int rest = 2;
  if (address.starts_with('='))
    address.remove_prefix(1);
  else if (argc > 2)
    address = argv[rest++];
  if (address.empty())
    return refuse(std::string(flag) +
                  (serves    ? " needs the address to serve at; "
                   : replays ? " needs the file of a recording; "
                             : " needs the hub's address; ") +
                  usage);
  if (replays) return {.kind = start_kind::replay, .recording = std::string(address)};
  if (serves)
    return server_of(address,
                     std::span(argv, static_cast<std::size_t>(argc)).subspan(static_cast<std::size_t>(rest)));
  start_info how{
      .kind = start_kind::hub_worker, .hub = std::string(address), .arguments = {argv + 1, argv + argc}};
  hide_token(const_cast<char*>(address.data()), address.size());
  take_supervision(how);
  return how;
}

// Of a list with commas.
void add_members(std::string_view list, std::vector<std::string>& to) {
  for (;;) {
    auto const comma = std::min(list.find(','), list.size());
    to.emplace_back(list.substr(0, comma));
    if (comma == list.size()) return;
    list.remove_prefix(comma + 1);
  }
}

start_info server_of(std::string_view address, std::span<char* const> rest) {
  start_info server{.kind = start_kind::http_server, .http = {.address = std::string(address)}};
  struct {
    std::string_view name;
    std::string* value;
  } const settings[]{{"--keys", &server.http.keys},
                     {"--certificate", &server.http.certificate},
                     {"--private-key", &server.http.private_key}};
  for (; !rest.empty(); rest = rest.subspan(1)) {
    std::string_view const word = rest.front();
    if (word == "--without-keys") {
      server.http.without_keys = true;
      continue;
    }
    if (word == "--trusted-proxies") {
      if (rest.size() < 2) return server_misuse("--trusted-proxies needs addresses, as 127.0.0.1,10.0.0.0/8");
      rest = rest.subspan(1);
      add_members(rest.front(), server.http.trusted_proxies);
      continue;
    }
    auto const* const found = std::find_if(std::begin(settings), std::end(settings),
                                           [word](auto const& one) { return one.name == word; });
    if (found == std::end(settings))
      return server_misuse(
          "--yonder-serve does not know '" + std::string(word) +
          "'; it takes --keys FILE, --without-keys, --certificate FILE, --private-key FILE and "
          "--trusted-proxies ADDRESSES");
    if (rest.size() < 2) return server_misuse(std::string(word) + " needs a file");
    rest = rest.subspan(1);
    *found->value = rest.front();
  }
  return server;
}

start_info recognize(int argc, char** argv) {
  auto how = of_environment();
  return how.kind == start_kind::program ? of_arguments(argc, argv) : how;
}

// The C library passes main's arguments to constructors. Before those of the program's own objects.
[[gnu::constructor(101)]] void begin(int argc, char** argv, char**) {
  platform::hold_standard_descriptors();
  known = new known_from_the_start{platform::own_image(argc, argv), recognize(argc, argv)};
}

}  // namespace

http_options with_arguments(http_options own, http_options const& arguments) {
  own.address = arguments.address;
  if (arguments.without_keys || !arguments.keys.empty()) {
    own.keys = arguments.keys;
    own.without_keys = arguments.without_keys;
  }
  if (!arguments.certificate.empty()) own.certificate = arguments.certificate;
  if (!arguments.private_key.empty()) own.private_key = arguments.private_key;
  if (!arguments.trusted_proxies.empty()) own.trusted_proxies = arguments.trusted_proxies;
  return own;
}

start_info const& how_started() noexcept {
  static start_info const not_yet;
  return known != nullptr ? known->how : not_yet;
}
platform::own_image const& own_image() noexcept { return known->image; }

void move_to_hub(std::string address) {
  auto& how = known->how;
  auto& flag = how.arguments.at(0);
  if (flag == worker_flag)
    how.arguments.at(1) = address;
  else
    flag = std::string(worker_flag) + "=" + address;
  how.hub = std::move(address);
}

std::string supervised_value(supervised_descriptors const& passed, pid_t supervisor) {
  return "v3:channel=" + std::to_string(passed.channel) + ",page=" + std::to_string(passed.page) +
         ",supervisor=" + std::to_string(supervisor) + ",order=" + std::to_string(passed.order) +
         ",printed=" + std::to_string(passed.printed) + ",relay=" + std::to_string(passed.relay);
}

void say(std::string const& text) {
  auto const line = "yonder worker: " + text + "\n";
  [[maybe_unused]] auto const written = ::write(STDERR_FILENO, line.data(), line.size());
}

void* map_memory(int memory) {
  static_assert(std::atomic<std::uint64_t>::is_always_lock_free);
  void* const page = ::mmap(nullptr, page_size, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
  if (page == MAP_FAILED) platform::throw_errno("mmap");
  return page;
}

worker_inheritance take_inheritance() {
  rlimit const none{0, 0};
  ::setrlimit(RLIMIT_CORE, &none);
  ::fcntl(inherited_socket, F_SETFD, FD_CLOEXEC);
  ::fcntl(inherited_calls, F_SETFD, FD_CLOEXEC);
  ::fcntl(inherited_printed, F_SETFD, FD_CLOEXEC);
  ::fcntl(inherited_relay, F_SETFD, FD_CLOEXEC);
  platform::unique_fd const memory(inherited_page);
  worker_inheritance taken{.socket = platform::unique_fd(inherited_socket),
                           .calls = platform::unique_fd(inherited_calls),
                           .printed = platform::unique_fd(inherited_printed),
                           .relay = platform::unique_fd(inherited_relay),
                           .page = map_page(memory.get())};
  if (taken.page->has_channel != 0)
    taken.channel = {platform::unique_fd(inherited_channel), platform::unique_fd(inherited_channel + 1),
                     platform::unique_fd(inherited_channel + 2), platform::unique_fd(inherited_channel + 3)};
  if (taken.page->has_arenas != 0) {
    taken.channel.blocks_from_parent = platform::unique_fd(inherited_arenas);
    taken.channel.blocks_to_parent = platform::unique_fd(inherited_arenas + 1);
  }
  return taken;
}

}  // namespace yonder::runtime_detail
