// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace yonder::cli {

// yonder doctor: its first line says whether this machine's GPU will be used, and if not, what to type; then
// what was seen. Returns the exit status: 0 if so, else 1.
int doctor();

}  // namespace yonder::cli
