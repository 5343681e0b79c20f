// SPDX-License-Identifier: Apache-2.0
#pragma once

// Everything but the models: tasks, their calls, and the runtime.
#include "yonder/detail/export.hpp"

#include "yonder/batched.hpp"
#include "yonder/call.hpp"
#include "yonder/callback.hpp"
#include "yonder/error.hpp"
#include "yonder/exception.hpp"
#include "yonder/expected.hpp"
#include "yonder/find.hpp"
#include "yonder/generator.hpp"
#include "yonder/map.hpp"
#include "yonder/options.hpp"
#include "yonder/ref.hpp"
#include "yonder/runtime.hpp"
#include "yonder/schema.hpp"
#include "yonder/service.hpp"
#include "yonder/stream.hpp"
#include "yonder/task.hpp"
#include "yonder/this_call.hpp"
#include "yonder/version.hpp"
#include "yonder/when.hpp"
