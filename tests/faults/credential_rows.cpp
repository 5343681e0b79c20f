// SPDX-License-Identifier: Apache-2.0
//
// Every credential at every door, also the wrong ones: roles as transport::key_roles has them, in each state
// that a key can be in, used for each role.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <optional>
#include <thread>

#include "src/platform/unique_fd.hpp"
#include "tests/faults/journaled_hub.hpp"
#include "transports/zmq/authorized_keys.hpp"
#include "transports/zmq/enrolment.hpp"

namespace faults {
namespace {

using yonder::errc;
using yonder::platform::unique_fd;
using yonder::transport::key_role;
using yonder::transport::key_roles;
using yonder::transport::peer_rights;

enum class standing : std::uint8_t { good, expired, revoked, unlisted, of_another_hub };
constexpr std::array standings{standing::good, standing::expired, standing::revoked, standing::unlisted,
                               standing::of_another_hub};
constexpr std::string_view name_of(standing one) {
  switch (one) {
    case standing::good: return "good";
    case standing::expired: return "expired";
    case standing::revoked: return "revoked";
    case standing::unlisted: return "unlisted";
    case standing::of_another_hub: return "of another hub";
  }
  return {};
}

// A hub's keys, and folders of those that somebody else has.
class key_maker {
 public:
  explicit key_maker(journaled_site const& site) : site_(site) {
    yonder::transport::keygen(site_.file("another"));
  }

  // A folder in which this one stands under each name that a program looks for.
  std::string folder_with(key_role const& role, standing how) {
    namespace fs = std::filesystem;
    auto const name = std::string(role.name) + std::to_string(static_cast<int>(how));
    auto const into = site_.file(name);
    peer_rights rights{.calls = false, .works = false};
    rights.*role.right = true;
    auto const hub =
        how == standing::unlisted || how == standing::of_another_hub ? site_.file("another") : site_.keys();
    yonder::transport::key_terms terms{.name = name, .rights = rights};
    if (how == standing::expired) terms.lifetime = 1s;
    yonder::transport::issue_files(hub, terms, into);
    if (how == standing::revoked) yonder::transport::revoke_keys(site_.keys(), name);
    if (how == standing::unlisted)  // it knows whom it talks to
      fs::copy_file(fs::path(site_.keys()) / "server.pub", fs::path(into) / "server.pub",
                    fs::copy_options::overwrite_existing);
    for (auto const* const own : {"client", "worker", "operator"}) {
      if (!fs::exists(fs::path(into) / (std::string(own) + ".key"))) continue;
      for (auto const* const other : {"client", "worker", "operator"})
        for (auto const* const half : {".key", ".pub"})
          if (std::string_view(own) != other)
            fs::copy_file(fs::path(into) / (std::string(own) + half),
                          fs::path(into) / (std::string(other) + half));
      break;
    }
    return into;
  }

 private:
  journaled_site const& site_;
};

// What somebody has done with a key: nothing came of it, or that is why.
struct attempt {
  errc code{};
  std::string words{};
};

yonder::runtime_options options_with(journaled_site const& site, std::string const& keys) {
  auto options = site.client();
  options.keys = keys;
  options.as_operator = false;
  options.connect_timeout = 3s;
  return options;
}

attempt call_with(journaled_site const& site, std::string const& keys, board const& shared,
                  std::uint32_t slot) {
  try {
    yonder::runtime client(options_with(site, keys));
    auto call = task::enter.on(client).with({.deadline = 20s}).spawn(shared.path(), slot);
    auto const failure = failure_of(call);
    return {failure.code, failure.message};
  } catch (yonder::error const& refused) {
    return {refused.code(), refused.what()};
  }
}

attempt operate_with(journaled_site const& site, std::string const& keys) {
  try {
    auto options = options_with(site, keys);
    options.as_operator = true;
    yonder::runtime const boss(options);
    (void)boss.usage();
    return {};
  } catch (yonder::error const& refused) {
    return {refused.code(), refused.what()};
  }
}

// A worker with this key, while a call waits that nobody else takes.
attempt work_with(journaled_site const& site, std::string const& keys, yonder::runtime& client,
                  board const& shared, std::uint32_t slot, nanoseconds limit) {
  e2e::program worker(own_path(), {"YONDER_KEYS=" + keys}, {"--yonder-worker", site.address()});
  auto call = task::enter.on(client).with({.deadline = limit}).spawn(shared.path(), slot);
  auto const failure = failure_of(call);
  worker.kill();
  worker.wait();
  return {failure.code, failure.message};
}

struct tally {
  std::uint64_t tried = 0, let_in = 0, kept_out = 0, executions = 0, untyped = 0;
  std::string first{};
  void note(std::string const& what) {
    if (first.empty()) first = what;
  }
};

void try_everything(findings& seen) {
  journaled_site site;
  board const shared(site.file("board"));
  journaled_hub const hub(site);
  if (!hub.serves()) return seen.holds(hub.said(), false);
  yonder::runtime client(site.client());
  key_maker keys(site);
  tally all;
  std::uint32_t slot = 1;
  for (auto const& role : key_roles)
    for (auto const how : standings) {
      auto const folder = keys.folder_with(role, how);
      if (how == standing::expired) std::this_thread::sleep_for(2100ms);
      peer_rights rights{.calls = false, .works = false};
      yonder::transport::read_roles(role.name, rights);
      for (auto const& use : key_roles) {
        auto const own = slot++;
        auto const may = how == standing::good && rights.*use.right;
        attempt did;
        if (use.right == &peer_rights::works) {
          did = work_with(site, folder, client, shared, own, may ? 20s : 3s);
        } else {
          std::optional<e2e::program> worker;
          if (use.right == &peer_rights::calls)
            worker.emplace(own_path(), std::vector<std::string>{"YONDER_KEYS=" + site.keys()},
                           std::vector<std::string>{"--yonder-worker", site.address()});
          did = use.right == &peer_rights::calls ? call_with(site, folder, shared, own)
                                                 : operate_with(site, folder);
          if (worker) {
            worker->kill();
            worker->wait();
          }
        }
        auto const words = std::string(name_of(how)) + " " + std::string(role.name) + " as " +
                           std::string(use.name) + ": " + did.words;
        ++all.tried;
        if (may && did.code != errc{}) ++all.kept_out, all.note(words);
        if (!may && did.code == errc{}) ++all.let_in, all.note(words);
        if (!may && did.code != errc{} && did.words.empty()) ++all.untyped, all.note(words);
        if (!may && shared[own].entered.load() != 0) ++all.executions, all.note(words);
      }
    }
  seen.equals("of " + std::to_string(all.tried) + " uses of keys let in that were not to be", all.let_in, 0);
  seen.equals("kept out that were not to be", all.kept_out, 0);
  seen.equals("refused without words", all.untyped, 0);
  seen.equals("functions entered", all.executions, 0);
  if (!all.first.empty()) seen.note("first: " + all.first);
}

// --- without any key

// What ZeroMQ says first, of this mechanism, and a READY that nobody has asked for.
std::string greeting_of(std::string_view mechanism) {
  std::string bytes(64, '\0');
  bytes[0] = '\xff';
  bytes[8] = 1;
  bytes[9] = '\x7f';
  bytes[10] = 3;
  std::copy(mechanism.begin(), mechanism.end(), bytes.begin() + 12);
  return bytes + std::string(
                     "\x04\x1c\x05READY\x0bSocket-Type\x00\x00\x00\x06"
                     "DEALER",
                     30);
}

// Whether the other end closes within 35 s, which is when libzmq gives up a handshake.
bool is_closed(int socket) {
  auto const end = clock::now() + 35s;
  char part[256];
  for (;;) {
    auto const left = std::chrono::duration_cast<std::chrono::milliseconds>(end - clock::now()).count();
    pollfd ready{socket, POLLIN, 0};
    if (left <= 0 || ::poll(&ready, 1, static_cast<int>(left)) != 1) return false;
    if (::recv(socket, part, sizeof part, 0) <= 0) return true;
  }
}

unique_fd connect_tcp(std::string const& address) {
  unique_fd made(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<std::uint16_t>(std::stoul(address.substr(address.rfind(':') + 1))));
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (!made || ::connect(made.get(), reinterpret_cast<sockaddr const*>(&to), sizeof to) != 0) made.reset();
  return made;
}

// Another user's process; its exit status: 0, it could connect, and was closed again; 1, it could not; 2, it
// was kept.
int connect_as_nobody(std::string const& path) {
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  std::copy_n(path.c_str(), std::min(path.size() + 1, sizeof to.sun_path - 1), to.sun_path);
  auto const hello = greeting_of("NULL");
  pid_t const child = ::fork();
  if (child == 0) {
    constexpr uid_t nobody = 65534;
    if (::setresgid(nobody, nobody, nobody) != 0 || ::setresuid(nobody, nobody, nobody) != 0) ::_exit(3);
    int const socket = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (::connect(socket, reinterpret_cast<sockaddr const*>(&to), sizeof to) != 0) ::_exit(1);
    (void)!::send(socket, hello.data(), hello.size(), MSG_NOSIGNAL);
    ::_exit(is_closed(socket) ? 0 : 2);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

void come_without_keys(findings& seen) {
  e2e::folder place;
  auto const keys = place / "keys", socket = place / "private/hub";
  yonder::transport::keygen(keys);
  int closed_folder = 1, open_folder = 0;
  {
    board const shared(place / "board");
    yonder::runtime_options options;
    options.max = 1;
    options.bind = {"tcp://127.0.0.1:*", "ipc://" + socket};
    options.keys = keys;
    yonder::runtime hub(options);
    task::enter.on(hub).remote(shared.path(), 0U);
    std::uint64_t left_open = 0;
    std::string which;
    std::vector<std::pair<std::string, unique_fd>> tries;
    for (auto const* const mechanism : {"NULL", "PLAIN", "GSSAPI", "CURVE", "NONE"}) {
      auto made = connect_tcp(hub.addresses().front());
      auto const hello = greeting_of(mechanism);
      if (made) (void)!::send(made.get(), hello.data(), hello.size(), MSG_NOSIGNAL);
      tries.emplace_back(mechanism, std::move(made));
    }
    for (auto const& [mechanism, made] : tries)
      if (made && !is_closed(made.get())) ++left_open, which += " " + mechanism;
    seen.equals("of " + std::to_string(tries.size()) + " mechanisms that prove no key kept" + which,
                left_open, 0);
    if (::geteuid() == 0) {
      closed_folder = connect_as_nobody(socket);
      for (auto folder = std::filesystem::path(socket).parent_path(); folder != "/tmp" && folder != "/";
           folder = folder.parent_path())
        ::chmod(folder.c_str(), 0755);
      ::chmod(socket.c_str(), 0777);
      open_folder = connect_as_nobody(socket);
      seen.equals("connections of another user to an ipc socket in a private folder",
                  closed_folder == 1 ? 0 : 1, 0);
      seen.equals("that the hub keeps where somebody has opened that folder", open_folder == 0 ? 0 : 1, 0);
    } else {
      seen.note("another user over ipc: not tried, as this is not root");
    }
    seen.equals("functions entered", shared[0].entered.load() - 1, 0);
    seen.holds("the hub does not serve any more",
               task::enter.on(hub).spawn(shared.path(), 1U).try_get().value_or(0) == 2);
  }
}

}  // namespace

std::vector<row> credential_rows() {
  return {
      {"credentials",
       "keys of each role, good, expired, revoked, unlisted and of another hub, used as each role",
       "typed errors; 0 functions entered", try_everything, 300s},
      {"without-keys", "other mechanisms than CURVE over tcp, another user over ipc",
       "closed within the time of a handshake; 0 functions entered", come_without_keys, 180s},
  };
}

}  // namespace faults
