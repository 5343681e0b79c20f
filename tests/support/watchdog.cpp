// SPDX-License-Identifier: Apache-2.0
//
// Ends a test program of which a case hangs, and names the case, within YONDER_TEST_CASE_SECONDS: CTest sets
// it below its own limit, which would name the program only. Without it nothing is ended, as under a
// debugger.
#include <doctest/doctest.h>
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>

namespace {

std::string words;  // what the handler writes: made before it may be called

void bite(int) {
  [[maybe_unused]] auto const written = ::write(STDERR_FILENO, words.data(), words.size());
  ::_exit(EXIT_FAILURE);
}

class watchdog : public doctest::IReporter {
 public:
  explicit watchdog(doctest::ContextOptions const&) {}

  void test_run_start() override {
    auto const* const text = std::getenv("YONDER_TEST_CASE_SECONDS");
    seconds_ = text == nullptr ? 0 : static_cast<unsigned>(std::strtoul(text, nullptr, 10));
    if (seconds_ != 0) ::signal(SIGALRM, bite);
  }
  void test_case_start(doctest::TestCaseData const& about) override {
    case_ =
        std::string(about.m_name) + " (" + about.m_file.c_str() + ":" + std::to_string(about.m_line) + ")";
    watch(case_);
  }
  void test_case_reenter(doctest::TestCaseData const&) override { watch(case_); }
  void test_case_end(doctest::CurrentTestCaseStats const&) override { watch("what comes after " + case_); }
  void test_run_end(doctest::TestRunStats const&) override { watch("the end of the program"); }

  void report_query(doctest::QueryData const&) override {}
  void test_case_exception(doctest::TestCaseException const&) override {}
  void subcase_start(doctest::SubcaseSignature const&) override {}
  void subcase_end() override {}
  void log_assert(doctest::AssertData const&) override {}
  void log_message(doctest::MessageData const&) override {}
  void test_case_skipped(doctest::TestCaseData const&) override {}

 private:
  void watch(std::string const& what) {
    if (seconds_ == 0) return;
    ::alarm(0);
    words = "\nwatchdog: no end after " + std::to_string(seconds_) + " s: " + what + "\n";
    ::alarm(seconds_);
  }

  unsigned seconds_ = 0;
  std::string case_;
};

DOCTEST_REGISTER_LISTENER("watchdog", 1, watchdog);

}  // namespace
