// SPDX-License-Identifier: Apache-2.0
// Included before all else: macros that some programs have, after the standard library's headers, which do
// not bear them.
#pragma once
#include <bits/stdc++.h>

// Windows' and old code's, and Qt's keywords.
#define min(a, b) (((a) < (b)) ? (a) : (b))
#define max(a, b) (((a) > (b)) ? (a) : (b))
#define signals public
#define slots
#define emit
#define foreach(variable, container) for (variable : container)
#define forever for (;;)
