// SPDX-License-Identifier: Apache-2.0
//
// The yonder command: a hub that programs and their workers meet at, the keys that let them in, and a look at
// this machine.
#include <signal.h>

#include <CLI/CLI.hpp>
#include <iostream>
#include <string>
#include <vector>

#include "src/cli/doctor.hpp"
#include "transports/zmq/keys.hpp"
#include "yonder/error.hpp"
#include "yonder/runtime.hpp"
#include "yonder/version.hpp"

namespace {

std::string version() {
  auto const v = yonder::library_version();
  return "yonder " + std::to_string(v.major) + "." + std::to_string(v.minor) + "." + std::to_string(v.patch);
}

void keygen(std::string const& folder) {
  yonder::transport::keygen(folder);
  std::cout << "keys are in " << folder << "\n"
            << "  the hub's machine keeps all of it; client.key, client.pub and server.pub go to those who "
               "connect\n"
            << "  authorized_keys lists whom the hub lets in\n";
}

// SIGTERM and SIGINT end it. Prints one address a line, then nothing until it ends.
void serve(std::vector<std::string> const& addresses, std::string const& keys) {
  sigset_t endings;
  ::sigemptyset(&endings);
  ::sigaddset(&endings, SIGTERM);
  ::sigaddset(&endings, SIGINT);
  ::pthread_sigmask(SIG_BLOCK, &endings, nullptr);  // before the runtime starts its thread, which inherits it
  yonder::runtime hub({.max = 0, .bind = addresses, .keys = keys});
  for (auto const& address : hub.addresses()) std::cout << address << std::endl;
  int signal = 0;
  ::sigwait(&endings, &signal);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Yonder: write a C++ function once, call it here or yonder.");
  app.set_version_flag("--version", version());
  app.require_subcommand(1);

  std::string folder;
  auto* const keygen_command =
      app.add_subcommand("keygen", "make the keys of a hub and of those who connect to it");
  keygen_command->add_option("folder", folder, "where; created (0700) if need be; nothing is overwritten")
      ->required();

  std::vector<std::string> addresses;
  std::string keys;
  auto* const hub_command = app.add_subcommand("hub", "run a hub");
  hub_command
      ->add_option("--bind", addresses,
                   "tcp://address:port (* for any port) or ipc:///folder/name; repeatable")
      ->required();
  hub_command->add_option("--keys", keys,
                          "the folder of keys; default: $YONDER_KEYS, or else ~/.config/yonder");

  auto* const doctor_command =
      app.add_subcommand("doctor", "say whether this machine's GPU will be used, and if not, what to type");

  try {
    app.parse(argc, argv);
    if (*doctor_command) return yonder::cli::doctor();
    if (*keygen_command) keygen(folder);
    if (*hub_command) serve(addresses, keys);
    return EXIT_SUCCESS;
  } catch (CLI::ParseError const& e) {
    return app.exit(e);
  } catch (std::exception const& e) {
    std::cerr << "yonder: " << e.what() << "\n";
    return EXIT_FAILURE;
  }
}
