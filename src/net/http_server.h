// An HTTP/1.1 server for one machine: TCP on loopback or a unix socket. One thread does all input
// and output; handlers are ordinary blocking functions on a bounded pool, so that a slow peer costs
// a buffer and never a thread that others wait for, and a peer that leaves is seen at once, even by
// a handler that is silent.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/result.h"
#include "net/http_message.h"

namespace panal::net {

namespace detail {
class Exchange;
class ServerCore;
}  // namespace detail

/// How a handler answers: once with send(), or piece by piece with begin(), write()..., end().
/// Used by one thread at a time. Nothing here throws because of the peer.
class ResponseWriter {
 public:
  explicit ResponseWriter(std::shared_ptr<detail::Exchange> exchange);
  ResponseWriter(const ResponseWriter&) = delete;
  ResponseWriter& operator=(const ResponseWriter&) = delete;

  /// The whole answer. Content-Length, Date and Connection are added; a HEAD request gets no body.
  /// Returns false when the peer is gone. Bytes leave in the background.
  bool send(int status, const HttpHeaders& headers, std::string_view body);
  /// Starts an answer of unknown length (chunked). Returns false when the peer is gone.
  bool begin(int status, const HttpHeaders& headers);
  /// Queues one piece and returns at once while less than HttpServerOptions::outgoing_bytes wait;
  /// else waits for the peer. Returns false when the peer is gone or has read nothing for
  /// `write_deadline`.
  bool write(std::string_view chunk);
  /// Ends an answer that begin() started. A handler that returns without it has it called.
  bool end();
  /// True after send() or begin(): the status can no longer change.
  bool has_begun() const;

  /// Becomes requested as soon as the peer closes or resets the connection (closing only its
  /// sending half counts too), also while the handler writes nothing, and when the server stops for
  /// good. Callbacks on it run on the server's input/output thread: keep them short, never block.
  std::stop_token client_gone() const;

 private:
  // Shared by the handler's writer and the connection's callbacks on the input/output thread.
  std::shared_ptr<detail::Exchange> exchange_;
};

/// Runs on a pool thread; may block. What it throws becomes status 500 with a generic body and a
/// log line; when the answer had begun, the connection is cut so that the peer sees it is not
/// whole.
using HttpHandler = std::function<void(const HttpRequest&, ResponseWriter&)>;

struct HttpErrorBody {
  std::string content_type;
  std::string body;
};
/// Makes the body for errors the server itself finds: 400, 408, 413, 431, 500, 503.
using HttpErrorFormatter = std::function<HttpErrorBody(int status, std::string_view message)>;

struct HttpServerOptions {
  std::string address = "127.0.0.1";
  std::uint16_t port = 0;      // 0: any free one, see HttpServer::port().
  std::string unix_path = {};  // When set, listens there (mode 0600) and not on TCP.

  std::size_t max_concurrent_handlers = 64;  // More get 503 with Retry-After.
  std::size_t max_connections = 1024;        // More get 503 and are closed.
  std::size_t max_header_bytes = 16 * 1024;
  std::uint64_t max_body_bytes = 10 * 1024 * 1024;
  std::size_t outgoing_bytes = 256 * 1024;  // Per connection, before write() waits.

  std::chrono::milliseconds header_deadline{
      10'000};  // From a request's first byte to its last header.
  std::chrono::milliseconds body_deadline{60'000};   // For the whole body.
  std::chrono::milliseconds idle_deadline{75'000};   // Between requests.
  std::chrono::milliseconds write_deadline{30'000};  // Without the peer taking a byte.
  std::chrono::milliseconds drain_deadline{5'000};   // What the destructor gives running requests.

  HttpErrorFormatter format_error = {};  // Unset: {"error":{"message":...}} as application/json.
};

/// Thread-safe. The destructor stops.
class HttpServer {
 public:
  /// Listens and serves from now on. Errors: kConflict when the port or socket is in use (says
  /// which, and what to do), kInvalidArgument for an address or path that cannot be, kUnavailable
  /// for the rest.
  static Result<std::unique_ptr<HttpServer>> start(HttpServerOptions options, HttpHandler handler);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  /// The TCP port that was bound; 0 on a unix socket.
  std::uint16_t port() const;
  Endpoint endpoint() const;
  std::size_t num_running_handlers() const;
  std::size_t num_connections() const;

  /// Closes the gate, lets running requests end for up to `drain`, then tells them client_gone()
  /// and cuts them off, joins. Waits for handlers that do not return, so call it from
  /// no handler. Further calls do nothing.
  void stop(std::chrono::milliseconds drain);

 private:
  explicit HttpServer(std::unique_ptr<detail::ServerCore> core);
  std::unique_ptr<detail::ServerCore> core_;
};

}  // namespace panal::net
