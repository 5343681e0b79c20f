// SPDX-License-Identifier: Apache-2.0
#include "transports/zmq/connect_keys.hpp"

#include <filesystem>
#include <system_error>

#include "transports/setup_error.hpp"
#include "transports/zmq/enrolment.hpp"

namespace yonder::transport {

namespace {

bool is_there(std::filesystem::path const& file) {
  std::error_code unknown;
  return std::filesystem::exists(std::filesystem::symlink_status(file, unknown));
}

std::filesystem::path const& secret_of(key_files const& files, connect_role role) {
  switch (role) {
    case connect_role::worker:
      return is_there(files.worker_secret) ? files.worker_secret : files.client_secret;
    case connect_role::boss:
      return is_there(files.operator_secret) ? files.operator_secret : files.server_secret;
    default: return files.client_secret;
  }
}

}  // namespace

void read_connect_keys(connect_options const& options, std::string const& shown, std::string_view fragment,
                       connect_keys& read) {
  if (!options.secret.empty()) {
    decode_key("the secret key of this worker", options.secret, read.own.bytes);
    decode_key("the public key of its hub", options.server_public, read.server);
    return;
  }
  if (!fragment.empty()) {
    handed_over brought;
    read_handed_over(fragment, brought);
    if (brought.enrols)
      throw setup_error(errc::bad_configuration, shown + ": a token is used before one connects");
    read.own.bytes = brought.secret.bytes;
    read.server = brought.server;
    return;
  }
  if (options.keys.empty())
    throw setup_error(errc::bad_configuration,
                      shown + ": " + shown.substr(0, shown.find(':')) +
                          " needs keys; run `yonder keygen FOLDER` where the hub is, copy client.key and "
                          "server.pub into a folder here and name that");
  key_files const files(options.keys);
  read_secret_key(secret_of(files, options.role), read.own);
  read.server = read_public_key(files.server_public);
}

}  // namespace yonder::transport
