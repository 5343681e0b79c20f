// SPDX-License-Identifier: Apache-2.0
//
// The yonder command: a hub that programs and their workers meet at, the keys that let them in, the pools and
// calls of a hub that runs, a look at this machine, and what models say of the lines of a file.
#include <string.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <optional>
#include <string>
#include <vector>

#include "src/cli/calls.hpp"
#include "src/cli/completion.hpp"
#include "src/cli/doctor.hpp"
#include "src/cli/hub/get.hpp"
#include "src/cli/journal.hpp"
#include "src/cli/keys.hpp"
#include "src/cli/kubernetes.hpp"
#include "src/cli/logs.hpp"
#include "src/cli/output.hpp"
#include "src/cli/pools.hpp"
#include "src/cli/printable.hpp"
#include "src/cli/schedules.hpp"
#include "src/cli/serve.hpp"
#include "src/cli/texts.hpp"
#include "transports/setup_error.hpp"
#include "transports/zmq/address.hpp"
#include "transports/zmq/enrolment.hpp"
#include "transports/zmq/keys.hpp"
#include "yonder/error.hpp"
#if defined(YONDER_HAS_LAUNCH)
#include "yonder/launch.hpp"
#endif
#include "yonder/runtime.hpp"
#include "yonder/version.hpp"

namespace {

std::string version() {
  auto const v = yonder::library_version();
  return "yonder " + std::to_string(v.major) + "." + std::to_string(v.minor) + "." + std::to_string(v.patch);
}

void keygen(std::string const& folder) {
  yonder::transport::keygen(folder);
  std::cout << "keys are in " << folder << "\n"
            << "  the hub's machine keeps all of it; client.key, client.pub and server.pub go to those who "
               "connect\n"
            << "  authorized_keys lists whom the hub lets in\n";
}

// As a check of an option: what is wrong with it, in words.
CLI::Validator is_address(yonder::transport::address_use use) {
  return CLI::Validator(
      [use](std::string& said) -> std::string {
        auto address = said;
        try {
          using namespace yonder::transport;
          take_fragment(address);
          parse_address(address, use, is_of(socket_schemes, address) ? socket_schemes : zmq_schemes);
          return {};
        } catch (yonder::transport::setup_error const& fault) {
          return fault.what();
        }
      },
      "", "address");
}
CLI::Validator connects() { return is_address(yonder::transport::address_use::connect); }

void name_hub(CLI::App& command, yonder::cli::hub_choice& hub) {
  command
      .add_option("--hub", hub.address,
                  "tcp:// or tls://host:port, ipc:// or unix:///folder/name; default: $YONDER_HUB")
      ->check(connects());
  command.add_option(
      "--keys", hub.keys,
      "over tcp: a folder of keys, the hub's own, an operator's, or a client's for what it called itself; "
      "default: $YONDER_KEYS, or else ~/.config/yonder");
}

template <class Number>
void read_number(CLI::App& command, std::string const& name, std::optional<Number>& number,
                 std::string const& what) {
  command.add_option_function<Number>(
      name, [&number](Number const& said) { number = said; }, what);
}

void read_time(CLI::App& command, std::string const& name, std::optional<std::chrono::nanoseconds>& time,
               std::string const& what) {
  auto const take = [&time, name](std::string const& said) {
    time = yonder::cli::parse_time(said);
    if (!time)
      throw CLI::ValidationError(
          name, "'" + said + "' is no time, or too long a one; say 10s, 250ms, 5m, 1.5h, 30d or 0");
  };
  command.add_option_function<std::string>(name, take, what);
}

#if defined(YONDER_HAS_ML)
// What takes a model and lines.
CLI::App* add_texts(CLI::App& app, std::string const& name, std::string const& what,
                    yonder::cli::texts_order& order) {
  auto* const command = app.add_subcommand(name, what)->group("");
  command->add_option("model", order.model, "a model's folder, or its name where it is on this machine")
      ->required();
  if (name == "rerank") command->add_option("query", order.query, "what documents are ranked by")->required();
  command->add_option("file", order.file, "with a text in each line; default: standard input");
  command->add_flag("--json", order.json, "for programs: an object a line");
  command->add_option("--device", order.device, "auto, cpu or cuda; default: auto")
      ->check(CLI::IsMember({"auto", "cpu", "cuda"}));
  return command;
}
#endif

// The arguments, which whoever lists processes sees without tokens from now on.
std::vector<std::string> take_arguments(int argc, char** argv) {
  std::vector<std::string> words(argv, argv + argc);
  for (int i = 1; i < argc; ++i) {
    auto const scheme = words[static_cast<std::size_t>(i)].find("://");
    auto const mark = words[static_cast<std::size_t>(i)].find('#', scheme);
    if (scheme == std::string::npos || mark == std::string::npos) continue;
    ::explicit_bzero(argv[i] + mark, words[static_cast<std::size_t>(i)].size() - mark);
  }
  return words;
}

int run(int argc, char const* const* argv) {
  CLI::App app("Yonder: write a C++ function once, call it here or yonder.");
  app.set_version_flag("--version", version());
  app.require_subcommand(1);

  std::string folder;
  auto* const keygen_command =
      app.add_subcommand("keygen", "make the keys of a hub and of those who connect to it")->group("");
  keygen_command->add_option("folder", folder, "where; created (0700) if need be; nothing is overwritten")
      ->required();

  yonder::cli::hub_order served;
  auto* const hub_command = app.add_subcommand("hub", "run a hub, or change the pools of one that runs");
  hub_command
      ->add_option("--bind", served.addresses,
                   "tcp:// or tls://address:port (* for any port), ipc:// or unix:///folder/name; "
                   "repeatable; default: "
                   "tcp://*:5555")
      ->check(is_address(yonder::transport::address_use::listen));
  hub_command->add_option(
      "--keys", served.keys,
      "the folder of keys, which are made where there are none; default: $YONDER_KEYS, or "
      "else ~/.config/yonder");
  hub_command->add_option("--journal", served.journal,
                          "the folder of its journal, for durable calls; created if need be; what an earlier "
                          "hub has left there goes on; default: it takes no durable calls");
  read_time(*hub_command, "--result-ttl", served.result_ttl,
            "for which the outcome of a durable call is kept that nobody has had; default: 24h");
  read_number(
      *hub_command, "--max-journal-bytes", served.max_journal_bytes,
      "of durable calls and outcomes that count; past them such calls are refused; default: as much as "
      "the disk has");
#if defined(YONDER_HAS_HTTP)
  hub_command->add_option("--http", served.http,
                          "address:port of its metrics, its page and /v1/pools, over HTTP, with the keys of "
                          "http_keys in --keys; default: none");
#endif
  read_time(*hub_command, "--drain-timeout", served.drain_timeout,
            "for which what runs is waited for, told to end (SIGTERM); again: not at all; default: 25s");
  hub_command->add_flag("--json", served.json, "for programs: an object");

  std::string endpoint;
  std::vector<std::string> libraries;
  auto* const worker_command = app.add_subcommand("worker", "be a worker of a hub, with tasks of libraries");
  worker_command
      ->add_option("endpoint", endpoint,
                   "the hub: tcp:// or tls://host:port, or ipc:// or unix:///folder/name")
      ->required()
      ->check(connects());
  worker_command->add_option("--load", libraries, "a library (.so) with tasks; repeatable")->required();

  yonder::cli::key_order keys;
  auto* const keys_command = app.add_subcommand("keys", "whom a hub lets in, and as what");
  keys_command->require_subcommand(1);
  auto* const issue_command = keys_command->add_subcommand(
      "issue", "print a line to paste on another machine, once, which makes a key there and has it let in");
  auto* const list_command = keys_command->add_subcommand("list", "list them");
  auto* const revoke_command =
      keys_command->add_subcommand("revoke", "let one in no longer, and end what is connected with it");
  for (auto* const command : {issue_command, list_command, revoke_command}) {
    command->add_option("--keys", keys.keys,
                        "the hub's folder of keys; default: $YONDER_KEYS, or else ~/.config/yonder");
    command->add_flag("--json", keys.json, "for programs");
  }
  issue_command->add_option("name", keys.name, "of its own: letters, digits, '.', '_', '-' and '@'")
      ->required();
  issue_command->add_option("--role", keys.role,
                            "client, worker, operator, or several with commas between them");
  issue_command->add_option(
      "--hub", keys.hub,
      "the hub's address, as the other machine sees it; default: $YONDER_HUB, or where the hub of "
      "this folder listens");
  issue_command->add_option("--to", keys.into,
                            "make the key's files here, in this folder, for another machine");
  issue_command->add_option("--key", keys.key, "let in the owner of this public key");
  read_time(*issue_command, "--expires", keys.expires, "for how long the key is good; default: for ever");
  read_time(*issue_command, "--within", keys.within, "for how long the line is good; default: 10m");
  read_number(*issue_command, "--max-jobs", keys.max_jobs,
              "calls at once that run or wait for a worker; default: any number");
  read_number(*issue_command, "--max-gpus", keys.max_gpus, "GPUs that these ask for; default: any number");
  revoke_command->add_option("name", keys.name, "or the public key")->required();

  yonder::cli::hub_choice hub;
  std::string pool;
  yonder::pool_size size;
  auto* const scale_command = hub_command->add_subcommand("scale", "change how many workers a pool has");
  scale_command->add_option("pool", pool, "its name in `yonder ps`, or the service's that has one pool")
      ->required();
  read_number(*scale_command, "--min", size.min, "workers that stay although they have nothing to do");
  read_number(*scale_command, "--max", size.max, "workers at once");
  read_number(*scale_command, "--buffer", size.buffer, "idle workers that are kept ready while others work");
  read_number(*scale_command, "--max-queue", size.max_queue, "calls that may wait; 0: any number");
  read_time(*scale_command, "--scaledown-window", size.scaledown_window,
            "without work, after which a worker is let go");
  read_time(*scale_command, "--park-window", size.park_window,
            "for which it is parked before that; 0: it is not");
  name_hub(*scale_command, hub);

  unsigned count = 1;
  auto* const warm_command = hub_command->add_subcommand("warm", "start workers ahead of the first call");
  warm_command->add_option("pool", pool, "as of scale")->required();
  warm_command->add_option("count", count, "until there are so many; default: 1");
  name_hub(*warm_command, hub);

  bool json = false;
  bool live = false;
  auto* const ps_command = app.add_subcommand("ps", "list the pools and the workers of a hub");
  ps_command->add_flag("--json", json, "for programs: an object; times are in seconds");
  auto* const live_flag = ps_command->add_flag("--live", live, "again each second, on a terminal");
  bool usage = false;
  auto* const usage_flag = ps_command->add_flag(
      "--usage", usage, "for how long workers ran what for whom, by day, in place of pools and workers");
  live_flag->excludes(usage_flag);
  name_hub(*ps_command, hub);

  std::string call;
  auto* const explain_command = app.add_subcommand("explain", "say where a call is, and why");
  auto* const cancel_command = app.add_subcommand("cancel", "cancel a call");
  for (auto* const command : {explain_command, cancel_command}) {
    command->add_option("id", call, "its id: 32 hexadecimal digits")->required();
    command->add_flag("--json", json, "for programs: an object");
    name_hub(*command, hub);
  }
  yonder::cli::logs_order logs;
  auto* const logs_command = app.add_subcommand("logs", "print what calls have printed, the latest of it");
  logs_command->add_option("id", logs.call, "one call's id; default: all that these keys may see");
  logs_command->add_flag("-f,--follow", logs.follow, "wait for more, of one call until it has ended");
  auto* const raw_flag =
      logs_command->add_flag("--raw", logs.raw, "the bytes as they are, also those that change a terminal");
  logs_command->add_flag("--json", logs.json, "for programs: an object a line")->excludes(raw_flag);
  name_hub(*logs_command, hub);
  std::string journal;
  auto* const journal_command =
      app.add_subcommand("journal", "look after the durable calls of a hub")->group("");
  journal_command->require_subcommand(1);
  auto const add_journal = [&](char const* name, char const* what) {
    auto* const command = journal_command->add_subcommand(name, what)->group("Subcommands");
    command->add_option("folder", journal, "the journal's")->required();
    return command;
  };
  auto* const check_command = add_journal(
      "check", "read all of it; exits with 6 where it is damaged, 7 where it is a later version's, 8 in use");
  std::string copy;
  auto* const backup_command = add_journal("backup", "copy it into a new folder, also while a hub writes it");
  backup_command->add_option("to", copy, "the folder of the copy, which is a journal")->required();
  auto* const compact_command = add_journal("compact", "give back the room of what no longer counts");
  auto* const export_command = add_journal(
      "export",
      "print what counts: record, kind, call, items, time in ms, bytes; of a damaged one what still reads");
  export_command->add_flag("--json", json, "for programs: an object a line, with the body in base64");
  auto* const launch_command = app.add_subcommand("launch", "show how workers are started elsewhere");
#if defined(YONDER_HAS_LAUNCH)
  std::string plan;
  launch_command->add_option("--print,file", plan, "the file (launch.toml): what would be run; nothing is");
#endif
  yonder::cli::kubernetes_pool pods;
  bool prints_pods = false;
  auto* const kubernetes_command =
      launch_command->add_subcommand("kubernetes", "manifests of workers that Kubernetes starts");
  kubernetes_command->add_flag("--print", prints_pods, "print them")->required();
  kubernetes_command->add_option("name", pods.name, "of the pool there; default: yonder-workers");
  kubernetes_command->add_option("--image", pods.image, "in which the program is")->required();
  kubernetes_command->add_option("--hub", pods.hub, "the hub's address, as pods see it")->required();
  kubernetes_command->add_option("--worker", pods.program,
                                 "the program there, and its arguments; default: /app");
  kubernetes_command->add_option("--from", pods.from,
                                 "the URL where pods fetch the program, which then is one of this machine");
  kubernetes_command->add_option("--pack", pods.pack, "the file to write for that URL");
  kubernetes_command
      ->add_option("--file", pods.files, "that travels with it; a folder with all that is in it")
      ->allow_extra_args(false);
  kubernetes_command->add_option("--fetcher", pods.fetcher,
                                 "the image that fetches it, with curl or wget; default: --image");
  kubernetes_command->add_option("--kind", pods.kind, "deployment (the default) or job");
  kubernetes_command->add_option("--scaler", pods.scaler, "keda (the default), hpa or none");
  kubernetes_command->add_option("--prometheus", pods.prometheus, "where KEDA asks");
  kubernetes_command->add_option("--query", pods.query, "what KEDA asks; default: sum(yonder_calls)");
  read_number(*kubernetes_command, "--gpus", pods.gpus, "of each pod");
  kubernetes_command->add_option("--cpu", pods.cpu, "of each pod: 2");
  kubernetes_command->add_option("--memory", pods.memory, "of each pod: 8Gi");
  read_number(*kubernetes_command, "--min", pods.min, "pods that stay although there are no calls");
  read_number(*kubernetes_command, "--max", pods.max, "pods at once");
  read_time(*kubernetes_command, "--window", pods.window, "without calls, before pods go; default: 5m");
  read_time(*kubernetes_command, "--grace", pods.grace, "from SIGTERM to SIGKILL; default: 60s");
  read_time(*kubernetes_command, "--lifetime", pods.lifetime, "of a job; default: 1h");
  auto* const calls_command =
      app.add_subcommand("calls", "list the calls of a hub, and the outcomes that it keeps")->group("");
  calls_command->add_flag("--json", json, "for programs: an array; times are in seconds");
  name_hub(*calls_command, hub);

  std::uint64_t schedule = 0;
  auto* const schedules_command =
      app.add_subcommand("schedules", "list the schedules that a hub keeps in its journal, or change one")
          ->group("");
  schedules_command->require_subcommand(0, 1);
  schedules_command->add_flag("--json", json, "for programs: an array; times are UTC");
  name_hub(*schedules_command, hub);
  for (auto const& [name, what] : {std::pair("pause", "make no calls of it, but by fire"),
                                   std::pair("resume", "make them again, without those that were missed"),
                                   std::pair("fire", "make a call of it now, besides"),
                                   std::pair("stop", "make no calls of it any more, and forget it")}) {
    auto* const command = schedules_command->add_subcommand(name, what)->group("Subcommands");
    command->add_option("id", schedule, "as it is listed")->required();
    name_hub(*command, hub);
  }

  auto* const doctor_command =
      app.add_subcommand("doctor", "say whether this machine's GPU will be used, and if not, what to type");
#if defined(YONDER_HAS_LAUNCH)
  yonder::cli::doctor_order examined;
  auto const* const host_option = doctor_command->add_option(
      "host", examined.host, "one that ssh reaches: whether a program would run there, and if not, why");
  doctor_command->add_option("--program", examined.program, "which; default: one like this command");
  doctor_command->add_option("--ssh", examined.ssh, "an option of ssh: --ssh=-p --ssh=2222");
  doctor_command->add_option("--cache", examined.cache, "there: the folder that it would be carried to");
  doctor_command->add_option("--hub", examined.hub, "tcp://host:port, as that host is to reach it")
      ->check(connects());
  doctor_command->add_flag("--gpu", examined.gpu, "it asks for a GPU");
  doctor_command->add_flag("--installed", examined.installed, "it is there already, and not carried");
#endif
  doctor_command->add_flag("--json", json, "for programs: an object; of a host an array");

  std::string shell;
  auto* const completion_command =
      app.add_subcommand("completion", "print what bash, or zsh, completes this command with")->group("");
  completion_command->add_option("shell", shell, "bash or zsh")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh"}));

#if defined(YONDER_HAS_ML)
  yonder::cli::texts_order texts;
  auto* const classify_command = add_texts(app, "classify", "say the label of each line", texts);
  classify_command->add_flag("--all", texts.all, "every label's score");
  auto* const embed_command = add_texts(app, "embed", "make a vector of each line", texts);
  embed_command->add_option_function<std::string>(
      "--prompt-name", [&](std::string const& name) { texts.prompt_name = name; },
      "which of the model's prompts stands before each line");
  auto* const rerank_command = add_texts(app, "rerank", "put the lines in order, by a query", texts);
  rerank_command->add_option("--most", texts.most, "so many of them; default: all");
  rerank_command->add_option_function<std::size_t>(
      "--overlap", [&](std::size_t tokens) { texts.overlap = tokens; },
      "read long lines in windows that share so many tokens, and take the best one; default: cut them");
#endif

#if defined(YONDER_HAS_HUB)
  std::string model;
  std::string cache;
  auto* const models_command = app.add_subcommand("models", "models of Hugging Face on this machine");
  models_command->require_subcommand(1);
  auto* const get_command =
      models_command->add_subcommand("get", "download a model, or what is missing of it");
  get_command->add_option("name", model, "ORG/NAME or ORG/NAME@REVISION")->required();
  get_command->add_option("--cache", cache,
                          "into this folder; default: HF_HUB_CACHE, or else HF_HOME/hub, …");
#endif

  // Last: what is added behind it would end with it, too.
  app.footer(
      "Besides: calls and schedules (list those of a hub), journal (look after its durable calls), keygen, "
      "completion"
#if defined(YONDER_HAS_ML)
      ",\nclassify, embed, rerank (what a model says of lines)"
#endif
      ".\n`yonder VERB --help` says more of each, and so does `man yonder`.");

  try {
    app.parse(argc, argv);
#if defined(YONDER_HAS_HUB)
    if (*get_command) return yonder::cli::get_model(model, cache);
#endif
    if (*kubernetes_command) {
      std::cout << yonder::cli::manifests_of(pods);
      return 0;
    }
#if defined(YONDER_HAS_LAUNCH)
    if (*launch_command && !plan.empty()) {
      std::cout << yonder::launch::dry_run(plan);
      return 0;
    }
#endif
    if (*launch_command)
      throw yonder::cli::usage_problem("yonder launch FILE, or yonder launch kubernetes --print");
#if defined(YONDER_HAS_ML)
    if (*classify_command) return yonder::cli::classify(texts);
    if (*embed_command) return yonder::cli::embed(texts);
    if (*rerank_command) return yonder::cli::rerank(texts);
#endif
#if defined(YONDER_HAS_LAUNCH)
    if (*doctor_command && host_option->count() != 0) {
      yonder::transport::take_fragment(examined.hub);  // a token is not for the host
      return yonder::cli::doctor(examined, json);
    }
#endif
    if (*doctor_command) return yonder::cli::doctor(json);
    if (*check_command) return yonder::cli::check_journal(journal);
    if (*backup_command) return yonder::cli::backup_journal(journal, copy);
    if (*compact_command) return yonder::cli::compact_journal(journal);
    if (*export_command) return yonder::cli::export_journal(journal, json);
    if (*keygen_command) keygen(folder);
    if (*calls_command) return yonder::cli::list_calls(hub, json);
    for (auto const* const changes : schedules_command->get_subcommands())
      return yonder::cli::change_schedule(hub, changes->get_name(), schedule);
    if (*schedules_command) return yonder::cli::list_schedules(hub, json);
    if (*ps_command && usage) return yonder::cli::list_usage(hub, json);
    if (*ps_command) return yonder::cli::list_all(hub, json, live);
    if (*explain_command) return yonder::cli::explain_call(hub, call, json);
    if (*logs_command) return yonder::cli::print_logs(hub, logs);
    if (*cancel_command) return yonder::cli::cancel_call(hub, call, json);
    if (*scale_command) return yonder::cli::scale_pool(hub, pool, size);
    if (*warm_command) return yonder::cli::warm_pool(hub, pool, count);
    if (*completion_command) {
      std::cout << (shell == "bash" ? yonder::cli::completion_for_bash(app)
                                    : yonder::cli::completion_for_zsh(app));
      return EXIT_SUCCESS;
    }
    if (*issue_command) return yonder::cli::issue_key(keys);
    if (*list_command) return yonder::cli::list_keys(keys);
    if (*revoke_command) return yonder::cli::revoke_key(keys);
    if (*worker_command) return yonder::cli::become_worker(endpoint, libraries);
    if (*hub_command) return yonder::cli::serve_hub(served);
    return EXIT_SUCCESS;
  } catch (CLI::RequiredError const& e) {
    auto const rest = app.remaining(true);
    if (!rest.empty())
      throw yonder::cli::usage_problem("there is no " +
                                       std::string(rest.front().starts_with('-') ? "option" : "verb") + " '" +
                                       rest.front() + "' here; --help lists what there is");
    app.exit(e);
    return yonder::cli::exit_usage;
  } catch (CLI::ParseError const& e) {
    return app.exit(e) == 0 ? EXIT_SUCCESS : yonder::cli::exit_usage;
  }
}

// What a script can tell apart.
int code_of(yonder::errc code) {
  switch (code) {
    case yonder::errc::hub_unreachable: return yonder::cli::exit_unreachable;
    case yonder::errc::unauthorized: return yonder::cli::exit_unauthorized;
    default: return yonder::cli::exit_failed;
  }
}

int told(std::exception const& error, int code) {
  yonder::cli::visible_lines shown;  // a stranger's words may be among them
  auto const text = shown.add(error.what());
  std::cerr << "yonder: " << text << shown.end() << "\n";
  return code;
}

}  // namespace

int main(int argc, char** argv) {
  if (yonder::is_worker()) yonder::cli::work(argc, argv);
  try {
    auto const words = take_arguments(argc, argv);
    std::vector<char const*> arguments;
    for (auto const& word : words) arguments.push_back(word.c_str());
    int const outcome = run(argc, arguments.data());
    yonder::cli::flush_output();
    return outcome;
  } catch (yonder::error const& e) {
    return told(e, code_of(e.code()));
  } catch (yonder::transport::setup_error const& e) {
    return told(e, code_of(e.code()));
  } catch (yonder::cli::usage_problem const& e) {
    return told(e, yonder::cli::exit_usage);
  } catch (std::exception const& e) {
    return told(e, yonder::cli::exit_failed);
  }
}
