// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

// `yonder journal`: what is done with a journal, which, but for a backup, no hub has open.
namespace yonder::cli {

// They return what the command ends with: 0, exit_damaged, exit_newer (a later version wrote it), exit_in_use
// (a process has it open), or exit_failed. Why stands on stderr.
int check_journal(std::string const& folder);
// A hub may have it open. `to`: is made.
int backup_journal(std::string const& folder, std::string const& to);
int compact_journal(std::string const& folder);
// The records that count, a line each; `json`: an object a line, with the body in base64.
int export_journal(std::string const& folder, bool json);

}  // namespace yonder::cli
