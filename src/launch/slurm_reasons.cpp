// SPDX-License-Identifier: Apache-2.0
#include "src/launch/slurm_reasons.hpp"

#include <array>

namespace yonder::launch {
namespace {

struct known_reason {
  std::string_view word;
  bool is_hopeless;
  std::string_view to_do;  // "ID" stands for the job's number
};

// Of squeue(1), "JOB REASON CODES", and src/common/slurm_protocol_defs.c of SLURM 22.05.
constexpr std::array<known_reason, 15> known_reasons{{
    {"PartitionTimeLimit", true,
     "`time` is longer than its partition allows: say less, or another `partition` (sinfo -o '%P %l')"},
    {"PartitionNodeLimit", true, "its partition takes no jobs of one node: say another `partition`"},
    {"PartitionConfig", true, "its partition takes no such jobs: say another `partition`"},
    {"AccountNotAllowed", true,
     "say another `account` (sacctmgr show associations user=$USER), or another `partition`"},
    {"InvalidAccount", true, "say another `account` (sacctmgr show associations user=$USER)"},
    {"QOSNotAllowed", true, "say another --qos in `extra`, or another `partition`"},
    {"InvalidQOS", true, "say another --qos in `extra`"},
    {"BadConstraints", true,
     "no node has what it asks for: see `gres`, `extra`, and what tasks need (sinfo -o '%P %G %c %m %f')"},
    {"DependencyNeverSatisfied", true, "what it depends on has failed: see `extra`"},
    {"JobHeldUser", false, "it is held, for which `extra` may have asked: scontrol release ID"},
    {"JobHeldAdmin", false, "an administrator holds it: ask them (scontrol show job ID)"},
    {"JobHoldMaxRequeue", false, "it was started too often, and is held: scontrol release ID"},
    {"PartitionDown", false, "its partition starts no jobs now: wait, or say another `partition` (sinfo)"},
    {"PartitionInactive", false, "its partition takes no jobs now: wait, or say another `partition` (sinfo)"},
    {"ReqNodeNotAvail", false,
     "its nodes are down or reserved: a shorter `time` may end before a maintenance; sinfo -R and scontrol "
     "show reservation say more"},
}};

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

std::string with_job(std::string_view text, std::string const& job) {
  std::string made(text);
  if (auto const at = made.find("ID"); at != std::string::npos) made.replace(at, 2, job);
  return made;
}

}  // namespace

slurm_wait meaning_of(std::string_view reason, std::string const& job) {
  auto const word = reason.substr(0, reason.find(','));
  for (auto const& one : known_reasons)
    if (one.word == word) return {one.is_hopeless, with_job(one.to_do, job), word == "ReqNodeNotAvail"};
  // "Nodes_required_for_job_are_DOWN,_DRAINED_or_reserved_for_jobs_in_higher_priority_partitions", which
  // later versions print with blanks.
  if (reason.starts_with("Nodes")) return {false, "its nodes are down, drained or reserved (sinfo -R)", true};
  auto const is_limit = word.starts_with("Assoc") || word.starts_with("QOS");
  if (word == "AssociationTimeLimit" ||
      (is_limit && (contains(word, "PerJob") || contains(word, "PerNode") || contains(word, "WallDuration"))))
    return {true,
            "one job asks for more than your account or QOS allows it: less `time`, `gres` or `workers`"};
  if (word.starts_with("QOSMin"))
    return {true, "one job asks for less than your QOS wants: say another --qos in `extra`"};
  if (is_limit)
    return {false,
            "other jobs use up what your account or QOS allows (sacctmgr show associations, show qos)"};
  return {};
}

}  // namespace yonder::launch
