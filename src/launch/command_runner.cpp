// SPDX-License-Identifier: Apache-2.0
#include "src/launch/command_runner.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "src/platform/descriptors.hpp"
#include "src/platform/fork.hpp"
#include "src/platform/no_sigpipe.hpp"
#include "src/platform/system_call.hpp"

namespace yonder::launch {
namespace {

constexpr std::int64_t kill_after = 2 * second;

// Which descriptor of a job is ready: the lower bits of a token.
enum class part : std::uint8_t { process, input, output, errors };
constexpr std::uint64_t token_of(command_runner::job_id id, part which) {
  return id << 2U | static_cast<std::uint64_t>(which);
}

struct pipe_ends {
  platform::unique_fd readable;
  platform::unique_fd writable;
};

pipe_ends make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) platform::throw_errno("pipe2");
  pipe_ends made{platform::above_standard(platform::unique_fd(ends[0])),
                 platform::above_standard(platform::unique_fd(ends[1]))};
  if (!made.readable || !made.writable) platform::throw_errno("fcntl(F_DUPFD_CLOEXEC)");
  return made;
}

void set_nonblocking(int fd) { ::fcntl(fd, F_SETFL, O_NONBLOCK); }

// Within single quotes csh has a meaning for '!', and fish for a backslash before another one or a quote.
bool acts_in_quotes(std::string_view word, std::size_t at) {
  if (word[at] != '\\') return word[at] == '\'' || word[at] == '!';
  auto const next = at + 1 < word.size() ? word[at + 1] : '\'';
  return next == '\\' || next == '\'' || (at != 0 && word[at - 1] == '\\');
}

bool needs_quotes(std::string const& word) {
  constexpr std::string_view plain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_=+./:,@%";
  // To zsh a word that begins with '=' is a command's path.
  return word.empty() || word.front() == '=' || word.find_first_not_of(plain) != std::string::npos;
}

}  // namespace

// --- what is kept

void kept_text::append(std::string_view text) {
  auto const first = text.substr(0, head_size - std::min(head_size, head_.size()));
  head_ += first;
  tail_ += text.substr(first.size());
  if (tail_.size() <= tail_size_) return;
  left_out_ += tail_.size() - tail_size_;
  tail_.erase(0, tail_.size() - tail_size_);
}

std::string kept_text::text() const {
  if (left_out_ == 0) return head_ + tail_;
  return head_ + "\n[… " + std::to_string(left_out_) + " bytes …]\n" + tail_;
}

std::string legible(std::string const& text) {
  constexpr char digits[] = "0123456789abcdef";
  std::string shown;
  for (std::size_t i = 0; i < text.size(); ++i) {
    auto const c = text[i];
    auto const code = static_cast<unsigned char>(c);
    if (c == '\r' && i + 1 < text.size() && text[i + 1] == '\n') continue;
    if (c == '\n' || c == '\t' || (code >= ' ' && code != 0x7f))
      shown += c;
    else
      shown += {'\\', 'x', digits[code >> 4U], digits[code & 15U]};
  }
  return shown;
}

std::string shell_line(std::vector<std::string> const& command) {
  std::string line;
  for (auto const& word : command) {
    if (!line.empty()) line += ' ';
    if (!needs_quotes(word)) {
      line += word;
      continue;
    }
    line += '\'';
    for (std::size_t i = 0; i < word.size(); ++i) {
      if (acts_in_quotes(word, i))
        line += "'\\", line += word[i], line += '\'';
      else
        line += word[i];
    }
    line += '\'';
  }
  return line;
}

std::string command_result::to_text() const {
  auto text = "$ " + shell_line(command) + "\n";
  for (auto const* const printed : {&output, &errors}) {
    kept_text shown;
    shown.append(*printed);
    text += legible(shown.text());
    if (!printed->empty() && printed->back() != '\n') text += '\n';
  }
  if (!trouble.empty()) return text + "could not be started: " + trouble;
  if (stood_still) return text + "did nothing more, and was ended";
  if (timed_out) return text + "took too long, and was ended";
  return text + platform::to_string(how) + (is_cut ? ", and printed more than is kept" : "");
}

// --- a command that runs

struct command_runner::job {
  job_id id = 0;
  job_request wanted;
  std::optional<platform::child_process> process;
  platform::unique_fd input;
  platform::unique_fd output;
  platform::unique_fd errors;
  platform::unique_fd fed;  // its input_file, with whose offset it reads
  std::size_t written = 0;
  std::uint64_t printed_bytes = 0;
  std::uint64_t moved = 0;  // when that was looked at last
  kept_text printed;
  kept_text complained;
  time_point due = never;       // when it has run for too long
  time_point still_at = never;  // when it is looked at whether it has moved
  time_point kill_by = never;   // when it is ended by force
  bool told_to_end = false;
  bool ended = false;
  command_result result;
};

command_runner::command_runner(platform::poller& poller) : poller_(poller) {}
command_runner::~command_runner() { stop(); }

command_runner::job_id command_runner::run(job_request wanted) {
  auto& one = *(jobs_[++last_] = std::make_unique<job>());
  one.id = last_;
  one.wanted = std::move(wanted);
  one.printed = kept_text(one.wanted.keeps);
  one.result.command = one.wanted.command;
  try {
    start(one);
  } catch (std::exception const& error) {
    one.result.trouble = error.what();
    one.ended = true;
    kill(one);
    release(one);
  }
  return one.id;
}

void command_runner::start(job& one) {
  pipe_ends input;
  if (one.wanted.input_file < 0) input = make_pipe();
  auto output = make_pipe();
  auto errors = make_pipe();
  for (int const ours : {input.writable.get(), output.readable.get(), errors.readable.get()})
    set_nonblocking(ours);
  one.process.emplace(platform::spawn({.path = one.wanted.command.at(0),
                                       .arguments = one.wanted.command,
                                       .environment = one.wanted.environment,
                                       .input = input.readable ? input.readable.get() : one.wanted.input_file,
                                       .output = output.writable.get(),
                                       .errors = errors.writable.get()}));
  if (one.wanted.ends_with_us || one.wanted.timeout != 0 || one.wanted.idle != 0)
    guard_.add(std::to_string(one.process->pid()));
  one.input = std::move(input.writable);
  if (one.input)  // so that the command notices when we, not a fork of us, are gone
    platform::close_in_forks(one.input.get());
  one.output = std::move(output.readable);
  one.errors = std::move(errors.readable);
  poller_.add(one.process->handle(), *this, token_of(one.id, part::process));
  poller_.add(one.output.get(), *this, token_of(one.id, part::output));
  poller_.add(one.errors.get(), *this, token_of(one.id, part::errors));
  if (one.wanted.timeout != 0) one.due = platform::now() + one.wanted.timeout;
  if (one.wanted.idle != 0) {
    if (one.wanted.input_file >= 0)
      one.fed = platform::unique_fd(::fcntl(one.wanted.input_file, F_DUPFD_CLOEXEC, 3));
    one.moved = moved(one);
    one.still_at = platform::now() + one.wanted.idle;
  }
  if (one.input) write_input(one);
}

// --- what it reads and prints

void command_runner::write_input(job& one) {
  platform::no_sigpipe const quiet;
  auto const& text = one.wanted.input;
  while (one.written < text.size()) {
    auto const count = ::write(one.input.get(), text.data() + one.written, text.size() - one.written);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && errno == EAGAIN)
      return poller_.want_write(one.input.get(), *this, token_of(one.id, part::input), true);
    if (count < 0) return drop_input(one);  // it reads no more
    one.written += static_cast<std::size_t>(count);
  }
  if (!one.wanted.keeps_input_open) return drop_input(one);
  poller_.remove(one.input.get());  // that it reads no more is seen when it has ended
}

void command_runner::drop_input(job& one) {
  if (!one.input) return;
  poller_.remove(one.input.get());
  platform::close_in_no_fork(one.input.get());
  one.input.reset();
}

void command_runner::close_input(job_id id) {
  auto const found = jobs_.find(id);
  if (found == jobs_.end()) return;
  auto& one = *found->second;
  one.wanted.keeps_input_open = false;
  if (one.written == one.wanted.input.size()) drop_input(one);
}

// Grows with whatever it reads and prints.
std::uint64_t command_runner::moved(job const& one) {
  auto const read = one.fed ? ::lseek(one.fed.get(), 0, SEEK_CUR) : 0;
  return one.written + one.printed_bytes + static_cast<std::uint64_t>(std::max<off_t>(read, 0));
}

// False: nothing more will come.
bool command_runner::read(job& one, platform::unique_fd& from, kept_text& to) {
  char text[4096];
  for (int i = 0; i < 16; ++i) {
    auto const count = ::read(from.get(), text, sizeof text);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return count < 0 && errno == EAGAIN;
    std::string_view const piece(text, static_cast<std::size_t>(count));
    one.printed_bytes += piece.size();
    to.append(piece);
    auto const& told = &from == &one.output ? one.wanted.on_output : one.wanted.on_errors;
    if (told) told(piece);
  }
  return true;
}

void command_runner::on_ready(std::uint64_t token, bool, bool) {
  auto const found = jobs_.find(token >> 2U);
  if (found == jobs_.end()) return;
  auto& one = *found->second;
  auto const take = [&](platform::unique_fd& from, kept_text& to) {
    if (!from || read(one, from, to)) return;
    poller_.remove(from.get());
    from.reset();
  };
  switch (static_cast<part>(token & 3U)) {
    case part::process: reap(one); return finish(one.id);
    case part::input: return write_input(one);
    case part::output: return take(one.output, one.printed);
    case part::errors: return take(one.errors, one.complained);
  }
}

// --- its end

// What it has left running may keep its pipes open: they are read for what is there, and no longer.
void command_runner::reap(job& one) {
  poller_.remove(one.process->handle());
  // As long as nobody has waited for it, no other group has its number.
  if (one.told_to_end) ::kill(-one.process->pid(), SIGKILL);
  guard_.remove(std::to_string(one.process->pid()));
  one.result.how = one.process->wait();
  one.ended = true;
  if (one.output) read(one, one.output, one.printed);
  if (one.errors) read(one, one.errors, one.complained);
  one.process.reset();
}

void command_runner::finish(job_id id) {
  auto const found = jobs_.find(id);
  auto const one = std::move(found->second);
  jobs_.erase(found);
  release(*one);
  one->result.output = one->printed.text();
  one->result.is_cut = one->printed.is_cut();
  one->result.errors = one->complained.text();
  if (one->wanted.done) one->wanted.done(std::move(one->result));
}

void command_runner::release(job& one) {
  drop_input(one);
  if (one.process) poller_.remove(one.process->handle());
  for (auto* const fd : {&one.output, &one.errors}) {
    if (*fd) poller_.remove(fd->get());
    fd->reset();
  }
}

void command_runner::end(job_id id) {
  auto const found = jobs_.find(id);
  if (found == jobs_.end() || found->second->ended || found->second->told_to_end) return;
  auto& one = *found->second;
  one.told_to_end = true;
  ::kill(-one.process->pid(), SIGTERM);
  one.kill_by = platform::now() + kill_after;
}

time_point command_runner::next_deadline() const {
  auto next = never;
  for (auto const& [id, one] : jobs_)
    next = std::min({next, one->ended ? 0 : one->due, one->kill_by, one->still_at});
  return next;
}

void command_runner::tick(time_point now) {
  std::vector<job_id> over;
  for (auto const& [id, one] : jobs_) {
    if (one->ended) {
      over.push_back(id);
    } else if (one->kill_by <= now) {
      ::kill(-one->process->pid(), SIGKILL);
      one->kill_by = never;
    } else if (one->due <= now) {
      one->result.timed_out = true;
      one->due = never;
      end(id);
    } else if (one->still_at <= now) {
      one->still_at = now + one->wanted.idle;
      auto const before = std::exchange(one->moved, moved(*one));
      if (before != one->moved) continue;
      one->result.stood_still = true;
      one->still_at = never;
      end(id);
    }
  }
  for (auto const id : over) finish(id);
}

void command_runner::work_until(time_point until) {
  while (!jobs_.empty() && platform::now() < until) {
    std::vector<pollfd> watched;
    std::vector<std::uint64_t> tokens;
    auto const watch = [&](int fd, short events, std::uint64_t token) {
      if (fd < 0) return;
      watched.push_back({fd, events, 0});
      tokens.push_back(token);
    };
    for (auto const& [id, one] : jobs_) {
      if (one->ended) continue;
      watch(one->output.get(), POLLIN, token_of(id, part::output));
      watch(one->errors.get(), POLLIN, token_of(id, part::errors));
      if (one->written < one->wanted.input.size())
        watch(one->input.get(), POLLOUT, token_of(id, part::input));
      watch(one->process->handle(), POLLIN, token_of(id, part::process));
    }
    auto const left = std::min(until, next_deadline()) - platform::now();
    ::poll(watched.data(), watched.size(),
           static_cast<int>(std::clamp<std::int64_t>(left / 1'000'000, 0, 1'000)));
    for (std::size_t i = 0; i < watched.size(); ++i)
      if (watched[i].revents != 0) on_ready(tokens[i], true, true);
    tick(platform::now());
  }
}

void command_runner::stop() {
  for (auto& [id, one] : jobs_) {
    kill(*one);
    release(*one);
  }
  jobs_.clear();
}

void command_runner::kill(job& one) {
  if (!one.process) return;
  ::kill(-one.process->pid(), SIGKILL);
  poller_.remove(one.process->handle());
  guard_.remove(std::to_string(one.process->pid()));
  one.process->wait();
  one.process.reset();
}

}  // namespace yonder::launch
