// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>
#include <elf.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "src/launch/carry/cargo.hpp"
#include "src/launch/carry/carrier.hpp"
#include "src/launch/carry/elf.hpp"
#include "src/launch/carry/errand.hpp"
#include "src/launch/carry/far_machine.hpp"
#include "src/launch/command_runner.hpp"
#include "src/platform/process.hpp"
#include "yonder/error.hpp"
#include "yonder/file.hpp"

namespace {

using namespace yonder;
using namespace yonder::launch;
using reach = far_machine::reach;
namespace fs = std::filesystem;

struct carry_folder {
  fs::path at;
  carry_folder() {
    auto name = (fs::temp_directory_path() / "yonder-carry-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    at = name;
  }
  ~carry_folder() { fs::remove_all(at); }

  void write(std::string const& name, std::string const& text) const {
    std::ofstream(at / name, std::ios::binary) << text;
  }
};

std::string bytes_of_file(fs::path const& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// This very program.
cargo const& carried_test() {
  static cargo const all = load_cargo("/proc/self/exe");
  return all;
}

// A far side that is this machine.
struct far_here {
  carry_folder folder;
  std::unique_ptr<platform::poller> poller = platform::make_poller();
  command_runner runner{*poller};

  std::string cache() const { return (folder.at / "cache").string(); }
  command_result run(far_step step, std::vector<std::string> const& words, int input = -1) {
    command_result got;
    runner.run({.command = {"sh", "-c", far_line(step, words)},
                .input_file = input,
                .done = [&](command_result&& result) { got = std::move(result); }});
    runner.work_until(never);
    return got;
  }
  far_machine look(cargo const& all) {
    std::vector<std::string> words{cache(), all.needs.loader, "", "", all.id};
    for (auto const& one : all.files) words.push_back(one.hash);
    auto const result = run(far_step::look, words);
    far_machine machine;
    CHECK(read_far_machine(result.output, machine).empty());
    return machine;
  }
  command_result take(cargo const& all, pack_result const& made) {
    return run(far_step::take, {cache(), made.is_compressed ? "zstd" : "tar", all.id}, made.archive.get());
  }
  std::size_t count(std::string const& below) const {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder.at / "cache" / below), {}));
  }
};

TEST_CASE("files are named by their hash as sha256sum prints it") {
  CHECK(sha256_of("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST_CASE("a program says what it is loaded with, and which versions of that it needs") {
  elf_facts facts;
  auto const self = bytes_of_file("/proc/self/exe");
  CHECK(read_elf(self, facts).empty());
  CHECK(facts.loader.find("ld-") != std::string::npos);
  CHECK(std::find(facts.libraries.begin(), facts.libraries.end(), "libc.so.6") != facts.libraries.end());
  CHECK(!newest_version(facts.versions["libc.so.6"], "GLIBC_").empty());
}

TEST_CASE("what is no program is refused, and one that is cut off anywhere does not read past its end") {
  elf_facts facts;
  CHECK(read_elf("#!/bin/sh\n", facts) == "it is no ELF file (a script?)");
  auto self = bytes_of_file("/proc/self/exe");
  auto other = self;
  other[EI_CLASS] = ELFCLASS32;
  CHECK(read_elf(other, facts) == "it is not of a 64-bit, little-endian machine");
  for (std::size_t size = 4; size < 4096; ++size) {
    elf_facts some;
    CHECK(!read_elf(std::string_view(self).substr(0, size), some).empty());
  }
}

TEST_CASE("versions are in the order of their numbers") {
  CHECK(is_older("2.9", "2.34"));
  CHECK(is_older("2.34", "2.34.1"));
  CHECK_FALSE(is_older("2.34", "2.34"));
  CHECK(is_older("", "2.2.5"));
  CHECK(newest_version({"GLIBC_2.4", "GLIBC_2.34", "GLIBC_PRIVATE", "OTHER_9.9"}, "GLIBC_") == "2.34");
}

TEST_CASE("a loader's list has libraries by name, and says what cannot travel") {
  constexpr char loader[] = "/lib64/ld-linux-x86-64.so.2";
  auto const found = libraries_in(
      "\tlinux-vdso.so.1 (0x00007ffe)\n\tliba.so.1 => /opt/a b/liba.so.1 "
      "(0x00007f)\n\t/lib64/ld-linux-x86-64.so.2 "
      "(0x00007f)\n",
      loader);
  CHECK(found == std::map<std::string, std::string>{{"liba.so.1", "/opt/a b/liba.so.1"}});
  CHECK_THROWS_WITH(libraries_in("\tlibb.so => not found\n", loader),
                    "the library 'libb.so' is not found here either: libb.so => not found");
  CHECK_THROWS_AS(libraries_in("\t/opt/libc.so (0x00007f)\n", loader), std::runtime_error);
  CHECK(is_of_system("libc.so.6"));
  CHECK(is_of_system("libcuda.so.1"));
  CHECK_FALSE(is_of_system("libcudart.so.12"));
  CHECK_FALSE(is_of_system("libstdc++.so.6"));
  CHECK_FALSE(is_of_system("libcrypto.so.3"));
}

TEST_CASE("a program's libraries travel but those of the system, all named by their hashes") {
  auto const& all = carried_test();
  CHECK(all.program() == fs::read_symlink("/proc/self/exe").filename());
  CHECK(all.id == sha256_of(all.sums));
  auto found = false;
  for (auto const& one : all.files) {
    found = found || one.name == "libstdc++.so.6";
    CHECK_FALSE(is_of_system(one.name));
  }
  CHECK(found);
  CHECK(all.needs.libraries.contains("libc.so.6"));
  CHECK(!all.needs.glibc.empty());
  CHECK_THROWS_AS(load_cargo("/no/such/app"), std::runtime_error);
}

TEST_CASE("a program that is named without a slash is the one that a shell would find") {
  carry_folder first, second;
  first.write("app", "no program: nobody may run it");
  second.write("other", "");
  fs::copy_file("/proc/self/exe", second.at / "app");
  struct path_guard {
    std::string before = ::getenv("PATH");
    explicit path_guard(std::string const& now) { ::setenv("PATH", now.c_str(), 1); }
    ~path_guard() { ::setenv("PATH", before.c_str(), 1); }
  };
  path_guard const path(first.at.string() + ":" + second.at.string());
  auto const all = load_cargo("app");
  CHECK(all.program() == "app");
  CHECK(all.files.front().hash == carried_test().files.front().hash);
  CHECK(all.files.size() == carried_test().files.size());

  auto const here = fs::current_path();
  fs::current_path(second.at);
  CHECK_THROWS_WITH(load_cargo("other"), doctest::Contains("in the current folder write './other'"));
  CHECK_THROWS_WITH(load_cargo("no-such-app"), doctest::Contains("write its path, as in './no-such-app'"));
  CHECK_NOTHROW(load_cargo("./app"));
  path_guard const none(first.at.string() + ":");  // an empty one is the current folder
  CHECK_NOTHROW(load_cargo("app"));
  fs::current_path(here);
}

#if defined(YONDER_STATIC_PROGRAM)
TEST_CASE("a static build asks a host for nothing: no loader, no library, no version of one") {
  elf_facts facts;
  CHECK(read_elf(bytes_of_file(YONDER_STATIC_PROGRAM), facts).empty());
  CHECK(facts.loader.empty());
  CHECK(facts.libraries.empty());
  CHECK(facts.versions.empty());
  auto const all = load_cargo(YONDER_STATIC_PROGRAM);
  CHECK(all.files.size() == 1);
  CHECK(all.needs.glibc.empty());
  CHECK(all.needs.libraries.empty());
}
#endif

TEST_CASE("what arrives is checked, put in its place at once, and starts") {
  far_here far;
  auto const& all = carried_test();
  for (bool const compressed : {false, true}) {
    fs::remove_all(far.folder.at / "cache");
    auto before = far.look(all);
    CHECK(before.there.empty());
    CHECK_FALSE(before.has_all);
    CHECK(before.runs);
    auto const got = far.take(all, pack(all, before.there, compressed && before.tools.contains("zstd")));
    CHECK_MESSAGE(got.succeeded(), got.to_text());
    auto const after = far.look(all);
    CHECK(after.has_all);
  }
  auto const said =
      far.run(far_step::start, {far.cache(), "0", all.id, all.needs.loader, all.program(), "--version"});
  CHECK_MESSAGE(said.succeeded(), said.to_text());
  CHECK(far.count("programs") == 1);
}

TEST_CASE("what a program opens later is looked for where the far side says, behind what came with it") {
  far_here far;
  auto const all = load_cargo("/usr/bin/env");
  far.look(all);
  REQUIRE(far.take(all, pack(all, {}, false)).succeeded());
  command_result got;
  auto const line = far_line(far_step::start, {far.cache(), "0", all.id, all.needs.loader, all.program()},
                             {"LD_LIBRARY_PATH=/opt/modules/lib", "LD_DEBUG=libs"});
  far.runner.run({.command = {"sh", "-c", line}, .keeps = longest_list, .done = [&](command_result&& result) {
                    got = std::move(result);
                  }});
  far.runner.work_until(never);
  auto const own = got.errors.find(far.cache() + "/programs/" + all.id + "/libc.so.6");
  auto const theirs = got.errors.find("=/opt/modules/lib/libc.so.6", own);
  CHECK_MESSAGE(own != std::string::npos, got.errors);
  CHECK_MESSAGE(theirs != std::string::npos, got.errors);
}

TEST_CASE("what is cut off on its way leaves nothing, and is not started") {
  far_here far;
  auto const& all = carried_test();
  far.look(all);
  auto const made = pack(all, {}, false);
  far.folder.write("cut",
                   bytes_of_file("/proc/self/fd/" + std::to_string(made.archive.get())).substr(0, 100'000));
  platform::unique_fd const cut(::open((far.folder.at / "cut").c_str(), O_RDONLY | O_CLOEXEC));
  CHECK_FALSE(far.run(far_step::take, {far.cache(), "tar", all.id}, cut.get()).succeeded());
  CHECK(far.count("files") == 0);
  CHECK(far.count("programs") == 0);
  CHECK(far.count("") == 2);
  auto const said = far.run(far_step::start, {far.cache(), "0", all.id, "", all.program()});
  CHECK(said.how.status == not_whole);
}

TEST_CASE("what was changed on its way is refused, and what was changed there is not started") {
  far_here far;
  auto const& all = carried_test();
  far.look(all);
  auto other = all;
  other.sums += "0  more\n";
  auto const refused = far.take(all, pack(other, {}, false));
  CHECK(refused.errors.find("what arrived is not what was sent") != std::string::npos);
  CHECK(far.count("programs") == 0);

  auto const made = pack(all, {}, false);
  auto bytes = bytes_of_file("/proc/self/fd/" + std::to_string(made.archive.get()));
  bytes[512 + (all.sums.size() + 511) / 512 * 512 + 512 + 1000] ^= 1;  // within the first file
  far.folder.write("flipped", bytes);
  platform::unique_fd const flipped(::open((far.folder.at / "flipped").c_str(), O_RDONLY | O_CLOEXEC));
  auto const torn = far.run(far_step::take, {far.cache(), "tar", all.id}, flipped.get());
  CHECK(torn.errors.find("what arrived is not what was sent") != std::string::npos);
  CHECK(far.count("files") == 0);
  CHECK(far.count("programs") == 0);

  REQUIRE(far.take(all, pack(all, {}, false)).succeeded());
  auto const file = far.folder.at / "cache/programs" / all.id / all.program();
  fs::permissions(file, fs::perms::owner_all);
  { std::ofstream(file, std::ios::app | std::ios::binary) << 'x'; }
  CHECK_FALSE(far.look(all).has_all);
  CHECK_FALSE(far.look(all).there.contains(all.files.front().hash));
  auto const said =
      far.run(far_step::start, {far.cache(), "0", all.id, all.needs.loader, all.program(), "--version"});
  CHECK(said.how.status == not_whole);
  CHECK(said.errors.find("not whole; it is carried again") != std::string::npos);

  // And only that travels again.
  auto const again = pack(all, far.look(all).there, false);
  CHECK(again.size < all.files.front().size + (1U << 20));
  CHECK(far.take(all, again).succeeded());
  CHECK(far.look(all).has_all);
}

TEST_CASE("where two bring the same at once, what is found then is whole, though one was damaged on its way" *
          doctest::skip(std::system("command -v flock >/dev/null") != 0)) {
  far_here far;
  auto const& all = carried_test();
  far.look(all);
  REQUIRE(far.take(all, pack(all, {}, false)).succeeded());
  auto const damage = [](fs::path const& file) {
    fs::permissions(file, fs::perms::owner_all);
    std::ofstream(file, std::ios::app | std::ios::binary) << 'x';
  };
  damage(far.folder.at / "cache/programs" / all.id / all.program());

  // One stands when it has seen that, and before it puts its own in place; the other says that it is there.
  auto const tools = (far.folder.at / "tools").string();
  auto const told = (far.folder.at / "told").string(), go = (far.folder.at / "go").string();
  fs::create_directory(tools);
  REQUIRE(::mkfifo(told.c_str(), 0600) == 0);
  REQUIRE(::mkfifo(go.c_str(), 0600) == 0);
  auto const tool = [&](std::string const& name, std::string const& text) {
    far.folder.write(name, "#!/bin/sh\n" + text);
    fs::permissions(far.folder.at / name, fs::perms::owner_all);
  };
  tool("tools/mv", "case \"$*\" in *former) echo stands >'" + told + "'; read line <'" + go +
                       "';; esac; PATH=${PATH#*:}; exec mv \"$@\"\n");
  fs::create_directory(far.folder.at / "others");
  tool("others/flock", "echo waits >'" + told + "'; PATH=${PATH#*:}; exec flock \"$@\"\n");
  auto const path = std::string(":") + std::getenv("PATH");
  auto const begin = [&](std::string const& before, pack_result const& made, std::string const& behind) {
    auto const line = far_line(far_step::take, {far.cache(), "tar", all.id}, {"PATH=" + before + path});
    far.runner.run(
        {.command = {"sh", "-c", "(" + line + ")" + behind},
         .input_file = made.archive.get(),
         .done = [](command_result&& result) { CHECK_MESSAGE(result.succeeded(), result.to_text()); }});
  };
  std::fstream said(told);  // neither end waits for the other to open it
  std::string word;
  auto const one = pack(all, {}, false), other = pack(all, {}, false);
  begin(tools, one, "");
  REQUIRE(std::getline(said, word));
  REQUIRE(word == "stands");
  for (auto const& folder : fs::directory_iterator(far.folder.at / "cache"))
    if (folder.path().filename().string().starts_with("incoming"))
      damage(folder.path() / "program" / all.program());
  begin((far.folder.at / "others").string(), other, "; echo done >'" + told + "'");
  REQUIRE(std::getline(said, word));  // it waits for the first one, or has gone past it
  std::fstream(go) << "go" << std::endl;
  far.runner.work_until(never);
  CHECK(far.look(all).has_all);
}

TEST_CASE("programs that nobody has started for a month are gone, with the files that only they had") {
  far_here far;
  auto const& all = carried_test();
  far.look(all);
  REQUIRE(far.take(all, pack(all, {}, false)).succeeded());
  auto const former = far.folder.at / "cache/programs/former";
  fs::create_directory(former);
  far.folder.write("cache/files/old", "old");
  fs::create_hard_link(far.folder.at / "cache/files/old", former / "old");
  far.folder.write("cache/programs/former/sums", "");
  auto const month_ago = fs::file_time_type::clock::now() - std::chrono::hours(24 * 32);
  fs::last_write_time(former / "sums", month_ago);
  fs::last_write_time(former / "old", month_ago);
  REQUIRE(far.take(all, pack(all, {}, false)).succeeded());
  CHECK_FALSE(fs::exists(former));
  CHECK_FALSE(fs::exists(far.folder.at / "cache/files/old"));
  CHECK(far.look(all).has_all);
}

TEST_CASE("files and folders travel with a program, which finds them under their own paths") {
  far_here far;
  fs::create_directories(far.folder.at / "model/parts of it");
  far.folder.write("model/config.json", "{}");
  far.folder.write("model/parts of it/weights", std::string(100'000, 'w'));
  far.folder.write("model/empty", "");
  far.folder.write("elsewhere", "linked");
  fs::create_symlink("../elsewhere", far.folder.at / "model/link");
  auto const model = (far.folder.at / "model").string();
  auto const all = load_cargo("/usr/bin/env", {model + "/", model + "/config.json"});
  far.look(all);
  auto const taken = far.take(all, pack(all, {}, false));
  CHECK_MESSAGE(taken.succeeded(), taken.to_text());
  auto const said = far.run(far_step::start, {far.cache(), "0", all.id, all.needs.loader, "env"});
  auto const at = said.output.find("\nYONDER_FILES=");
  REQUIRE_MESSAGE(at != std::string::npos, said.to_text());
  auto const root = said.output.substr(at + 14, said.output.find('\n', at + 1) - at - 14);
  fs::remove_all(model);

  struct variable {
    explicit variable(std::string const& value) { ::setenv("YONDER_FILES", value.c_str(), 1); }
    ~variable() { ::unsetenv("YONDER_FILES"); }
  } const here(root);
  CHECK(bytes_of_file(yonder::file(model + "/config.json").path()) == "{}");
  CHECK(bytes_of_file(yonder::file(model).path() + "/parts of it/weights") == std::string(100'000, 'w'));
  CHECK(fs::file_size(yonder::file(model + "/empty").path()) == 0);
  CHECK(bytes_of_file(yonder::file(model + "/link").path()) == "linked");
  CHECK(yonder::file("/bin/sh").path() == "/bin/sh");  // not carried, and here
  CHECK_THROWS_WITH_AS(yonder::file(model + "/none").path(), doctest::Contains("is not on this machine"),
                       yonder::usage_error);
}

// What a carrier brings to machines that are folders of this one; what is sent to each is kept in
// NAME.sent.
struct carried_around {
  far_here far;
  std::unique_ptr<carrier> by;
  std::map<std::string, int> commands;  // run on each machine

  explicit carried_around(std::vector<std::string> files = {}) { carry("/usr/bin/env", std::move(files)); }
  void carry(std::string const& program, std::vector<std::string> files) {
    by = std::make_unique<carrier>(
        carry_terms{program, "", std::move(files)}, *far.poller, far.runner,
        [this](std::string const& machine, std::string line, bool) {
          auto const home = (far.folder.at / machine).string();
          ++commands[machine];
          auto const is_sent = line.find("incoming") != line.npos;
          auto const before = is_sent ? "until [ -e '" + home + ".may' ]; do sleep 0.01; done; cat >'" +
                                            home + ".sent'; exec <'" + home + ".sent'; "
                                      : std::string();
          return std::vector<std::string>{"env", "XDG_CACHE_HOME=" + home, "sh", "-c", before + line};
        });
  }
  void allow(std::string const& machine) const { far.folder.write(machine + ".may", ""); }
  // `until`: it is done where nothing is to be done any more, otherwise.
  void work(std::function<bool()> const& until) {
    while (!until()) {
      auto const next = far.runner.next_deadline();
      far.poller->wait(std::clamp<std::int64_t>(next - platform::now(), 0, 10'000'000));
      far.runner.tick(platform::now());
    }
  }
};

TEST_CASE("what is sent to several machines that lack the same lies in memory once") {
  carried_around some;
  int brought = 0;
  std::string faults;
  for (char const* const machine : {"one", "two", "three"})
    some.by->bring(machine, "", {.hub = false}, [&](std::string const& fault) {
      ++brought;
      faults += fault;
    });
  // Copies of what is sent: by their files' numbers, as each is open several times.
  auto const copies = [] {
    std::set<ino_t> found;
    for (auto const& one : fs::directory_iterator("/proc/self/fd")) {
      std::error_code gone;
      if (fs::read_symlink(one.path(), gone).string().find("yonder-cargo") == std::string::npos) continue;
      struct stat is {};
      if (::stat(one.path().c_str(), &is) == 0) found.insert(is.st_ino);
    }
    return found.size();
  };
  some.work([&] { return brought != 0 || (some.far.runner.size() == 3 && copies() != 0); });
  REQUIRE_MESSAGE(faults.empty(), faults);
  CHECK(copies() == 1);
  for (char const* const machine : {"one", "two", "three"}) some.allow(machine);
  some.work([&] { return brought == 3; });
  CHECK_MESSAGE(faults.empty(), faults);
  CHECK(copies() == 0);
  for (auto const& of_machine : some.commands)
    CHECK_MESSAGE(of_machine.second == 2, of_machine.first);  // a look, and the way
}

TEST_CASE("of a thousand files that are there none is sent again") {
  carried_around some;
  auto const data = some.far.folder.at / "data";
  fs::create_directory(data);
  std::mt19937 random(7);
  for (int i = 0; i < 950; ++i) {  // what does not get smaller
    std::string text(2'000, '\0');
    for (char& one : text) one = static_cast<char>(random());
    some.far.folder.write("data/" + std::to_string(i), text);
  }
  some.allow("one");
  auto const bring = [&](std::string const& program) {
    some.carry(program, {data.string()});
    auto is_done = false;
    some.by->bring("one", "", {.hub = false}, [&](std::string const& fault) {
      CHECK_MESSAGE(fault.empty(), fault);
      is_done = true;
    });
    some.work([&] { return is_done; });
    return fs::file_size(some.far.folder.at / "one.sent");
  };
  bring("/usr/bin/env");
  auto const again = bring("/usr/bin/true");
  CHECK_MESSAGE(again < 300'000, again);  // that program, and the list of all
}

TEST_CASE("what cannot travel with a program is refused in words") {
  carry_folder const folder;
  auto const refusal = [](std::string const& file) {
    try {
      load_cargo("/usr/bin/env", {file});
    } catch (std::runtime_error const& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  CHECK(refusal("/no/such/model").find("'/no/such/model' cannot be carried: ") == 0);
  CHECK(refusal("/dev/null").find("it is neither a file nor a folder") != std::string::npos);
  folder.write("two\nlines", "");
  CHECK(refusal(folder.at.string()).find("has a line break") != std::string::npos);
  fs::remove(folder.at / "two\nlines");
  for (std::size_t i = 0; i <= most_files; ++i) folder.write(std::to_string(i), "");
  CHECK(refusal(folder.at.string()).find("more than 1000 files would travel") != std::string::npos);
}

TEST_CASE("a file that is written to while it is read is refused, and takes nobody with it") {
  carry_folder const folder;
  constexpr std::uintmax_t size = 8 << 20;
  folder.write("model", "");
  auto const model = folder.at / "model";
  fs::resize_file(model, size);
  std::atomic<bool> over{false};
  std::thread writer([&] {
    while (!over) fs::resize_file(model, 4096), fs::resize_file(model, size);
  });
  std::string said;
  for (int tries = 0; said.empty() && tries < 100; ++tries) try {
      load_cargo("/usr/bin/env", {model.string()});
    } catch (std::runtime_error const& error) {
      said = error.what();
    }
  over = true;
  writer.join();
  CHECK(said.find("it has changed while it was read") != std::string::npos);
}

TEST_CASE("a file that has changed since it was read does not travel as what it was") {
  carry_folder const folder;
  folder.write("model", std::string(10'000, 'a'));
  auto const model = folder.at / "model";
  auto const read = fs::last_write_time(model);
  auto const all = load_cargo("/usr/bin/env", {model.string()});
  CHECK(pack(all, {}, false).size > 10'000);
  folder.write("model", std::string(10'000, 'b'));
  fs::last_write_time(model, read + std::chrono::seconds(1));
  CHECK_THROWS_WITH(pack(all, {}, false), doctest::Contains("model' has changed since this program read it"));
  fs::resize_file(model, 5'000);
  CHECK_THROWS_WITH(pack(all, {}, false), doctest::Contains("model' has changed since this program read it"));
}

TEST_CASE("whoever ends does not wait until all has been read that was to be carried") {
  carry_folder const folder;
  folder.write("model", "");
  fs::resize_file(folder.at / "model", std::uintmax_t{7} << 30U);  // minutes
  auto const model = (folder.at / "model").string();
  auto const poller = platform::make_poller();
  std::atomic<bool> is_under_way{false};
  std::string said;
  {
    errand loads(*poller);
    loads.begin(
        [&](std::stop_token const& stop) {
          is_under_way = true;
          try {
            load_cargo("/usr/bin/env", {model}, stop);
          } catch (std::runtime_error const& error) {
            said = error.what();
          }
        },
        {});
    while (!is_under_way) std::this_thread::yield();
  }
  CHECK(said.find("this program ends") != std::string::npos);
}

TEST_CASE("a program that is no file is refused, and not waited for") {
  carry_folder const folder;
  auto const pipe = (folder.at / "pipe").string();
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  CHECK_THROWS_WITH(load_cargo(pipe), doctest::Contains("it is no regular file"));
  CHECK_THROWS_WITH(load_cargo(folder.at.string()), doctest::Contains("it is no regular file"));
}

// What a machine like that prints.
std::string const answer =
    "Welcome to gpu1!\nyonder-far 1\ncache /home/me/.cache/yonder\nmachine x86_64\nlibc glibc 2.31\nloader\n"
    "cpu  fpu avx2 sse4_2\ndisk /dev/sda 1000000 1 500000 1% /\nruns\ntool sha256sum\ntool tar\n"
    "libstdcxx GLIBCXX_ GLIBCXX_3.4 GLIBCXX_3.4.28 GLIBCXX_3.4.9\n"
    "driver NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  550.54.15  Release Build\nhub yes\n";

TEST_CASE("what a machine says of itself is read, whatever a login prints before it") {
  far_machine machine;
  CHECK(read_far_machine(answer + "end\n", machine).empty());
  CHECK(machine.cache == "/home/me/.cache/yonder");
  CHECK(machine.driver == "550.54.15");
  CHECK(machine.free_bytes == std::uint64_t{500'000} << 10U);
  CHECK(machine.hub == reach::yes);
  CHECK(read_far_machine(answer, machine) == "its answer ends halfway");
  CHECK(read_far_machine("This account is not available.\n", machine) ==
        "it has answered nothing that was asked for");
}

TEST_CASE("what a login prints without a line's end, a terminal's title, does not hide what a machine says") {
  far_here far;
  command_result got;
  auto const line = far_line(far_step::look, {far.cache(), "", "", "", ""});
  far.runner.run({.command = {"sh", "-c", "printf '\\033]0;me@far\\007'; " + line},
                  .done = [&](command_result&& result) { got = std::move(result); }});
  far.runner.work_until(never);
  far_machine machine;
  CHECK_MESSAGE(read_far_machine(got.output, machine).empty(), got.to_text());
  CHECK(machine.cache == far.cache());
}

TEST_CASE("however much a login prints before it, a machine's answer is read to its end") {
  far_machine machine;
  CHECK(read_far_machine(std::string(std::size_t{2} << 20, 'x') + "\n" + answer + "end\n", machine).empty());
  CHECK(machine.driver == "550.54.15");
}

TEST_CASE("of a program that is there already it is seen whether it is, and has its libraries") {
  far_here far;
  auto const trouble = [&](std::string const& program) {
    far_machine machine;
    auto const got = far.run(far_step::installed, {carried_test().needs.loader, program});
    CHECK_MESSAGE(read_far_machine(got.output, machine).empty(), got.to_text());
    return machine.program_trouble;
  };
  auto const self = fs::read_symlink("/proc/self/exe").string();
  CHECK(trouble(self).empty());
  CHECK(trouble("/no/such/app") == "it is not there");
  far.folder.write("app", "");
  CHECK(trouble((far.folder.at / "app").string()).starts_with("it may not be run by "));
  auto bytes = bytes_of_file(self);
  auto const name = bytes.find(std::string("\0libstdc++.so.6\0", 16));
  REQUIRE(name != std::string::npos);
  bytes[name + 4] = 'X';
  far.folder.write("lacks", bytes);
  fs::permissions(far.folder.at / "lacks", fs::perms::owner_all);
  CHECK(trouble((far.folder.at / "lacks").string()).find("libXtdc++.so.6") != std::string::npos);
}

TEST_CASE("a machine that will not do is refused in words, one for each thing that it lacks") {
  far_machine machine;
  REQUIRE(read_far_machine(answer + "end\n", machine).empty());
  cargo all;
  all.files.push_back({"app", std::string(64, 'a'), 1U << 20, nullptr});
  all.needs = {.machine = "x86_64",
               .loader = "/lib64/ld-linux-x86-64.so.2",
               .glibc = "2.31",
               .libstdcxx = "3.4.28",
               .cpu = {"avx2"},
               .cuda = 12};
  CHECK(refusal_of(examine(all, machine, {.gpu = true})).empty());
  CHECK(refusal_of(examine(all, machine, {.gpu = true, .carries = false})).empty());

  auto const refused = [&](cargo_needs const& needs, far_machine const& is, far_terms const& terms = {}) {
    auto changed = all;
    changed.needs = needs;
    return refusal_of(examine(changed, is, terms));
  };
  auto needs = all.needs;
  needs.glibc = "2.34";
  CHECK(refused(needs, machine).starts_with("glibc: needed 2.34, found 2.31: build on a system as old"));
  needs = all.needs, needs.libstdcxx = "3.4.30";
  CHECK(refused(needs, machine).empty());  // it travels
  CHECK(refused(needs, machine, {.carries = false})
            .starts_with("libstdc++: needed GLIBCXX_3.4.30, found GLIBCXX_3.4.28: have it carried"));
  needs = all.needs, needs.cpu.insert("avx512f");
  CHECK(refused(needs, machine).starts_with("processor: needed avx2 avx512f, found no avx512f:"));
  needs = all.needs, needs.machine = "aarch64";
  CHECK(refused(needs, machine).starts_with("machine: needed aarch64, found x86_64:"));
  needs = all.needs, needs.cuda = 13;
  CHECK(refused(needs, machine)
            .starts_with("NVIDIA driver: needed 580 (CUDA 13), found 550.54.15: update the driver"));

  auto is = machine;
  is.driver.clear();
  CHECK(refused(all.needs, is).empty());
  CHECK(refused(all.needs, is, {.gpu = true}).find("found none: install NVIDIA's driver") !=
        std::string::npos);
  is = machine, is.has_loader = false;
  CHECK(refused(all.needs, is).starts_with("loader: needed /lib64/ld-linux-x86-64.so.2, found none: build"));
  is = machine, is.libc = "musl libc (x86_64)";
  CHECK(refused(all.needs, is).starts_with("glibc: needed 2.31, found musl"));
  is = machine, is.free_bytes = 1U << 20;
  CHECK(refused(all.needs, is).starts_with("room: needed 17 MiB, found 1 MiB: make room in /home/me"));
  is.has_all = true;
  CHECK(refused(all.needs, is).empty());
  is = machine, is.runs = false;
  CHECK(refused(all.needs, is).find("nothing may be run there") != std::string::npos);
  is = machine, is.cache.clear(), is.trouble = "/x: Read-only file system";
  CHECK(refused(all.needs, is).find("Read-only file system") != std::string::npos);
  is = machine, is.tools.erase("tar");
  CHECK(refused(all.needs, is).starts_with("tools: needed sha256sum, tar, found no tar"));
  is = machine, is.hub = reach::no, is.hub_said = "Connection refused";
  CHECK(refused(all.needs, is).starts_with("the hub: needed within reach, found out of reach: Connection"));
  is = machine, is.hub = reach::unknown;
  CHECK(refused(all.needs, is).empty());
}

TEST_CASE("an address is a host and a port") {
  CHECK(host_and_port("tcp://login1:5555") == std::pair<std::string, std::string>("login1", "5555"));
  CHECK(host_and_port("tcp://[::1]:5555") == std::pair<std::string, std::string>("::1", "5555"));
}

}  // namespace
