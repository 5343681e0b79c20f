// SPDX-License-Identifier: Apache-2.0
#include "src/cli/hub/hub.hpp"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <system_error>
#include <thread>

#include "src/cli/printable.hpp"
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

std::string trusted_variable(char const* name) {
  char const* const value = ::secure_getenv(name);
  return value == nullptr ? "" : value;
}

// Secrets and files end with a line break, which is no part of a token.
std::string without_blanks_around(std::string const& text) {
  constexpr auto blanks = " \t\r\n\v\f";
  auto const begin = text.find_first_not_of(blanks);
  return begin == text.npos ? "" : text.substr(begin, text.find_last_not_of(blanks) + 1 - begin);
}

// The token that stands in `place`, which is named where it cannot be one. It is not shown.
std::string checked_token(std::string const& text, std::string const& place) {
  auto token = without_blanks_around(text);
  if (std::ranges::all_of(token, [](char c) { return c > ' ' && c < 0x7F; })) return token;
  fail(place + " holds no token, which is one word of visible ASCII; take one from the hub's page of tokens");
}

std::string text_of_file(std::filesystem::path const& path) {
  std::error_code missing;
  if (!std::filesystem::exists(path, missing) && missing != std::errc::permission_denied) return {};
  std::ifstream file(path, std::ios::binary);
  std::string text;
  std::getline(file, text, '\0');
  if (!file.is_open() || file.bad()) fail("cannot read the token in " + path.string());
  return text;
}

// Where Hugging Face's tools look: their home's file does not move with the cache.
std::string read_token() {
  for (auto const* name : {"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"})
    if (auto token = checked_token(trusted_variable(name), name); !token.empty()) return token;
  std::filesystem::path path = trusted_variable("HF_TOKEN_PATH");
  if (auto const home = ml::hugging_face_home(); path.empty() && !home.empty()) path = home / "token";
  return path.empty() ? "" : checked_token(text_of_file(path), path.string());
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
  auto const words = reason.empty() ? said : said + " (" + printable(reason) + ")";
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
  if (is_on(trusted_variable("HF_HUB_OFFLINE")))
    fail("HF_HUB_OFFLINE forbids downloads; unset it, or copy the model's folder into the cache");
  auto const endpoint = trusted_variable("HF_ENDPOINT");
  auto const place = parse_url(endpoint.empty() ? "https://huggingface.co" : endpoint);
  if (!place || place->target.find('?') != std::string::npos)
    fail("HF_ENDPOINT is \"" + endpoint + "\"; it has to be an address such as https://huggingface.co");
  return {*place, read_token()};
}

hub::hub(url endpoint, std::string token) : endpoint_(std::move(endpoint)), token_(std::move(token)) {
  while (endpoint_.target.ends_with('/')) endpoint_.target.pop_back();
}

http_answer hub::get(url from, http_fields fields, std::string const& model,
                     std::function<body_sink(http_answer const&)> const& begin) const {
  for (unsigned redirects = 0;; ++redirects) {
    auto sent = fields;
    // The token is the hub's alone; storage elsewhere has addresses that are signed.
    bool const own = from.origin() == endpoint_.origin();
    if (own && !token_.empty()) sent.emplace_back("Authorization", "Bearer " + token_);
    auto const answer = http_get(from, sent, [&](http_answer const& head) {
      return head.status == 200 || head.status == 206 ? begin(head) : body_sink();
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
  return parse_commit(read(endpoint_.target + "/api/models/" + model + "/revision/" + name, model, nullptr));
}

std::vector<hub_file> hub::files_of(std::string const& model, std::string const& commit) const {
  std::vector<hub_file> all;
  std::string target = endpoint_.target + "/api/models/" + model + "/tree/" + commit + "?recursive=true";
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
  from.target += "/" + model + "/resolve/" + commit + "/" + escape_path(path);
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
