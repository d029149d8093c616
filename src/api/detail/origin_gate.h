// Who may ask through a browser. A page elsewhere must not reach this server by a name that it
// points at this machine (Host), nor by a request that it makes from its visitor's browser
// (Origin). What is let in may also read the answers: that is what CORS headers say.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/api_error.h"
#include "net/http_message.h"

namespace panal::api::detail {

/// Immutable, so thread-safe.
class OriginGate {
 public:
  /// Names besides localhost, 127.0.0.1 and [::1], without a port; "*" accepts all.
  explicit OriginGate(std::vector<std::string> allowed_hosts)
      : allowed_hosts_(std::move(allowed_hosts)) {}

  /// Nothing, or why a request with these headers is refused (403).
  std::optional<ApiError> refusal(const net::HttpHeaders& request) const;
  /// The headers of every answer to such a request: "Vary: Origin", and for a page that is let in
  /// the permission to read status, body and our own headers.
  net::HttpHeaders headers(const net::HttpHeaders& request) const;
  /// The further headers of an answer to a preflight: methods, header names, private networks.
  static net::HttpHeaders preflight_headers(const net::HttpHeaders& request,
                                            std::string_view methods);

 private:
  bool lets_in(std::string_view host) const;
  const std::vector<std::string> allowed_hosts_;
};

}  // namespace panal::api::detail
