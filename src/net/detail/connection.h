// One accepted socket, from first byte to close. All of it runs on the server's input/output
// thread; the handler's thread is reached only through Exchange.
//
//   idle      between requests; the peer's first byte, its leaving or the idle deadline ends it
//   header    from the first byte to the empty line; header_deadline
//   body      up to the last byte of the body; body_deadline
//   handling  the handler works and answers; bytes flow out; write_deadline while the peer takes
//   none closing   a last answer leaves, then what the peer still sends is thrown away for a short
//   while, so
//             that it can read that answer; then the socket closes
//   closed    nothing is pending but perhaps a handler that has not yet noticed
#pragma once

// clang-format off: it comes before Boost.
#include "net/detail/asio_config.h"
// clang-format on

#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "net/detail/exchange.h"
#include "net/detail/handler_pool.h"
#include "net/http_server.h"

namespace panal::net::detail {

using StreamSocket = boost::asio::generic::stream_protocol::socket;

/// What every connection of a server shares. Outlives them.
struct ConnectionContext {
  const HttpServerOptions& options;
  const HttpHandler& handler;
  HandlerPool& pool;
  std::function<void(std::uint64_t id)> on_closed;  // On the input/output thread, once.
  bool is_draining = false;                         // Input/output thread only.
};

// Shared by its own pending callbacks and by the server's list of connections.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(std::uint64_t id, StreamSocket socket, ConnectionContext& context);

  void start();
  /// Closes at once when idle; a request that is being read or answered goes on, as the last one.
  void drain();
  /// Cuts the peer off and tells the handler.
  void cut_off();

 private:
  using ErrorCode = boost::system::error_code;
  using Parser = boost::beast::http::request_parser<boost::beast::http::string_body>;
  enum class Phase { kIdle, kHeader, kBody, kHandling, kClosing, kClosed };

  void begin_request();
  void watch();
  void on_watched(ErrorCode error, std::size_t num_bytes);
  void read_header();
  void on_header(ErrorCode error);
  void read_body();
  void read_failed(ErrorCode error);
  void dispatch();
  void run_handler(const std::shared_ptr<Exchange>& exchange);
  void flush();
  void send_some();
  void on_sent(ErrorCode error, std::size_t num_bytes);
  void answered();
  void reply(int status, std::string_view message, bool keep_alive, const HttpHeaders& extra = {});
  void linger();
  void discard_more();
  void arm(std::chrono::milliseconds duration);
  void disarm();
  void on_deadline();
  void peer_is_gone();
  void close();

  const std::uint64_t id_;
  ConnectionContext& context_;
  StreamSocket socket_;
  boost::asio::steady_timer deadline_;
  boost::beast::flat_buffer buffer_;
  std::optional<Parser> parser_;
  Phase phase_ = Phase::kIdle;
  std::shared_ptr<Exchange> exchange_;  // Also held by the handler's job.
  std::string outgoing_;
  std::size_t sent_bytes_ = 0;
  std::uint64_t discarded_bytes_ = 0;
  bool keep_alive_ = false;  // After a reply the server made itself.
  bool is_reading_ = false;
  bool is_sending_ = false;
  bool has_timed_out_ = false;
  bool has_reported_close_ = false;
};

}  // namespace panal::net::detail
