// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <yonder/yonder.hpp>

int twice(int number);
int call_twice(yonder::runtime& where);
