// The words of HTTP that server and client share: headers, requests, and where a server listens.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace panal::net {

/// Names are compared without regard to case; order and duplicates are kept.
using HttpHeaders = std::vector<std::pair<std::string, std::string>>;

/// The first value of `name`, or nothing.
std::optional<std::string_view> find_header(const HttpHeaders& headers, std::string_view name);

struct HttpRequest {
  std::string method;  // "GET", upper case as sent.
  std::string target;  // As sent: "/v1/models?limit=3".
  std::string path;    // The target up to '?', percent signs decoded: "/v1/models".
  std::string query;   // What follows '?', as sent.
  HttpHeaders headers;
  std::string body;

  std::optional<std::string_view> header(std::string_view name) const {
    return find_header(headers, name);
  }
};

/// Where a server is: a unix socket when `unix_path` is set, else host and port.
struct Endpoint {
  std::string unix_path;
  std::string host;
  std::uint16_t port = 0;

  static Endpoint unix_socket(std::string path) { return {std::move(path), "", 0}; }
  static Endpoint tcp(std::string host, std::uint16_t port) { return {"", std::move(host), port}; }
  /// "unix:/run/x.sock" or "http://127.0.0.1:7070", for messages.
  std::string shown() const;
};

/// Reads "http://host", "http://host:port", "http://[::1]:port" or "unix:/path/of/socket".
/// A path after the port may only be "/". Errors: kInvalidArgument; kUnsupported for https.
Result<Endpoint> parse_endpoint(std::string_view text);

/// "Not Found" for 404; "Unknown" for a number nobody knows.
std::string_view status_reason(int status);

}  // namespace panal::net
