// An HTTP/1.1 client for one exchange at a time: blocking for the caller, with deadlines, and
// cancelled by a stop token at once: the socket closes, so that the server sees it and stops its
// work too.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/result.h"
#include "net/http_message.h"

namespace panal::net {

struct ClientRequest {
  std::string method = "GET";
  std::string target = "/";
  HttpHeaders headers = {};  // Host, Content-Length and Connection are added.
  std::string body = {};
};

struct ClientOptions {
  std::chrono::milliseconds connect_deadline{5'000};
  std::chrono::milliseconds idle_deadline{60'000};  // Without a byte sent or received.
  std::chrono::milliseconds total_deadline{0};      // For the whole exchange; 0: none.
  std::size_t max_body_bytes = 64 * 1024 * 1024;    // Of a collected body.
  std::size_t max_header_bytes = 64 * 1024;
};

struct ClientResponse {
  int status = 0;
  HttpHeaders headers;
  std::string body;  // Empty after stream().

  std::optional<std::string_view> header(std::string_view name) const {
    return find_header(headers, name);
  }
};

/// Immutable, so thread-safe: every call opens its own connection and closes it.
/// Errors of both calls: kUnavailable (refused, no such socket, closed too early),
/// kDeadlineExceeded, kCancelled (stop requested, or the callback said no), kResourceExhausted
/// (body over its bound), kCorrupt (not HTTP). A status of 400 or 500 is an answer, not an error.
class HttpClient {
 public:
  using ChunkCallback = std::function<bool(std::string_view chunk)>;
  using HeadCallback = std::function<bool(const ClientResponse& head)>;

  explicit HttpClient(Endpoint endpoint, ClientOptions options = {});

  /// The answer with its body collected.
  Result<ClientResponse> request(const ClientRequest& request, std::stop_token stop = {}) const;
  /// The body goes to `on_chunk` as it arrives, on the calling thread, chopped anywhere; returning
  /// false ends the exchange (kCancelled). A status of 400 and more is collected into the body
  /// instead, so that the caller can read the error. `on_head`, when set, sees status and headers
  /// first.
  Result<ClientResponse> stream(const ClientRequest& request, const ChunkCallback& on_chunk,
                                std::stop_token stop = {}, const HeadCallback& on_head = {}) const;

  const Endpoint& endpoint() const { return endpoint_; }

 private:
  const Endpoint endpoint_;
  const ClientOptions options_;
};

}  // namespace panal::net
