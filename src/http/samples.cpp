// SPDX-License-Identifier: Apache-2.0
#include "src/http/samples.hpp"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <mutex>
#include <span>
#include <utility>

#include "src/http/message.hpp"
#include "src/http/service_context.hpp"
#include "src/platform/stderr_writer.hpp"
#include "src/platform/system_call.hpp"
#include "yonder/error.hpp"

namespace yonder::http {

namespace {

// Constant-initialized, as those of endpoints.
constinit std::mutex samples_mutex;
constinit samples* first_samples = nullptr;

[[noreturn]] void refuse(std::string words) {
  yonder::detail::throw_error({.code = errc::bad_configuration, .message = std::move(words)});
}

std::string in_quotes(std::string_view text) { return "'" + std::string(text) + "'"; }

// RFC 3339, in UTC.
std::string time_in_words() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  std::tm parts{};
  ::gmtime_r(&now.tv_sec, &parts);
  char text[40];
  auto const size = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
  std::snprintf(text + size, sizeof text - size, ".%03ldZ", now.tv_nsec / 1'000'000);
  return text;
}

// In [0, 1), by the id alone (FNV-1a, 64 bits, its upper half).
double place_of(std::string_view id) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (char const one : id) hash = (hash ^ static_cast<unsigned char>(one)) * 0x100000001b3;
  hash ^= hash >> 32;
  hash *= 0x9e3779b97f4a7c15;
  return static_cast<double>(hash >> 32) / 4294967296.0;
}

json_object begin_line(one_call const& call) {
  json_object line;
  line.text("time", time_in_words()).text("call", call.id()).text("task", call.endpoint->name);
  line.text("key", call.owner);
  return line;
}

bool is_number(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == text.npos;
}

// As a segment of a pointer has it.
std::string unescaped_segment(std::string_view text) {
  std::string made;
  for (std::size_t i = 0; i < text.size(); ++i) {
    auto const escapes = text[i] == '~' && i + 1 < text.size();
    if (escapes && text[i + 1] == '1')
      made += '/', ++i;
    else if (escapes && text[i + 1] == '0')
      made += '~', ++i;
    else
      made += text[i];
  }
  return made;
}

}  // namespace

samples::samples(std::string_view endpoint, sampling const& how) noexcept : endpoint_(endpoint), how_(how) {
  std::lock_guard const lock(samples_mutex);
  next_ = std::exchange(first_samples, this);
}

samples::~samples() {
  std::lock_guard const lock(samples_mutex);
  for (auto** link = &first_samples; *link != nullptr; link = &(*link)->next_) {
    if (*link != this) continue;
    *link = next_;
    return;
  }
}

struct declared_samples {
  static std::vector<samples const*> all() {
    std::lock_guard const lock(samples_mutex);
    std::vector<samples const*> found;
    for (auto const* one = first_samples; one != nullptr; one = one->next_) found.push_back(one);
    return found;
  }
};

// --- what is left out

redaction::redaction(std::string_view pointers, std::span<std::string_view const> names)
    : names_(names.begin(), names.end()) {
  while (!pointers.empty()) {
    auto const one = pointers.substr(0, pointers.find(' '));
    pointers.remove_prefix(std::min(pointers.size(), one.size() + 1));
    if (one.empty()) continue;
    std::vector<std::string> made;
    auto left = one;
    while (left.starts_with('/')) {
      left.remove_prefix(1);
      made.push_back(unescaped_segment(left.substr(0, left.find('/'))));
      left.remove_prefix(std::min(left.size(), left.find('/')));
    }
    auto const is_part = [&](char const* part) { return !made.empty() && made.front() == part; };
    if (!left.empty() || !(is_part("arguments") || is_part("result") || is_part("correction")))
      refuse("sampling::redacted has " + in_quotes(one) +
             ", which is no JSON pointer into /arguments, /result or /correction");
    add(std::move(made), one);
  }
}

// The place of the parameter of that name, "1"; of no parameter, the name.
std::string redaction::place_of(std::string name) const {
  auto const found = std::find(names_.begin(), names_.end(), name);
  return found == names_.end() ? name : std::to_string(found - names_.begin());
}

// Arguments are looked at by their places, as a caller may say them by place or by name. Of an only one
// without a name a pointer may leave out the place, as callers may.
void redaction::add(std::vector<std::string> pointer, std::string_view as_said) {
  if (pointer.front() == "arguments" && pointer.size() > 1) {
    auto& first = pointer[1];
    bool const is_place = first == "*" || is_number(first);
    if (names_.empty()) {
      auto behind_place = pointer;
      behind_place.insert(behind_place.begin() + 1, "0");
      if (is_place)
        pointers_.push_back(std::move(behind_place));
      else
        pointer = std::move(behind_place);
    } else {
      first = place_of(first);
      bool const is_known = is_number(first) && first.size() <= 9 && std::stoul(first) < names_.size() &&
                            (first.size() == 1 || first.front() != '0');
      if (first != "*" && !is_known) {
        std::string known;
        for (auto const name : names_) known += (known.empty() ? "" : ", ") + in_quotes(name);
        refuse("sampling::redacted has " + in_quotes(as_said) +
               ", of a parameter that the endpoint has not: " + known);
      }
    }
  }
  pointers_.push_back(std::move(pointer));
}

bool redaction::touches(std::string_view part) const noexcept {
  return std::any_of(pointers_.begin(), pointers_.end(),
                     [part](auto const& one) { return one.front() == part; });
}

bool redaction::leaves_out(path const& at) const noexcept {
  return std::any_of(pointers_.begin(), pointers_.end(), [&](auto const& one) {
    return one.size() == at.size() &&
           std::equal(one.begin(), one.end(), at.begin(), [](auto& a, auto b) { return a == "*" || a == b; });
  });
}

// Whether one goes on from here by something that is no place in a list.
bool redaction::names_members(path const& at) const noexcept {
  return std::any_of(pointers_.begin(), pointers_.end(), [&](auto const& one) {
    return one.size() > at.size() &&
           std::equal(at.begin(), at.end(), one.begin(),
                      [](auto a, auto& b) { return b == "*" || a == b; }) &&
           one[at.size()] != "*" && !is_number(one[at.size()]);
  });
}

bool redaction::goes_on(path const& at) const noexcept {
  return std::any_of(pointers_.begin(), pointers_.end(), [&](auto const& one) {
    return one.size() > at.size() &&
           std::equal(at.begin(), at.end(), one.begin(), [](auto a, auto& b) { return b == "*" || a == b; });
  });
}

std::string redaction::write(std::string_view part, detail::json_document& document,
                             std::uint32_t place) const {
  std::string out;
  path at{part};
  // The only argument itself.
  auto const kind = document.nodes()[place].kind;
  bool const is_one =
      kind != detail::json_kind::array && (kind != detail::json_kind::object || names_.empty());
  if (part == "arguments" && is_one && !leaves_out(at)) at.push_back("0");
  write(document, place, at, out);
  return out;
}

void redaction::write(detail::json_document& document, std::uint32_t place, path& at,
                      std::string& out) const {
  auto const node = document.nodes()[place];
  auto const is_list = node.kind == detail::json_kind::array;
  auto const is_plain =
      !is_list && node.kind != detail::json_kind::object && node.kind != detail::json_kind::null;
  if (leaves_out(at) || (is_list && names_members(at)) || (is_plain && goes_on(at))) {
    out += R"("[redacted]")";
    return;
  }
  switch (node.kind) {
    case detail::json_kind::null: out += "null"; return;
    case detail::json_kind::boolean: out += node.is_true ? "true" : "false"; return;
    case detail::json_kind::number: out += document.text_of(node); return;
    case detail::json_kind::string: (out += '"').append(document.text_of(node)) += '"'; return;
    case detail::json_kind::array:
    case detail::json_kind::object: break;
  }
  out += is_list ? '[' : '{';
  std::size_t index = 0;
  for (auto one = place + 1; one < node.next; one = document.nodes()[one].next, ++index) {
    if (index != 0) out += ',';
    auto name = std::to_string(index);
    if (!is_list) {
      name = document.unescaped(document.nodes()[one]);
      (out += '"').append(document.text_of(document.nodes()[one])) += "\":";
      ++one;
      if (at.size() == 1 && at.front() == "arguments") name = place_of(std::move(name));
    }
    at.push_back(name);
    write(document, one, at, out);
    at.pop_back();
  }
  out += is_list ? ']' : '}';
}

// --- the file

rotated_file::rotated_file(std::string name, std::size_t max_bytes, unsigned files)
    : name_(std::move(name)), max_bytes_(max_bytes), files_(files) {}

std::string rotated_file::open() {
  fd_.reset(::open(name_.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  struct stat status {};
  if (!fd_ || ::fstat(fd_.get(), &status) != 0) return name_ + ": " + ::strerror(errno);
  size_ = static_cast<std::size_t>(status.st_size);
  return {};
}

void rotated_file::rotate() {
  fd_.reset();
  auto const numbered = [&](unsigned number) { return name_ + "." + std::to_string(number); };
  if (files_ == 0) {
    ::unlink(name_.c_str());
    return;
  }
  for (auto number = files_; number > 1; --number)
    ::rename(numbered(number - 1).c_str(), numbered(number).c_str());
  ::rename(name_.c_str(), numbered(1).c_str());
}

bool rotated_file::is_in_place() const {
  struct stat ours {
  }, named{};
  return ::fstat(fd_.get(), &ours) == 0 && ::lstat(name_.c_str(), &named) == 0 &&
         ours.st_ino == named.st_ino && ours.st_dev == named.st_dev;
}

std::string rotated_file::add(std::string const& line) {
  if (fd_ && !is_in_place()) fd_.reset();
  if (fd_ && size_ != 0 && size_ + line.size() > max_bytes_) rotate();
  if (!fd_)
    if (auto fault = open(); !fault.empty()) return fault;
  std::string_view left = line;
  while (!left.empty()) {
    auto const count = platform::retry([&] { return ::write(fd_.get(), left.data(), left.size()); });
    if (count < 0) {
      auto fault = name_ + ": " + ::strerror(errno);
      // No half of a line stays.
      if (left.size() != line.size()) [[maybe_unused]]
        auto const cut = ::ftruncate(fd_.get(), static_cast<off_t>(size_));
      return fault;
    }
    left.remove_prefix(static_cast<std::size_t>(count));
  }
  size_ += line.size();
  return {};
}

// --- the sampler

sampler::sampler(std::vector<detail::endpoint_entry const*> const& endpoints) {
  std::map<std::string_view, std::shared_ptr<rotated_file>> files;
  for (auto const* one : declared_samples::all()) {
    auto const& how = one->how();
    auto const of = "yonder::http::samples of " + in_quotes(one->endpoint());
    if (how.file.empty()) refuse(of + " name no file (sampling::file)");
    if (!(how.share >= 0 && how.share <= 1)) refuse(of + ": sampling::share is from 0 to 1");
    auto& file = files[how.file];
    if (!file) file = std::make_shared<rotated_file>(std::string(how.file), how.max_bytes, how.files);
    auto known = false;
    for (auto const* const endpoint : endpoints) {
      if (endpoint->name != one->endpoint()) continue;
      known = true;
      auto const by =
          std::make_shared<source const>(source{one, redaction(how.redacted, endpoint->names), file});
      if (!sources_.emplace(endpoint, by).second) refuse(of + " are declared twice");
    }
    if (!known) refuse(of + ": there is no yonder::http::endpoint, and no model, of this name");
  }
}

bool sampler::wants(one_call const& call) const {
  auto const found = sources_.find(call.endpoint);
  return found != sources_.end() && place_of(call.id()) < found->second->declared->how().share;
}

std::string sampler::arguments(detail::endpoint_entry const& endpoint, detail::json_document& document,
                               std::uint32_t place) const {
  return sources_.at(&endpoint)->without.write("arguments", document, place);
}

std::string sampler::octets(detail::endpoint_entry const& endpoint, std::string_view bytes) const {
  if (sources_.at(&endpoint)->without.touches("arguments")) return R"("[redacted]")";
  std::string text;
  detail::append_base64(text, std::as_bytes(std::span(bytes)));
  return text;
}

void sampler::ended(one_call const& call) {
  auto const from = sources_.at(call.endpoint);
  auto const& by = *from;
  auto line = begin_line(call);
  if (!by.declared->how().model.empty()) line.text("model", by.declared->how().model);
  std::string milliseconds;
  detail::append_double(milliseconds,
                        std::chrono::duration<double, std::milli>(*call.ended - call.begun).count());
  line.raw("milliseconds", milliseconds).raw("arguments", call.sampled->arguments);
  auto const* const failure = yonder::detail::failure_of(*call.call);
  auto const streams = call.endpoint->stream != nullptr;  // then what came before it failed is told, too
  auto const unspeakable = failure == nullptr || streams
                               ? failure_in([&] { line.raw("result", result(by, call)); })
                               : std::nullopt;
  if (call.sampled->cut) line.boolean("truncated", true);
  if (failure != nullptr || unspeakable)  // its words may quote what is left out
    line.text("error", to_string(failure != nullptr ? failure->code : errc::undecodable));
  if (written_.emplace(call.id(), written{from, call.owner}).second) in_order_.push_back(call.id());
  for (; in_order_.size() > most_correctable; in_order_.pop_front()) written_.erase(in_order_.front());
  add(by, std::move(line).finish() + "\n");
}

std::string sampler::result(source const& by, one_call const& call) {
  std::string whole;
  if (call.endpoint->stream != nullptr)
    whole = "[" + call.sampled->items + "]";
  else
    append_result(*call.endpoint, yonder::detail::take_reply(*call.call), whole);
  detail::json_document document(whole, {});
  return by.without.write("result", document, 0);
}

redaction const* sampler::correctable(std::string const& id, credential const& who) const {
  auto const found = written_.find(id);
  if (found == written_.end() || (!who.admin && found->second.owner != who.name)) return nullptr;
  return &found->second.by->without;
}

bool sampler::correct(std::string const& id, credential const& who, std::string const& correction) {
  if (correctable(id, who) == nullptr) return false;
  auto const& by = *written_.at(id).by;
  json_object line;
  line.text("time", time_in_words()).text("call", id).text("task", by.declared->endpoint());
  line.text("key", who.name).raw("correction", correction);
  add(by, std::move(line).finish() + "\n");
  return true;
}

// A disk that is full fails no call.
void sampler::add(source const& by, std::string const& line) {
  auto const fault = by.file->add(line);
  if (fault.empty()) return void(complained_ = false);
  if (!std::exchange(complained_, true))
    platform::stderr_writer().write("yonder: samples are lost, " + fault + "\n");
}

}  // namespace yonder::http
