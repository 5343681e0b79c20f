// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace yonder {

// Where a hub of the runtime's own tells when what happened to calls: a span for each call, for the time in
// which it waits for a worker, and for each attempt, with its way to the worker and its run.
struct trace_options {
  // OTLP/HTTP with JSON: "http://localhost:4318", of which /v1/traces is asked; yonder::http has to be
  // linked. Empty: $OTEL_EXPORTER_OTLP_TRACES_ENDPOINT or $OTEL_EXPORTER_OTLP_ENDPOINT, as OpenTelemetry has
  // them; none: nowhere.
  std::string endpoint{};

  // A file that Perfetto and chrome://tracing open, which is written anew. Empty: $YONDER_TRACE_FILE; none:
  // nowhere.
  std::string file{};
};

}  // namespace yonder
