// SPDX-License-Identifier: Apache-2.0
#include "transports/zmq/admission.hpp"

#include <ctime>
#include <utility>

namespace yonder::transport {

namespace {

constexpr peer_rights all_rights{.calls = true, .works = true, .operates = true};

// With one token: each reads the list, which others wait for.
constexpr int most_wrong_tries = 10;

unix_seconds time_of_day() { return std::time(nullptr); }

}  // namespace

admission::admission(std::optional<allow_list> allowed, std::optional<raw_key> own)
    : allowed_(std::move(allowed)), own_(own) {}

std::string admission::identity_of_process(std::int64_t process) {
  return process == 0 ? std::string() : "process " + std::to_string(process);
}

key_entry const* admission::listed(std::string_view identity) {
  raw_key key{};
  if (!allowed_ || !identity.starts_with(key_prefix) ||
      !read_key_text(identity.substr(key_prefix.size()), key))
    return nullptr;
  return allowed_->find(key, time_of_day());
}

bool admission::is_token(std::string_view identity) {
  auto const* const entry = listed(identity);
  return entry != nullptr && entry->enrols;
}

enrolment admission::enrol(std::string_view identity, raw_key const& key, connect_role role) {
  auto const* const entry = listed(identity);
  if (entry == nullptr || !entry->enrols || key == own_) return enrolment::refused;
  auto const token = raw_key(entry->key);
  auto const tries = wrong_tries_.find(token);
  if (tries != wrong_tries_.end() && tries->second >= most_wrong_tries) return enrolment::refused;
  auto const what = enrol_key(allowed_->file(), token, key, role, time_of_day());
  if (what == enrolment::wrong_role || what == enrolment::listed) ++wrong_tries_[token];
  return what;
}

std::optional<peer_rights> admission::rights_of(std::string_view identity) {
  if (!identity.starts_with(key_prefix)) return all_rights;
  if (own_ && identity == identity_of(*own_)) return all_rights;
  raw_key key{};
  if (read_key_text(identity.substr(key_prefix.size()), key))
    if (auto const issued = issued_.find(key); issued != issued_.end())
      return peer_rights{.calls = false, .issued_for = issued->second};
  auto const* const entry = listed(identity);
  if (entry == nullptr) return std::nullopt;
  return entry->enrols ? peer_rights{.calls = false, .works = false} : entry->rights;
}

std::vector<admission::change> admission::changes() {
  std::vector<change> seen;
  if (!allowed_) return seen;
  for (auto& one : allowed_->changes(time_of_day()))
    if (one.key != own_) seen.push_back({identity_of(one.key), std::move(one.reason)});
  return seen;
}

std::vector<std::string> admission::warnings() const {
  auto const count = allowed_ ? allowed_->without_role() : 0;
  if (count == 0) return {};
  return {std::to_string(count) +
          (count == 1 ? " key in authorized_keys has no role and is"
                      : " keys in authorized_keys have no role and are") +
          " a client's and a worker's; write role=client, role=worker or role=operator behind it (`yonder "
          "keys list`)"};
}

}  // namespace yonder::transport
