// One accepted socket, from first byte to close. All of it runs on the server's input/output
// thread; whoever answers is reached only through Exchange.
//
//   idle      between requests; the peer's first byte, its leaving or the idle deadline ends it
//   header    from the first byte to the empty line; header_deadline
//   body      up to the last byte of the body; body_deadline
//   handling  somebody works on the answer; bytes flow out; write_deadline while the peer takes
//             none. A peer that ended its sending half is answered; one that left is noticed
//   closing   a last answer leaves, then what the peer still sends is thrown away for a short
//             while, so that it can read that answer; then the socket closes
//   closed    nothing is pending; the exchange, if any, knows that its peer is gone
#pragma once

// clang-format off: it comes before Boost.
#include "net/detail/asio_config.h"
// clang-format on

#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
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
#include "net/http_server.h"
#include "net/thread_pool.h"

namespace panal::net::detail {

using StreamSocket = boost::asio::generic::stream_protocol::socket;

/// What every connection of a server shares. Outlives them.
struct ConnectionContext {
  const HttpServerOptions& options;
  const HttpHandler& handler;
  ThreadPool& pool;
  Clock& clock;
  // Shared with every exchange: its writer may outlive the server and still has a place to call.
  const std::shared_ptr<boost::asio::io_context>& io;
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
  /// Cuts the peer off and tells whoever answers.
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
  void peer_ended_sending();
  void look_for_peer(std::chrono::milliseconds pause);
  void flush();
  void look_at_answer();
  void wait_in_silence();
  void send_some();
  void on_sent(ErrorCode error, std::size_t num_bytes);
  void answered();
  void say_goodbye();
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
  std::uint64_t num_armed_ = 0;         // Tells a deadline that went off from a newer one.
  boost::asio::steady_timer silence_;   // When an answer that pauses is filled.
  boost::asio::steady_timer presence_;  // When to look again whether a silent peer is still there.
  boost::beast::flat_buffer buffer_;
  std::optional<Parser> parser_;
  Phase phase_ = Phase::kIdle;
  std::shared_ptr<Exchange> exchange_;  // Also held by its writers.
  HttpHeaders request_headers_;         // Of the request being read or answered.
  std::string outgoing_;
  std::size_t sent_bytes_ = 0;
  std::uint64_t discarded_bytes_ = 0;
  bool keep_alive_ = false;  // After a reply the server made itself.
  bool is_reading_ = false;
  bool is_sending_ = false;
  bool has_peer_ended_ = false;  // It will send nothing more.
  bool has_timed_out_ = false;
  bool has_reported_close_ = false;
};

}  // namespace panal::net::detail
