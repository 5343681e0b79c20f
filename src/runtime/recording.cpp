// SPDX-License-Identifier: Apache-2.0
#include "src/runtime/recording.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <iterator>
#include <limits>
#include <string_view>
#include <system_error>
#include <utility>

#include "src/core/plain_fields.hpp"
#include "src/core/session_secret.hpp"
#include "src/platform/own_image.hpp"
#include "src/platform/unique_fd.hpp"
#include "src/runtime/exceptions.hpp"
#include "src/runtime/registry.hpp"
#include "src/runtime/worker_start.hpp"
#include "yonder/call_id.hpp"
#include "yonder/error.hpp"

namespace yonder::runtime_detail {
namespace {

constexpr std::string_view recording_mark = "yonder recording 1\n";
constexpr std::string_view hex_digits = "0123456789abcdef";

// Empty: none is asked for.
std::string const& recording_folder() {
  static std::string const folder = [] {
    char const* const named = ::getenv("YONDER_RECORD");
    return std::string(named != nullptr && !platform::has_raised_rights() ? named : "");
  }();
  return folder;
}

std::string contents_of(std::string const& file) {
  std::ifstream from(file, std::ios::binary);
  std::string all{std::istreambuf_iterator<char>(from), {}};
  if (!from)
    detail::throw_error({.code = errc::bad_configuration, .message = "'" + file + "' cannot be read"});
  return all;
}

void put_long(std::string& text, std::string_view value) {
  core::put(text, std::uint64_t{value.size()});
  text += value;
}

bool take_long(core::field_reader& from, std::string& text) {
  std::uint64_t size = 0;
  return from.take(size) && from.take_text(text, size);
}

std::string_view text_in(std::span<std::byte const> bytes) {
  return {reinterpret_cast<char const*>(bytes.data()), bytes.size()};
}

std::string file_name(std::string_view task, core::attempt_key const& key) {
  constexpr std::size_t longest = 100;
  std::string name(task.substr(0, longest));
  for (auto& letter : name) {
    auto const plain = (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') ||
                       (letter >= '0' && letter <= '9') || letter == '.' || letter == '_';
    if (!plain) letter = '-';
  }
  return name + "-" + to_string(call_id{key.call.session, key.call.number}) + "-" +
         std::to_string(key.attempt) + ".yonder";
}

// For its owner alone.
void write_file(std::string const& name, std::string_view content) {
  platform::unique_fd const file(
      ::open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file) throw std::system_error(errno, std::generic_category(), name);
  while (!content.empty()) {
    auto const written = ::write(file.get(), content.data(), content.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) throw std::system_error(errno, std::generic_category(), name);
    content.remove_prefix(static_cast<std::size_t>(written));
  }
}

[[noreturn]] void refuse_replay(std::string why) {
  detail::throw_error({.code = errc::bad_configuration, .message = "--yonder-replay: " + std::move(why)});
}

detail::task_entry const& task_of(recording const& made) {
  if (made.build != own_build())
    refuse_replay("this is a recording of another build of the program (SHA-256 " + made.build +
                  ", and this one is " + own_build() + "); replay it with the program that wrote it");
  auto const* const task = find_task(made.task);
  if (task == nullptr) refuse_replay("this program has no task '" + made.task + "'");
  if (task->signature() != made.signature)
    refuse_replay("the task '" + made.task + "' has " + task->structure() + " here, and the recording " +
                  made.structure);
  return *task;
}

}  // namespace

std::string const& own_build() {
  static std::string const build = [] {
    auto const all = contents_of("/proc/self/exe");
    std::string text;
    for (auto const byte : core::sha256({reinterpret_cast<std::uint8_t const*>(all.data()), all.size()}))
      (text += hex_digits[byte >> 4]) += hex_digits[byte & 15];
    return text;
  }();
  return build;
}

std::string encode_recording(recording const& made) {
  std::string text(recording_mark);
  put_long(text, made.build);
  put_long(text, made.task);
  put_long(text, made.structure);
  core::put(text, made.signature);
  core::put(text, std::uint64_t{made.buffers.size()});
  put_long(text, text_in(made.arguments.bytes()));
  for (auto const& block : made.buffers) put_long(text, text_in(block.bytes()));
  return text;
}

bool decode_recording(std::string_view bytes, recording& made) {
  if (!bytes.starts_with(recording_mark)) return false;
  core::field_reader from(std::as_bytes(std::span(bytes.substr(recording_mark.size()))));
  std::uint64_t buffers = 0;
  std::string block;
  if (!take_long(from, made.build) || !take_long(from, made.task) || !take_long(from, made.structure) ||
      !from.take(made.signature, buffers) || !take_long(from, block))
    return false;
  made.arguments.append(block.data(), block.size());
  for (; buffers != 0; --buffers) {
    if (!take_long(from, block)) return false;
    made.buffers.push_back(detail::owned_copy(std::as_bytes(std::span(block))));
  }
  return from.left() == 0;
}

recording read_recording(std::string const& file) {
  recording made;
  if (!decode_recording(contents_of(file), made))
    detail::throw_error({.code = errc::bad_configuration,
                         .message = "'" + file + "' is no recording of a call, or a part of one"});
  return made;
}

bool records_attempts() { return !recording_folder().empty(); }

recorded_attempt::recorded_attempt(detail::task_entry const& task, core::attempt_key const& key,
                                   std::span<std::byte const> arguments,
                                   std::span<detail::buffer const> buffers) {
  if (!records_attempts()) return;
  try {
    write(task, key, arguments, buffers);
  } catch (std::exception const& why) {  // the call is none the worse for that
    say("YONDER_RECORD: no recording of '" + std::string(task.name) + "': " + why.what());
  }
}

void recorded_attempt::write(detail::task_entry const& task, core::attempt_key const& key,
                             std::span<std::byte const> arguments, std::span<detail::buffer const> buffers) {
  recording made{.build = own_build(),
                 .task = std::string(task.name),
                 .structure = task.structure(),
                 .signature = task.signature(),
                 .arguments = detail::byte_buffer::copy_of(arguments),
                 .buffers = {buffers.begin(), buffers.end()}};
  auto name = recording_folder() + "/" + file_name(task.name, key);
  write_file(name, encode_recording(made));
  file_ = std::move(name);
  exceptions_ = std::uncaught_exceptions();
  owner_ = ::getpid();
}

recorded_attempt::~recorded_attempt() {
  if (file_.empty() || ::getpid() != owner_) return;
  if (std::uncaught_exceptions() == exceptions_) {
    ::unlink(file_.c_str());
    return;
  }
  try {
    say("recorded in " + file_ +
        " (for its owner alone: it holds the arguments, secrets too); run it again with " +
        own_image().start().path + " --yonder-replay " + file_);
  } catch (std::exception const&) {  // no memory: the file is there
  }
}

namespace {

// The status to exit with.
int replay(std::string const& file) {
  auto const made = read_recording(file);
  auto const& task = task_of(made);
  detail::encoded result;
  try {
    task.invoke(made.arguments.bytes(), made.buffers, {.bytes = std::numeric_limits<std::size_t>::max()},
                result);
  } catch (...) {
    auto const thrown = describe_current_exception(0);
    std::printf("%s threw %s: %s\n", made.task.c_str(), thrown.type_name.c_str(), thrown.message.c_str());
    return EXIT_FAILURE;
  }
  auto size = result.head.size();
  for (auto const& block : result.buffers) size += block.size;
  std::printf("%s returned %zu bytes\n", made.task.c_str(), size);
  return EXIT_SUCCESS;
}

}  // namespace

void replay_and_exit(start_info const& how) {
  constexpr int misuse = 2;
  try {
    if (!how.fault.empty()) detail::throw_error({.code = errc::bad_configuration, .message = how.fault});
    std::exit(replay(how.recording));
  } catch (usage_error const& wrong) {
    std::fprintf(stderr, "yonder: %s\n", wrong.what());
    std::exit(misuse);
  }
}

}  // namespace yonder::runtime_detail
