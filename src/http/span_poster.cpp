// SPDX-License-Identifier: Apache-2.0
#include "src/http/span_poster.hpp"

#include "src/http/client.hpp"
#include "yonder/error.hpp"

namespace yonder::http {
namespace {

class otlp_poster final : public span_poster {
 public:
  otlp_poster(url to, poster_options const& how)
      : to_(std::move(to)), fields_(how.fields), patience_(how.patience) {
    fields_.emplace_back("Content-Type", "application/json");
  }

  // Which may be sent again: OpenTelemetry Protocol, "OTLP/HTTP Response".
  fate post(std::string const& body, std::string& why) override try {
    auto const status = http_post(to_, fields_, body, patience_).status;
    if (status >= 200 && status < 300) return fate::taken;
    why = to_.origin() + to_.target + " answers " + std::to_string(status);
    return status == 429 || (status >= 502 && status <= 504) ? fate::later : fate::refused;
  } catch (connection_lost const& error) {
    why = error.what();
    return fate::later;
  } catch (std::exception const& error) {
    why = error.what();
    return fate::refused;
  }

 private:
  url to_;
  http_fields fields_;
  std::chrono::milliseconds patience_;
};

}  // namespace

std::unique_ptr<span_poster> make_span_poster(poster_options const& how) {
  if (auto to = parse_url(how.endpoint)) return std::make_unique<otlp_poster>(std::move(*to), how);
  yonder::detail::throw_error(
      {.code = errc::bad_configuration,
       .message = how.named_by + " is no address; expected http://host:port, of OTLP/HTTP"});
}

}  // namespace yonder::http
