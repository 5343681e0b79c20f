// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "src/cli/hub/listing.hpp"
#include "src/http/client.hpp"

namespace yonder::cli {

using http::body_sink;
using http::http_answer;
using http::http_fields;
using http::url;

// A server with Hugging Face's interface. Calls throw std::runtime_error in words: what was asked, what was
// answered, what to do. An answer 429 or 5xx and a connection that breaks off are tried again, five times.
class hub {
 public:
  // HF_ENDPOINT, HF_TOKEN or the file that `hf auth login` writes, HF_HUB_OFFLINE. Throws where that forbids
  // it, and for what is no address or no token.
  static hub from_environment();
  hub(url endpoint, std::string token);

  std::string commit_of(std::string const& model, std::string const& revision) const;
  std::vector<hub_file> files_of(std::string const& model, std::string const& commit) const;
  // The file's bytes from `offset` on; sink(offset) comes first, once more with 0 where the server has no
  // ranges, and takes them.
  void fetch(std::string const& model, std::string const& commit, std::string const& path,
             std::uint64_t offset, std::function<body_sink(std::uint64_t)> const& sink) const;
  std::string origin() const { return endpoint_.origin(); }

 private:
  std::string read(std::string const& target, std::string const& model, std::string* next) const;
  http_answer get(url from, http_fields fields, std::string const& model,
                  std::function<body_sink(http_answer const&)> const& begin) const;

  url endpoint_;  // its target without a slash at its end: the interface may lie under a path
  std::string token_;
};

}  // namespace yonder::cli
