// SPDX-License-Identifier: Apache-2.0
// expect: differently; state one: yonder::task<f,
#include "headers/lambda.hpp"

int use() { return header::twice.remote(1) + header::twice.spawn(2).get(); }
