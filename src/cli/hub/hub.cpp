// SPDX-License-Identifier: Apache-2.0
#include "src/cli/hub/hub.hpp"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <thread>

#include "yonder/ml/model_cache.hpp"

namespace yonder::cli {
namespace {

using http::connection_lost;
using http::escape_path;
using http::http_get;
using http::next_of;
using http::parse_url;
using http::resolve;

constexpr unsigned attempts = 5;
constexpr unsigned most_redirects = 5;
constexpr std::size_t most_listing_bytes = 64 << 20;
constexpr std::size_t most_pages = 100;

[[noreturn]] void fail(std::string const& words) { throw std::runtime_error(words); }

std::string variable(char const* name) {
  char const* const value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::string read_token() {
  if (auto token = variable("HF_TOKEN"); !token.empty()) return token;
  auto file = variable("HF_TOKEN_PATH");
  if (file.empty()) file = (ml::model_cache().parent_path() / "token").string();
  std::string token;
  std::ifstream(file) >> token;
  return token;
}

bool is_on(std::string text) {
  std::ranges::transform(text, text.begin(),
                         [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return text == "1" || text == "ON" || text == "YES" || text == "TRUE";
}

bool is_redirect(unsigned status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

bool may_pass(unsigned status) { return status == 429 || status >= 500; }

std::chrono::seconds pause_after(http_answer const& answer, unsigned attempt) {
  auto const stated = answer.field("retry-after");
  bool const number =
      !stated.empty() && stated.size() <= 4 && stated.find_first_not_of("0123456789") == stated.npos;
  return std::chrono::seconds(std::min(number ? std::stoul(stated) : 1UL << attempt, 60UL));
}

[[noreturn]] void fail(http_answer const& answer, url const& from, std::string const& model,
                       bool with_token) {
  auto const said = from.origin() + " answers " + std::to_string(answer.status) + " for " + model;
  auto const reason = answer.field("x-error-message");
  auto const words = reason.empty() ? said : said + " (" + reason + ")";
  switch (answer.status) {
    case 401:
    case 403:
      fail(words +
           (with_token
                ? ": the token does not open it; accept the model's terms on its page, or take another token"
                : ": it is private, gated or not there; set HF_TOKEN to a token that may read it"));
    case 404: fail(words + ": there is no such model, revision or file; check the name, ORG/NAME@REVISION");
    case 429: fail(words + ": too many requests; wait, or set HF_TOKEN");
    default: fail(words + "; try again later");
  }
}

}  // namespace

hub hub::from_environment() {
  if (is_on(variable("HF_HUB_OFFLINE")))
    fail("HF_HUB_OFFLINE forbids downloads; unset it, or copy the model's folder into the cache");
  auto const endpoint = variable("HF_ENDPOINT");
  auto const place = parse_url(endpoint.empty() ? "https://huggingface.co" : endpoint);
  if (!place)
    fail("HF_ENDPOINT is \"" + endpoint + "\"; it has to be an address such as https://huggingface.co");
  return {*place, read_token()};
}

http_answer hub::get(url from, http_fields fields, std::string const& model,
                     std::function<body_sink(http_answer const&)> const& begin) const {
  for (unsigned redirects = 0;; ++redirects) {
    auto sent = fields;
    // The token is the hub's alone; storage elsewhere has addresses that are signed.
    bool const own = from.origin() == endpoint_.origin();
    if (own && !token_.empty()) sent.emplace_back("Authorization", "Bearer " + token_);
    auto const answer = http_get(from, sent, [&](http_answer const& head) {
      return head.status == 200 || head.status == 206 ? begin(head) : body_sink([](std::string_view) {});
    });
    if (!is_redirect(answer.status)) return answer;
    auto const next = resolve(from, answer.field("location"));
    if (!next || (from.tls && !next->tls) || redirects == most_redirects)
      fail(from.origin() + " sends elsewhere for " + model + ", to no address that can be followed");
    from = *next;
  }
}

std::string hub::read(std::string const& target, std::string const& model, std::string* next) const {
  auto from = endpoint_;
  from.target = target;
  for (unsigned attempt = 0;; ++attempt) {
    try {
      std::string body;
      auto const answer = get(from, {{"Accept", "application/json"}}, model, [&](http_answer const&) {
        return [&body](std::string_view piece) {
          if (body.size() + piece.size() > most_listing_bytes) fail("the hub's answer is larger than 64 MiB");
          body += piece;
        };
      });
      if (answer.status == 200) {
        if (next != nullptr) *next = next_of(answer.field("link"));
        return body;
      }
      if (!may_pass(answer.status) || attempt + 1 == attempts) fail(answer, from, model, !token_.empty());
      std::this_thread::sleep_for(pause_after(answer, attempt));
    } catch (connection_lost const&) {
      if (attempt + 1 == attempts) throw;
      std::this_thread::sleep_for(std::chrono::seconds(1U << attempt));
    }
  }
}

std::string hub::commit_of(std::string const& model, std::string const& revision) const {
  auto name = escape_path(revision);
  for (auto at = name.find('/'); at != name.npos; at = name.find('/', at)) name.replace(at, 1, "%2F");
  return parse_commit(read("/api/models/" + model + "/revision/" + name, model, nullptr));
}

std::vector<hub_file> hub::files_of(std::string const& model, std::string const& commit) const {
  std::vector<hub_file> all;
  std::string target = "/api/models/" + model + "/tree/" + commit + "?recursive=true";
  for (std::size_t page = 0; page < most_pages; ++page) {
    std::string next;
    for (auto& file : parse_tree(read(target, model, &next))) all.push_back(std::move(file));
    if (next.empty()) return all;
    auto const place = resolve(endpoint_, next);
    if (!place || place->origin() != endpoint_.origin()) fail("the hub's list goes on at another server");
    target = place->target;
  }
  fail(model + " has more files than a model has");
}

void hub::fetch(std::string const& model, std::string const& commit, std::string const& path,
                std::uint64_t offset, std::function<body_sink(std::uint64_t)> const& sink) const {
  auto from = endpoint_;
  from.target = "/" + model + "/resolve/" + commit + "/" + escape_path(path);
  auto furthest = offset;
  for (unsigned attempt = 0;; ++attempt) {
    try {
      http_fields fields{{"Accept-Encoding", "identity"}};
      if (offset != 0) fields.emplace_back("Range", "bytes=" + std::to_string(offset) + "-");
      auto const answer = get(from, fields, model, [&](http_answer const& head) {
        if (head.status == 200) offset = 0;
        auto const range = "bytes " + std::to_string(offset) + "-";
        if (head.status == 206 && !head.field("content-range").starts_with(range))
          fail(endpoint_.origin() + " sends another part of " + path + " than was asked for");
        auto take = sink(offset);
        return [&, take](std::string_view piece) {
          take(piece);
          offset += piece.size();
          if (offset <= furthest) return;
          furthest = offset;
          attempt = 0;
        };
      });
      if (answer.status == 200 || answer.status == 206) return;
      if (!may_pass(answer.status) || attempt + 1 == attempts)
        fail(answer, from, model + "/" + path, !token_.empty());
      std::this_thread::sleep_for(pause_after(answer, attempt));
    } catch (connection_lost const&) {
      if (attempt + 1 == attempts) throw;
      if (attempt != 0) std::this_thread::sleep_for(std::chrono::seconds(1U << attempt));
    }
  }
}

}  // namespace yonder::cli
