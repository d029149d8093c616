// An HTTP/1.1 server: TCP or a unix socket. One thread does all input and output. A handler gets a
// request and a writer, and may return before the answer is written: an answer that waits for
// somebody else costs a buffer, not a thread. Handlers run on a bounded pool, so one that does
// block holds up neither the input and output nor, soon, the others.
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
#include "base/timing.h"
#include "net/http_message.h"

namespace panal::net {

namespace detail {
class Exchange;
class ServerCore;
}  // namespace detail

/// An answer on its way: once with send(), or piece by piece with begin(), write()..., end().
/// Shared by whoever works on the answer, and safe from any thread, also after the server is gone;
/// pieces leave in the order of the calls. Nothing here waits, except wait_for_room(), and nothing
/// throws because of the peer. When the last holder lets go without an end, the peer gets status
/// 500, or, when the answer had begun, a connection that is cut, so that it sees that it has not
/// everything.
class ResponseWriter {
 public:
  explicit ResponseWriter(std::shared_ptr<detail::Exchange> exchange);
  ~ResponseWriter();
  ResponseWriter(const ResponseWriter&) = delete;
  ResponseWriter& operator=(const ResponseWriter&) = delete;

  /// The whole answer. Content-Length, Date and Connection are added; a HEAD request gets no body.
  /// Returns false when the peer is gone, or has an answer already. Bytes leave in the background.
  bool send(int status, const HttpHeaders& headers, std::string_view body);
  /// Starts an answer of unknown length (chunked). Returns false as send() does.
  bool begin(int status, const HttpHeaders& headers);
  /// Queues one piece. Returns false when the peer is gone: it closed or reset the connection, took
  /// nothing for `write_deadline`, or let more than `max_outgoing_bytes` wait.
  bool write(std::string_view chunk);
  /// Ends an answer that begin() started.
  bool end();
  /// From now on, whenever nothing was written for `silence`, `filler` is written, until the end:
  /// what reads the stream must ignore it. It shows a waiting peer that somebody is there, and us
  /// that the peer is. 0 ends it. After begin(); the server's input/output thread does it.
  void fill_silence(std::chrono::milliseconds silence, std::string filler);
  /// True after send() or begin(): the status can no longer change.
  bool has_begun() const;

  /// Whether less than `outgoing_bytes` wait: for producers that can be faster than their reader.
  bool has_room() const;
  /// Calls `then` once, as soon as there is room or the peer is gone: at once on this thread, or
  /// later on the server's input/output thread, which it must not block.
  void when_room(std::function<void()> then);
  /// Waits for that, on a thread of the caller's own. Returns false when the peer is gone.
  bool wait_for_room();

  /// Becomes requested when the peer is gone, also while nothing is written, or when the server
  /// stops for good. A peer that closed only its sending half is still there. Callbacks run on the
  /// server's input/output thread: keep them short, never block.
  std::stop_token client_gone() const;

 private:
  // Shared by the writer and the connection's callbacks on the input/output thread.
  std::shared_ptr<detail::Exchange> exchange_;
};

/// Runs on a pool thread. The request lives as long as the writer; whoever answers later keeps the
/// writer. What a handler throws becomes status 500 with a generic body and a log line.
using HttpHandler =
    std::function<void(const HttpRequest& request, const std::shared_ptr<ResponseWriter>& writer)>;

struct HttpErrorBody {
  HttpHeaders headers;  // Content-Type, and what else the answer needs.
  std::string body;
};
/// Writes the errors that the server itself finds: 400, 408, 413, 431, 500, 503. The request's
/// headers are empty when none could be read.
using HttpErrorFormatter = std::function<HttpErrorBody(int status, std::string_view message,
                                                       const HttpHeaders& request_headers)>;

struct HttpServerOptions {
  std::string address = "127.0.0.1";
  std::uint16_t port = 0;      // 0: any free one, see HttpServer::port().
  std::string unix_path = {};  // When set, listens there (mode 0600) and not on TCP.

  std::size_t max_handler_threads = 16;     // Started when needed.
  std::size_t max_waiting_requests = 1024;  // For such a thread; more get 503 with Retry-After.
  std::size_t max_connections = 4096;       // More get 503 and are closed.
  std::size_t max_header_bytes = 16 * 1024;
  std::uint64_t max_body_bytes = 10 * 1024 * 1024;
  std::size_t outgoing_bytes = 256 * 1024;  // Per connection: over it has_room() is false.
  std::size_t max_outgoing_bytes = 16 * 1024 * 1024;  // Over it the peer is given up.

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
  /// Listens and serves from now on. The clock, which writes the Date header, outlives the server
  /// and every writer. Errors: kConflict when the port or socket is in use (says which, and what to
  /// do), kInvalidArgument for an address or path that cannot be, kUnavailable for the rest.
  static Result<std::unique_ptr<HttpServer>> start(HttpServerOptions options, HttpHandler handler,
                                                   Clock& clock = system_clock());
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  /// The TCP port that was bound; 0 on a unix socket.
  std::uint16_t port() const;
  Endpoint endpoint() const;
  std::size_t num_running_handlers() const;
  std::size_t num_connections() const;

  /// Closes the gate, lets open answers end for up to `drain`, then cuts them off and tells their
  /// writers client_gone(), joins. Waits for handlers that do not return, so call it from
  /// no handler. Further calls do nothing.
  void stop(std::chrono::milliseconds drain);

 private:
  explicit HttpServer(std::unique_ptr<detail::ServerCore> core);
  std::unique_ptr<detail::ServerCore> core_;
};

}  // namespace panal::net
