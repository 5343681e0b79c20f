// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

// `yonder journal`: what is done with a journal that no hub has open.
namespace yonder::cli {

// Exit codes of all three: 0, 2 where it is damaged, 3 where a later version wrote it, 4 where a process has
// it open, 1 for anything else. Why stands on stderr.
int check_journal(std::string const& folder);
int compact_journal(std::string const& folder);
// The records that count, a line each; `json`: an object a line, with the body in base64.
int export_journal(std::string const& folder, bool json);

}  // namespace yonder::cli
