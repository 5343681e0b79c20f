// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/transports/keys_conformance.hpp"
#include "tests/unit/transports/socket_ways.hpp"

using yonder::testing::tls_way;
TYPE_TO_STRING(tls_way);

namespace yonder::testing {
YONDER_TEST_KEYS(tls_way);
}
