// An HTTP/1.1 client. Connections are kept and used again. A call either waits on its own thread,
// or leaves its answer to callbacks on one thread of the client, however many answers are open.
// Cancelled by a stop token at once: the socket closes, so that the server sees it and stops its
// work too.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/timing.h"
#include "net/http_message.h"

namespace panal::net {

struct ClientRequest {
  std::string method = "GET";
  std::string target = "/";
  HttpHeaders headers = {};  // Host and Content-Length are added.
  std::string body = {};
};

struct ClientOptions {
  std::chrono::milliseconds connect_deadline{5'000};
  std::chrono::milliseconds idle_deadline{60'000};  // Without a byte sent or received.
  std::chrono::milliseconds total_deadline{0};      // For the whole exchange; 0: none.
  std::size_t max_body_bytes = 64 * 1024 * 1024;    // Of a collected body.
  std::size_t max_header_bytes = 64 * 1024;
  std::size_t max_kept_connections = 64;            // Idle ones; 0: each call has its own.
  std::chrono::milliseconds keep_deadline{50'000};  // Less than servers keep them (ours: 75 s).
};

struct ClientResponse {
  int status = 0;
  HttpHeaders headers;
  std::string body;  // Empty when it went to on_chunk.

  std::optional<std::string_view> header(std::string_view name) const {
    return find_header(headers, name);
  }
};

/// Thread-safe. All calls share the kept connections. One that the server closed meanwhile is
/// noticed before anything is sent on it; if it closes at that very moment, the request is sent
/// once more on a new connection, unless a first copy may have had an effect already (a method
/// other than GET and HEAD of which anything had left). Errors of all calls: kUnavailable (refused,
/// no such socket, closed too early), kDeadlineExceeded, kCancelled (stop requested, or the
/// callback said no), kResourceExhausted (body over its bound), kCorrupt (not HTTP). A status of
/// 400 or 500 is an answer, not an error.
class HttpClient {
 public:
  using ChunkCallback = std::function<bool(std::string_view chunk)>;
  using HeadCallback = std::function<bool(const ClientResponse& head)>;
  using DoneCallback = std::function<void(Result<ClientResponse> outcome)>;

  /// The clock, which tells how long a connection was idle, must outlive the client.
  explicit HttpClient(Endpoint endpoint, ClientOptions options = {}, Clock& clock = system_clock());
  /// Ends what start() began with kCancelled, and waits for its callbacks. No callback may destroy
  /// the client.
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  /// The answer with its body collected.
  Result<ClientResponse> request(const ClientRequest& request, std::stop_token stop = {}) const;
  /// The body goes to `on_chunk` as it arrives, on the calling thread, chopped anywhere; returning
  /// false ends the exchange (kCancelled). A status of 400 and more is collected into the body
  /// instead, so that the caller can read the error. `on_head`, when set, sees status and headers
  /// first.
  Result<ClientResponse> stream(const ClientRequest& request, const ChunkCallback& on_chunk,
                                std::stop_token stop = {}, const HeadCallback& on_head = {}) const;

  /// What start() calls: one at a time, on the client's one thread, so each must return soon and
  /// never wait. They may start() further requests.
  struct Callbacks {
    HeadCallback on_head = {};    // May be empty.
    ChunkCallback on_chunk = {};  // As in stream(); empty: the body is collected.
    DoneCallback on_done;         // Exactly once, last, also after a cancel. Required.
  };
  /// Begins an exchange and returns at once: an open answer costs a socket and a buffer.
  void start(ClientRequest request, Callbacks callbacks, std::stop_token stop = {}) const;

  const Endpoint& endpoint() const;

 private:
  struct Parts;
  const std::unique_ptr<Parts> parts_;
};

}  // namespace panal::net
