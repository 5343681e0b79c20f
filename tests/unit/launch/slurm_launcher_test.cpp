// SPDX-License-Identifier: Apache-2.0
#include "src/launch/slurm_launcher.hpp"
#include "src/launch/slurm_reasons.hpp"

#include <doctest/doctest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <vector>

namespace {

using namespace yonder;
using launch::launch_event;
using launch::slurm;
using what = launch_event::kind;
using state = driver::job_book::state;
using namespace std::chrono_literals;

launch::start_request order_for(std::uint64_t start, launch::worker_needs needs = {}) {
  return {.start = start,
          .name = "yonder-abc-" + std::to_string(start),
          .hub_name = "yonder-abc",
          .worker = {"/opt/app", "--yonder-worker", "-"},
          .order = {.hub = "tcp://hub:5555", .token = 77, .client_secret = "the secret", .silence = 1},
          .environment = {},
          .needs = needs};
}

// Commands that say what they were given, and answer as they are told to by files.
struct stand_in {
  std::filesystem::path folder;
  std::string path_before = ::getenv("PATH");
  std::unique_ptr<platform::poller> poller = platform::make_poller();

  stand_in() {
    auto name = (std::filesystem::temp_directory_path() / "yonder-slurm-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    folder = name;
    ::setenv("PATH", (folder.string() + ":" + path_before).c_str(), 1);
    write("sbatch",
          "cat >\"$d/script\"; echo \"$*\" >\"$d/line\"; cat \"$d/answer\"; test ! -e \"$d/refuse\" || { cat "
          "\"$d/refuse\" >&2; exit 1; }");
    write("squeue", "case \"$*\" in *--name=*) cat \"$d/named\";; *) cat \"$d/queue\";; esac");
    write(
        "scancel",
        "echo \"$*\" >>\"$d/cancelled\"; test ! -e \"$d/queue\" || sed -i s/RUNNING/CANCELLED/ \"$d/queue\"");
    say("answer", "17\n");
  }
  ~stand_in() {
    ::setenv("PATH", path_before.c_str(), 1);
    std::filesystem::remove_all(folder);
  }
  void write(std::string const& name, std::string const& script) const {
    std::ofstream(folder / name) << "#!/bin/sh\nd=" << folder.string() << "\n" << script << "\n";
    std::filesystem::permissions(folder / name, std::filesystem::perms::owner_all);
  }
  void say(std::string const& name, std::string const& text) const { std::ofstream(folder / name) << text; }
  std::string read(std::string const& name) const {
    std::ifstream in(folder / name);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  // Until something has happened.
  std::vector<launch_event> next(launch::slurm_launcher& by) const {
    std::vector<launch_event> happened;
    while (happened.empty()) {
      auto const left = by.next_deadline() - platform::now();
      poller->wait(std::clamp<std::int64_t>(left, 0, 100'000'000));
      by.tick(platform::now());
      by.take(happened);
    }
    return happened;
  }
};

}  // namespace

TEST_CASE("a job of SLURM is one command, and its script starts a worker for each share of its GPUs") {
  auto const poller = platform::make_poller();
  launch::slurm_launcher const by(
      {.partition = "gpu", .gres = "gpu:a100:4", .time = 90min, .account = "lab", .extra = {"--qos=low"}},
      *poller);
  auto const told = by.describe(order_for(3, {.cpus = 2, .memory = 3ULL << 30}));
  CHECK(told.find("sbatch --nodes=1 --ntasks=1 --output=/dev/null --partition=gpu --account=lab --time=90 "
                  "--gres=gpu:a100:1 --cpus-per-task=2 --mem=3072M --qos=low --parsable --no-requeue "
                  "--job-name=yonder-abc-3\n") == 0);
  CHECK(told.find("exec /opt/app --yonder-worker -") != told.npos);
  CHECK(told.find("the secret") == told.npos);
}

TEST_CASE("how many workers one job starts, and for how long, is what is asked for in SLURM's terms") {
  CHECK(launch::workers_of_job({}) == 1);
  CHECK(launch::workers_of_job({.gres = "gpu:4"}) == 4);
  CHECK(launch::workers_of_job({.gres = "gpu:h100"}) == 1);
  CHECK(launch::workers_of_job({.gres = "gpu:4", .workers = 2}) == 2);
  CHECK(launch::allocation_of({}) == launch::never);
  CHECK(launch::allocation_of({.time = 61s}) == 120'000'000'000);
  CHECK(launch::fault_of(slurm{.time = 59s}) == "time: less than a minute, in which SLURM counts");
  CHECK(launch::fault_of(slurm{.partition = "a b"}) == "partition: 'a b' has a blank in it");
  CHECK(launch::fault_of(slurm{.gres = "gpu:4", .workers = 3}) ==
        "workers: 3 cannot share out 'gpu:4' evenly");
  for (char const* const good :
       {"gpu", "gpu:4", "gpu:a100", "gpu:a100:4", "shard:8", "gpu:nvidia_a100-sxm4.40gb:1"})
    CHECK_MESSAGE(launch::fault_of(slurm{.gres = good}).empty(), good);
  CHECK(launch::fault_of(slurm{.gres = "gpu:0"}) ==
        "gres: 'gpu:0' asks for none; leave it out where jobs have none");
  CHECK(launch::fault_of(slurm{.gres = "gpux4"}) ==
        "gres: 'gpux4' begins with 'gpux4', which is not gpu; it is NAME:COUNT or NAME:TYPE:COUNT, as in "
        "gpu:a100:4");
  for (char const* const bad :
       {"gpu:-1", "gpu:", ":4", "gpu:a100:x", "gpu:a100:4:2", "gpu:2,shard:1", "gpu:a100:0"})
    CHECK_MESSAGE(launch::fault_of(slurm{.gres = bad}).starts_with("gres: '"), bad);
  for (char const* const bad :
       {"--array=1-3", "-a1-3", "--wait", "-W", "--clusters=b", "-Mb", "--wrap=hostname"})
    CHECK_MESSAGE(launch::fault_of(slurm{.extra = {"--qos=low", bad}})
                      .starts_with("extra: '" + std::string(bad) + "' cannot be had: "),
                  bad);
  for (std::vector<std::string> const& bad : {std::vector<std::string>{"run.sh"},
                                              {"--", "run.sh"},
                                              {"--qos=low", "run.sh"},
                                              {"-A", "lab", "run.sh"},
                                              {""}})
    CHECK(launch::fault_of(slurm{.extra = bad}).find("is no option of sbatch") != std::string::npos);
  CHECK(launch::fault_of(slurm{.extra = {"-A", "lab", "--wait-all-nodes=1", "-wn7", "--qos=low"}}).empty());
}

TEST_CASE("what SLURM says of its queue, and of itself, is understood") {
  auto const jobs =
      launch::jobs_in("17|RUNNING|n2|None\n18|PENDING||Resources\n19|FAILED|n1|NonZeroExitCode\nnonsense\n");
  REQUIRE(jobs.size() == 3);
  CHECK(jobs.at("17").is == state::running);
  CHECK(jobs.at("17").where == "n2");
  CHECK(jobs.at("18").is == state::waiting);
  CHECK(jobs.at("19").is == state::over);
  CHECK(jobs.at("19").words == "FAILED (NonZeroExitCode)");
  auto const with_comments = launch::jobs_in(
      "20|FAILED|n1|NonZeroExitCode|yonder: exec: /opt/app: not found\n21|RUNNING|n1|None|yonder: no\n"
      "22|FAILED|n1|NonZeroExitCode|(null)\n23|PENDING||Priority|of mine | and more\n");
  CHECK(with_comments.at("20").words == "FAILED (NonZeroExitCode)\nexec: /opt/app: not found");
  CHECK(with_comments.at("21").words == "RUNNING (None)");
  CHECK(with_comments.at("22").words == "FAILED (NonZeroExitCode)");
  CHECK(with_comments.at("23").words == "PENDING (Priority)");
  CHECK(launch::passes(
      "sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)"));
  CHECK(launch::passes("sbatch: fatal: Could not establish a configuration source"));
  CHECK(launch::passes(
      "sbatch: error: Batch job submission failed: I/O error writing script/environment to file"));
  CHECK(launch::passes("sbatch: error: Unable to resolve \"ctld\": Unknown host"));
  CHECK_FALSE(
      launch::passes("sbatch: error: Batch job submission failed: Invalid account or account/partition"));
}

TEST_CASE("why a job waits is told with what to do, and one that never runs is given up") {
  stand_in slurmd;
  slurmd.say("queue", "17|PENDING||Priority\n");
  launch::slurm_launcher by({.interval = 1s}, *slurmd.poller);
  by.start(order_for(1));
  auto told = slurmd.next(by);
  REQUIRE(told.size() == 1);
  CHECK(told[0].what == what::waits);
  CHECK(told[0].text == "its job 17 waits: PENDING (Priority)");
  slurmd.say("queue", "17|PENDING||PartitionTimeLimit\n");
  told = slurmd.next(by);
  CHECK(told[0].what == what::waits);
  slurmd.write("scancel", "echo \"$*\" >>\"$d/cancelled\"; echo '17|CANCELLED||None' >\"$d/queue\"");
  told = slurmd.next(by);
  REQUIRE(told.size() == 1);
  CHECK(told[0].what == what::failed);
  CHECK(told[0].text ==
        "its job 17 waits: PENDING (PartitionTimeLimit): `time` is longer than its partition allows: say "
        "less, or another `partition` (sinfo -o '%P %l')\nits job 17 was cancelled: CANCELLED (None)\nIt was "
        "started by\n$ sbatch --nodes=1 --ntasks=1 --output=/dev/null --parsable --no-requeue "
        "--job-name=yonder-abc-1\n17\nexited with status 0");
  CHECK(slurmd.read("cancelled") == "17\n");
}

TEST_CASE("a reason is hopeless where no time helps, and says what does") {
  for (char const* const hopeless :
       {"PartitionTimeLimit", "AccountNotAllowed", "BadConstraints", "QOSMaxWallDurationPerJobLimit",
        "AssocMaxGRESPerJob", "QOSMinGRES", "DependencyNeverSatisfied"}) {
    CHECK_MESSAGE(launch::meaning_of(hopeless, "17").is_hopeless, hopeless);
    CHECK_MESSAGE(!launch::meaning_of(hopeless, "17").to_do.empty(), hopeless);
  }
  for (char const* const later :
       {"Priority", "Resources", "None", "", "Licenses", "BeginTime", "Dependency"}) {
    CHECK_MESSAGE(!launch::meaning_of(later, "17").is_hopeless, later);
    CHECK_MESSAGE(launch::meaning_of(later, "17").to_do.empty(), later);
  }
  for (char const* const other :
       {"JobHeldAdmin", "PartitionDown", "QOSMaxJobsPerUserLimit", "AssocGrpGRES",
        "ReqNodeNotAvail, UnavailableNodes:n1", "Nodes required for job are DOWN, DRAINED or reserved"}) {
    CHECK_MESSAGE(!launch::meaning_of(other, "17").is_hopeless, other);
    CHECK_MESSAGE(!launch::meaning_of(other, "17").to_do.empty(), other);
  }
  CHECK(launch::meaning_of("JobHeldUser", "17").to_do.ends_with("scontrol release 17"));
}

TEST_CASE("a squeue that prints something else, and succeeds, ends nothing") {
  stand_in slurmd;
  slurmd.say("queue", "17|RUNNING|n1|None\n");
  launch::slurm_launcher by({.interval = 1s}, *slurmd.poller);
  by.start(order_for(1));
  CHECK(slurmd.next(by)[0].what == what::placed);
  slurmd.say("queue", "squeue is off for maintenance, see https://status\n");
  auto const told = slurmd.next(by);
  REQUIRE(told.size() == 1);
  CHECK(told[0].what == what::notice);
  CHECK(told[0].text.find("squeue is off for maintenance") != std::string::npos);
  slurmd.say("queue", "");  // not there in one look, as of a controller that is starting
  slurmd.write("squeue", "cat \"$d/queue\"; echo '17|RUNNING|n1|None' >\"$d/queue\"; echo >>\"$d/looks\"");
  while (slurmd.read("looks").size() < 3) {
    std::vector<launch_event> happened;
    slurmd.poller->wait(std::clamp<std::int64_t>(by.next_deadline() - platform::now(), 0, 100'000'000));
    by.tick(platform::now());
    by.take(happened);
    for (auto const& one : happened) CHECK(one.what == what::waits);  // that its worker has not come yet
  }
  CHECK_FALSE(launch::is_queue("nonsense\n", false));
  CHECK(launch::is_queue("CLUSTER: east\n", false));
  CHECK(launch::is_queue(" \n", false));
  by.leave([](std::string const&) {});
}

TEST_CASE("a hub that ends cancels its jobs at once, also while a look at the queue hangs") {
  stand_in slurmd;
  slurmd.say("queue", "17|RUNNING|n1|None\n");
  launch::slurm_launcher by({.interval = 1s}, *slurmd.poller);
  by.start(order_for(1));
  CHECK(slurmd.next(by)[0].what == what::placed);
  slurmd.write("squeue", "echo >\"$d/hangs\"; sleep 60");
  while (slurmd.read("hangs").empty()) {
    slurmd.poller->wait(std::clamp<std::int64_t>(by.next_deadline() - platform::now(), 0, 100'000'000));
    by.tick(platform::now());
  }
  auto const before = platform::now();
  by.leave([](std::string const&) {});
  CHECK(platform::now() - before < 10 * launch::second);
  CHECK(slurmd.read("cancelled").find("17") != std::string::npos);
}

TEST_CASE("jobs that wait are cancelled when their hub is killed, and none when it has ended") {
  for (auto const ends : {false, true}) {
    stand_in slurmd;
    slurmd.say("queue", "17|RUNNING|n1|None\n");
    std::optional<launch::slurm_launcher> by(std::in_place, launch::slurm{.interval = 1s}, *slurmd.poller);
    by->start(order_for(1));
    CHECK(slurmd.next(*by)[0].what == what::placed);
    if (ends) by->leave([](std::string const&) {});
    by.reset();  // its end of a pipe, as when it is killed
    auto const cancelled = slurmd.read("cancelled");
    CHECK((cancelled == "--state=PENDING 17\n") == !ends);
    CHECK((cancelled == "17\n") == ends);
  }
}

TEST_CASE(
    "whoever has squeue and scancel say less, or ask, by the environment has them do so for commands of "
    "their own") {
  char const* const set[] = {"SQUEUE_PARTITION=gpu", "SCANCEL_INTERACTIVE=1", "SLURM_CONF=/x",
                             "SBATCH_ACCOUNT=lab", nullptr};
  CHECK(launch::as_written({"scancel", "17"}, set) ==
        std::vector<std::string>{"env", "-u", "SQUEUE_PARTITION", "-u", "SCANCEL_INTERACTIVE", "scancel",
                                 "17"});
  CHECK(launch::as_written({"scancel", "17"}, set + 2) == std::vector<std::string>{"scancel", "17"});
  char const* const inside[] = {"SLURM_JOB_ID=3", "SLURM_CONF=/x", "SLURM_CPU_BIND=quiet",
                                "YONDER_END_TIME=1", nullptr};
  CHECK(launch::as_written({"sbatch"}, inside) == std::vector<std::string>{"env", "-u", "YONDER_END_TIME",
                                                                           "-u", "SLURM_JOB_ID", "-u",
                                                                           "SLURM_CPU_BIND", "sbatch"});
  stand_in slurmd;
  slurmd.write("squeue", "test -n \"$SQUEUE_PARTITION\" || cat \"$d/queue\"");
  slurmd.say("queue", "17|RUNNING|n1|None\n");
  ::setenv("SQUEUE_PARTITION", "other", 1);
  launch::slurm_launcher by({.interval = 1s}, *slurmd.poller);
  by.start(order_for(1));
  CHECK(slurmd.next(by)[0].what == what::placed);
  by.leave([](std::string const&) {});
  ::unsetenv("SQUEUE_PARTITION");
}

TEST_CASE("two starts are one job, whose script holds the keys and whose command does not") {
  stand_in slurmd;
  slurmd.say("queue", "17|RUNNING|n1|None\n");
  launch::slurm_launcher by({.gres = "gpu:2", .interval = 1s}, *slurmd.poller);
  by.start(order_for(1));
  by.start(order_for(2));
  auto const placed = slurmd.next(by);
  REQUIRE(placed.size() == 4);  // and that their workers have not come yet
  CHECK(placed[0].what == what::placed);
  CHECK(placed[1].what == what::placed);
  CHECK(placed[1].start == 2);
  CHECK(slurmd.read("line").find("--gres=gpu:2") != std::string::npos);
  CHECK(slurmd.read("line").find("secret") == std::string::npos);
  auto const script = slurmd.read("script");
  CHECK(script.find("the secret") != std::string::npos);
  CHECK(script.find("cut -d, -f1-1") != std::string::npos);
  CHECK(script.find("cut -d, -f2-2") != std::string::npos);
  by.stop(1);
  by.tick(platform::now());
  CHECK(by.next_deadline() > platform::now());  // nothing is to be done: the other one works
  by.stop(2);
  auto const ended = slurmd.next(by);  // when the queue says so
  REQUIRE(ended.size() == 2);
  CHECK(ended[0].what == what::ended);
  CHECK(ended[0].text == "its job 17 was cancelled: CANCELLED (None)");
  CHECK(slurmd.read("cancelled") == "17\n");
}

TEST_CASE("what SLURM refuses has failed, in its words; without sbatch, too") {
  stand_in slurmd;
  slurmd.say("refuse", "sbatch: error: invalid partition specified: nowhere\n");
  launch::slurm_launcher by({}, *slurmd.poller);
  by.start(order_for(1));
  auto const failed = slurmd.next(by);
  REQUIRE(failed.size() == 1);
  CHECK(failed[0].what == what::failed);
  CHECK(failed[0].text.find("invalid partition specified: nowhere") != std::string::npos);
  CHECK(failed[0].text.find("$ sbatch --nodes=1") != std::string::npos);
  slurmd.say("refuse", "sbatch: error: Unable to contact slurm controller\n");
  by.start(order_for(2));
  CHECK(slurmd.next(by)[0].what == what::notice);
  std::filesystem::remove(slurmd.folder / "refuse");
  slurmd.say("queue", "17|RUNNING|n1|None\n");
  by.leave([](std::string const&) {});
}

TEST_CASE("what a worker has said last before it ended with an error comes with the end of its job") {
  stand_in slurmd;
  slurmd.write("scontrol", "echo \"$*\" >>\"$d/told\"");
  slurmd.say("queue", "");
  auto const run = [&](std::vector<std::string> worker, std::string output = "/dev/null") {
    std::filesystem::remove(slurmd.folder / "told");
    std::filesystem::remove(slurmd.folder / "script");
    launch::slurm_launcher by({.output = std::move(output)}, *slurmd.poller);
    auto order = order_for(1);
    order.worker = std::move(worker);
    by.start(order);
    while (slurmd.read("script").find("exit $status\n") == std::string::npos) {
      slurmd.poller->wait(10'000'000);
      by.tick(platform::now());
    }
    auto const how = std::system(("TMPDIR=" + slurmd.folder.string() + " SLURM_JOB_ID=17 sh " +
                                  (slurmd.folder / "script").string() + " 2>/dev/null >/dev/null")
                                     .c_str());
    by.leave([](std::string const&) {});
    for (auto const& one : std::filesystem::directory_iterator(slurmd.folder))
      CHECK_FALSE(one.path().filename().string().starts_with("tmp."));
    return WEXITSTATUS(how);
  };
  CHECK(run({"/no/such/program"}) == 127);
  auto const told = slurmd.read("told");
  CHECK_MESSAGE(told.starts_with("update JobId=17 Comment=yonder: "), told);
  CHECK(told.find("/no/such/program") != std::string::npos);
  CHECK(run({"sh", "-c", "seq 100000 >&2; echo 'one | \"two\"' >&2; exit 3"}) == 3);
  CHECK(slurmd.read("told").ends_with(" 99999 100000 one | \"two\" \n"));
  CHECK(slurmd.read("told").size() < 1000);
  CHECK(run({"sh", "-c", "echo fine >&2"}) == 0);
  CHECK(slurmd.read("told").empty());
  CHECK(run({"sh", "-c", "echo secret >&2; kill -KILL $$"}) == 137);  // that is for its hub, and not for all
  CHECK(slurmd.read("told").empty());
  CHECK(run({"/no/such/program"}, "/tmp/%j") == 127);  // there it is in that file
  CHECK(slurmd.read("told").empty());
}

TEST_CASE("a job that fails is told with what was submitted, what was said, or where that is to be found") {
  stand_in slurmd;
  auto const end_of = [&](std::string const& queue, std::string output = "/dev/null") {
    slurmd.say("queue", queue);
    launch::slurm_launcher by({.output = std::move(output), .interval = 1s}, *slurmd.poller);
    by.start(order_for(1));
    auto const told = slurmd.next(by);
    REQUIRE(told.size() == 2);  // and that its node is left out
    CHECK(told[0].what == what::failed);
    CHECK(told[0].text.find("\nIt was started by\n$ sbatch --nodes=1 ") != std::string::npos);
    return told[0].text.substr(0, told[0].text.find("\nIt was started by"));
  };
  CHECK(end_of("17|FAILED|n1|NonZeroExitCode|yonder: exec: /opt/app: not found\n") ==
        "its job 17 is over: FAILED (NonZeroExitCode)\nexec: /opt/app: not found");
  CHECK(end_of("17|FAILED|n1|NonZeroExitCode|(null)\n")
            .ends_with(": say `output`, a file there, to see what it prints"));
  CHECK(end_of("17|FAILED|n1|NonZeroExitCode|(null)\n", "/logs/%j")
            .ends_with(": what it has printed is in its `output`, /logs/%j"));
  CHECK(end_of("17|FAILED|n1|JobLaunchFailure|(null)\n", "/none/%j")
            .ends_with(": its script could not be started there; is the folder of its `output`, /none/%j, on "
                       "its node?"));
}

TEST_CASE("a job whose program ends with 0 before its worker has come is told as that") {
  stand_in slurmd;
  auto const end_of = [&](bool comes, std::string output = "/dev/null") {
    slurmd.say("queue", "17|COMPLETED|n1|None|(null)\n");
    launch::slurm_launcher by({.output = std::move(output), .interval = 1s}, *slurmd.poller);
    by.start(order_for(1));
    if (comes) by.served(1);
    auto const told = slurmd.next(by);
    REQUIRE(told.size() == 1);
    return told[0].text.substr(0, told[0].text.find("\nIt was started by"));
  };
  std::string const early =
      "its job 17 is over: COMPLETED (None): its program ended by itself, with status 0, before its worker "
      "had come, as one does that makes no yonder::runtime, or whose time is over there (YONDER_END_TIME); ";
  CHECK(end_of(false) == early + "say `output`, a file there, to see what it prints");
  CHECK(end_of(false, "/logs/%j") == early + "what it has printed is in its `output`, /logs/%j");
  CHECK(end_of(true) == "its job 17 is over: COMPLETED (None)");
}

TEST_CASE(
    "while a job runs and its worker has not come, it is told where, for how long, and where it is to come") {
  stand_in slurmd;
  slurmd.say("queue", "17|RUNNING|n1|None|(null)\n");
  launch::slurm_launcher by({.interval = 1s}, *slurmd.poller);
  by.start(order_for(1));
  auto told = slurmd.next(by);
  REQUIRE(told.size() == 2);
  CHECK(told[0].what == what::placed);
  CHECK(told[1].what == what::waits);
  std::string const end =
      ", and its worker has not come yet to tcp://hub:5555; say `output`, a file there, to see what it "
      "prints";
  CHECK(told[1].text == "its job 17 runs on n1" + end);
  told = slurmd.next(by);
  REQUIRE(told.size() == 1);
  CHECK(told[0].what == what::waits);
  CHECK(told[0].text.starts_with("its job 17 runs on n1, for "));
  CHECK(told[0].text.ends_with(" s so far" + end));
}

TEST_CASE("the number of a job is the last one that sbatch prints, whatever a site has it say before") {
  CHECK(launch::job_number_in("17\n") == "17");
  CHECK(launch::job_number_in("17;cluster\r\n") == "17");
  CHECK(launch::job_number_in("Welcome!\n2 nodes are free\n3\n1234;gpu") == "1234");
  CHECK(launch::job_number_in("1234\nGood luck\n") == "1234");
  CHECK(launch::job_number_in("no job\n").empty());
}

TEST_CASE("a job whose submission was not answered is looked for by its name, and not submitted again") {
  stand_in slurmd;
  slurmd.write("sbatch",
               "echo again >>\"$d/submitted\"; echo 'error: Socket timed out on send/recv' >&2; exit 1");
  slurmd.say("named", "41\n");
  slurmd.say("queue", "41|RUNNING|n1|None\n");
  launch::slurm_launcher by({.interval = 1s}, *slurmd.poller);
  by.start(order_for(1));
  auto const doubt = slurmd.next(by);
  REQUIRE(doubt.size() == 2);
  CHECK(doubt[0].what == what::notice);
  CHECK(doubt[1].what == what::waits);
  CHECK(doubt[1].text.starts_with("whether its job was submitted is not known, and looked up:\n$ sbatch "));
  CHECK(slurmd.next(by)[0].text == "its job 41 was submitted");
  CHECK(slurmd.next(by)[0].what == what::placed);
  CHECK(slurmd.read("submitted") == "again\n");
  by.stop(1);
  CHECK(slurmd.next(by)[0].what == what::ended);
  CHECK(slurmd.read("cancelled") == "41\n");
}

TEST_CASE("a hub that ends cancels the job, too, of which it does not know whether it was taken") {
  stand_in slurmd;
  slurmd.write("sbatch", "echo 'error: Zero Bytes were transmitted or received' >&2; exit 1");
  slurmd.say("named", "42\n");
  launch::slurm_launcher by({}, *slurmd.poller);
  by.start(order_for(1));
  CHECK(slurmd.next(by)[0].what == what::notice);
  by.leave([](std::string const&) {});
  CHECK(slurmd.read("cancelled") == "42\n");
}

TEST_CASE(
    "a queue of thousands of jobs is read whole; a longer one is not known, and nothing of it is over") {
  stand_in slurmd;
  slurmd.write("squeue",
               "seq -f '%.0f|COMPLETED|None' 1000 4000; cat \"$d/queue\"; seq -f '%.0f|COMPLETED|None' 5000 "
               "\"$(cat \"$d/most\")\"");
  slurmd.say("most", "9000");
  slurmd.say("queue", "17|RUNNING|n1|None\n");
  launch::slurm_launcher by({.interval = 1s}, *slurmd.poller);
  by.start(order_for(1));
  CHECK(slurmd.next(by)[0].what == what::placed);
  slurmd.say("queue", "");
  slurmd.say("most", "90000");
  auto const told = slurmd.next(by)[0];
  CHECK(told.what == what::notice);
  CHECK(told.text.find("the queue cannot be looked at") == 0);
  by.leave([](std::string const&) {});
}

TEST_CASE("a job has no more GPUs than gres says, and each of its workers as many as it needs") {
  stand_in slurmd;
  slurmd.say("queue", "17|RUNNING|n1|None\n");
  launch::slurm_launcher by({.gres = "gpu:4", .interval = 1s}, *slurmd.poller);
  by.start(order_for(1, {.gpus = 1}));
  for (std::uint64_t const start : {2, 3, 4}) by.start(order_for(start, {.gpus = 2}));
  slurmd.write("sbatch", "cat >\"$d/script$#\"; echo \"$*\" >>\"$d/lines\"; wc -l <\"$d/lines\"");
  slurmd.say("queue", "1|RUNNING|n1|None\n2|RUNNING|n1|None\n3|RUNNING|n1|None\n");
  for (std::size_t placed = 0; placed < 4;) placed += slurmd.next(by).size();
  auto const lines = slurmd.read("lines");
  std::vector<std::string> asked;
  for (std::size_t at = 0; (at = lines.find("--gres=", at)) != std::string::npos; ++at)
    asked.push_back(lines.substr(at, std::string("--gres=gpu:4").size()));
  CHECK(asked == std::vector<std::string>{"--gres=gpu:1", "--gres=gpu:4", "--gres=gpu:2"});
  by.leave([](std::string const&) {});
}

TEST_CASE("workers that share out the GPUs of a job have all of them") {
  stand_in slurmd;
  slurmd.say("queue", "17|RUNNING|n1|None\n");
  launch::slurm_launcher by({.gres = "gpu:4", .workers = 2, .interval = 1s}, *slurmd.poller);
  by.start(order_for(1));
  by.start(order_for(2));
  slurmd.next(by);
  CHECK(slurmd.read("line").find("--gres=gpu:4") != std::string::npos);
  auto const script = slurmd.read("script");
  CHECK(script.find("cut -d, -f1-2") != std::string::npos);
  CHECK(script.find("cut -d, -f3-4") != std::string::npos);
  by.leave([](std::string const&) {});
}

// The line that a step is to run, run here: the last words of its command.
constexpr char srun_here[] =
    "echo \"$*\" >>\"$d/steps\"; while test \"$1\" != sh; do shift; done; exec \"$@\"";

TEST_CASE("a program is carried to the node of a job within that job, whose script waits for it") {
  stand_in slurmd;
  slurmd.write("srun",
               std::string("case \"$*\" in *incoming*) if mkdir \"$d/cut\" 2>/dev/null; then head -c 1000 | "
                           "\"$0\" \"$@\"; exit; fi;; esac\n") +
                   srun_here);  // the first copy is cut short
  slurmd.say("queue", "17|RUNNING|n1|None\n");
  auto const cache = slurmd.folder / "cache";
  launch::slurm_launcher by({.interval = 1s}, *slurmd.poller,
                            launch::carry_terms{"/usr/bin/env", cache.string()});
  auto order = order_for(1);
  order.order.hub.clear();
  order.patience = 90 * launch::second;
  by.start(order);
  CHECK(slurmd.next(by)[0].what == what::placed);
  auto const has_program = [&] {
    std::error_code none_yet;
    for (auto const& one : std::filesystem::directory_iterator(cache / "programs", none_yet))
      if (std::filesystem::exists(one.path() / "env")) return true;
    return false;
  };
  while (!has_program()) {
    slurmd.poller->wait(10'000'000);
    by.tick(platform::now());
  }
  CHECK(slurmd.read("steps").find("--jobid=17 --overlap --nodes=1 --ntasks=1 --chdir=/ sh -c ") == 0);
  CHECK(std::filesystem::exists(slurmd.folder / "cut"));
  auto const script = slurmd.read("script");
  CHECK(script.find("exec sh -c 'cache=") != std::string::npos);
  CHECK(script.find(cache.string() + " 90 ") != std::string::npos);
  CHECK(script.find("env --yonder-worker - <<") != std::string::npos);
  CHECK(script.find("/opt/app") == std::string::npos);
}

TEST_CASE("what a job has carried is sought where it is brought, whatever is set before its start") {
  stand_in slurmd;
  slurmd.write("srun", srun_here);
  slurmd.say("queue", "17|RUNNING|n1|None\n");
  ::setenv("XDG_CACHE_HOME", (slurmd.folder / "home").c_str(), 1);
  launch::slurm_launcher by({.interval = 1s}, *slurmd.poller, launch::carry_terms{"/usr/bin/touch"});
  auto order = order_for(1);
  order.order.hub.clear();
  order.patience = 90 * launch::second;
  auto const ran = slurmd.folder / "ran";
  auto const other = "XDG_CACHE_HOME=" + (slurmd.folder / "scratch").string();
  order.worker = {"/usr/bin/touch", ran.string()};
  order.environment = {other};
  order.before = {"export " + other};
  by.start(order);
  CHECK(slurmd.next(by)[0].what == what::placed);
  auto const has_program = [&] {
    std::error_code none_yet;
    for (auto const& one :
         std::filesystem::directory_iterator(slurmd.folder / "home/yonder/programs", none_yet))
      if (std::filesystem::exists(one.path() / "touch")) return true;
    return false;
  };
  while (!has_program()) {
    slurmd.poller->wait(10'000'000);
    by.tick(platform::now());
  }
  CHECK(std::system(("timeout 60 sh " + (slurmd.folder / "script").string() + " 2>&1").c_str()) == 0);
  ::unsetenv("XDG_CACHE_HOME");
  CHECK(std::filesystem::exists(ran));
  CHECK_FALSE(std::filesystem::exists(slurmd.folder / "scratch"));
}

TEST_CASE("a node that cannot run what is carried is said in words, and its job cancelled") {
  stand_in slurmd;
  slurmd.write("srun", srun_here);
  slurmd.write("getconf", "echo glibc 2.1");
  slurmd.say("queue", "17|RUNNING|n1|None\n");
  launch::slurm_launcher by({.interval = 1s}, *slurmd.poller,
                            launch::carry_terms{"/usr/bin/env", (slurmd.folder / "cache").string()});
  auto order = order_for(1);
  order.order.hub.clear();
  by.start(order);
  CHECK(slurmd.next(by)[0].what == what::placed);
  CHECK(slurmd.next(by)[0].what == what::notice);  // its node is left out
  auto const ended = slurmd.next(by);
  CHECK(ended[0].what == what::ended);
  CHECK_MESSAGE(ended[0].text.find("the program cannot be started on 'n1':\nglibc: needed 2.") == 0,
                ended[0].text);
  CHECK(slurmd.read("cancelled") == "17\n");
  by.leave([](std::string const&) {});
}

TEST_CASE("what is to be carried and is not there fails its start, and nothing is submitted") {
  stand_in slurmd;
  launch::slurm_launcher by({}, *slurmd.poller, launch::carry_terms{"/no/such/app"});
  by.start(order_for(1));
  by.start(order_for(2));
  by.stop(2);
  auto happened = slurmd.next(by);
  while (happened.size() < 2)
    for (auto& one : slurmd.next(by)) happened.push_back(std::move(one));
  CHECK(happened[0].start == 2);
  CHECK(happened[1].what == what::failed);
  CHECK(happened[1].text.find("'/no/such/app' cannot be carried") == 0);
  CHECK(slurmd.read("script").empty());
}

TEST_CASE("a step in another job does not take over what this process's own job says of steps") {
  char const* const outside[] = {"HOME=/root", "SLURM_CONF=/etc/slurm.conf", "SLURM_CLUSTERS=east", nullptr};
  CHECK(launch::line_in_job("17", "true", outside).front() == "srun");
  char const* const inside[] = {"SLURM_JOB_ID=3", "SLURM_CONF=/etc/slurm.conf", "SLURM_NTASKS=8", nullptr};
  auto const words = launch::line_in_job("17", "true", inside);
  std::vector<std::string> const begin{"env",          "-u",   "SLURM_JOB_ID", "-u",
                                       "SLURM_NTASKS", "srun", "--jobid=17"};
  CHECK(std::vector<std::string>(words.begin(), words.begin() + 7) == begin);
  CHECK(words.back() == "true");
}

TEST_CASE("the next job is not for a node on which one has failed, nor for those that `extra` excludes") {
  CHECK(launch::exclusion_of({}, {"-xn7"}).empty());
  CHECK(launch::exclusion_of({"n1", "n2"}, {"--qos=low"}) == "--exclude=n1,n2");
  CHECK(launch::exclusion_of({"n1"}, {"--exclude=n7"}) == "--exclude=n7,n1");
  CHECK(launch::exclusion_of({"n1"}, {"--exclude", "n[7-9]"}) == "--exclude=n[7-9],n1");
  CHECK(launch::exclusion_of({"n1"}, {"-x", "n7", "-xn8"}) == "--exclude=n8,n1");
  CHECK(launch::exclusion_of({"n1"}, {"--exclude=./bad_nodes"}).empty());
  CHECK(launch::exclusion_of({"n1"}, {"--nodelist=n1"}).empty());
  CHECK(launch::exclusion_of({"n1"}, {"-wn1"}).empty());
  CHECK(launch::jobs_in("18|PENDING||ReqNodeNotAvail, UnavailableNodes:n2").at("18").lacks_nodes);
  CHECK_FALSE(launch::jobs_in("18|PENDING||Resources").at("18").lacks_nodes);

  stand_in slurm;
  launch::slurm_launcher by({.interval = 1s}, *slurm.poller);
  slurm.say("queue", "17|FAILED|n1|NonZeroExitCode\n");
  by.start(order_for(1));
  auto told = slurm.next(by);
  REQUIRE(told.size() == 2);
  CHECK(told[0].what == what::failed);
  CHECK(told[1].what == what::notice);
  CHECK(told[1].text.starts_with("on n1 a start has failed, "));
  CHECK(slurm.read("line").find("--exclude") == std::string::npos);
  slurm.say("queue", "17|RUNNING|n2|None\n");
  by.start(order_for(2));
  CHECK(slurm.next(by)[0].what == what::placed);
  CHECK(slurm.read("line").find(" --exclude=n1 --parsable ") != std::string::npos);
}

TEST_CASE("a node whose worker does not come in time is left out, one whose worker has come is not") {
  stand_in slurm;
  launch::slurm_launcher by({.interval = 1s}, *slurm.poller);
  auto start = order_for(1);
  start.patience = 1;
  slurm.say("queue", "17|RUNNING|n1|None\n");
  by.start(start);
  CHECK(slurm.next(by)[0].what == what::placed);
  auto comes = false;
  SUBCASE("it does not") {}
  SUBCASE("it does") { comes = true; }
  if (comes) by.served(1);
  by.stop(1);
  std::string text;
  for (auto ended = false; !ended;)
    for (auto const& one : slurm.next(by)) {
      ended = ended || one.what == what::ended;
      text += one.text;
    }
  CHECK((text.find("on n1 a start has failed") == std::string::npos) == comes);
  CHECK((text.find("its worker has not come in time") == std::string::npos) == comes);
}
