// One request and its answer on an event loop: one socket, two timers, one step after the other.
// Everything runs on the loop's thread but the constructor and cancel(), which leaves a message.
//
//   connecting  a kept connection, else each address in turn; connect_deadline
//   sending     the request leaves while the answer is already awaited: a server may refuse a large
//               body before it has all of it
//   reading     status and headers, then the body piece by piece; idle_deadline
//   over        on_done was called; the connection is kept or closed
#pragma once

// clang-format off: it comes before Boost.
#include "net/detail/asio_config.h"
// clang-format on

#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "net/detail/kept_connections.h"
#include "net/http_client.h"

namespace panal::net::detail {

/// What all exchanges of a client share. Outlives them.
struct ClientContext {
  const Endpoint endpoint;
  const ClientOptions options;
  KeptConnections kept;
};

// Shared by its own pending callbacks and by whoever may have to cancel it.
class ClientExchange : public std::enable_shared_from_this<ClientExchange> {
 public:
  /// The request is shared, because a caller that waits keeps its own.
  ClientExchange(boost::asio::io_context& io, ClientContext& context,
                 std::shared_ptr<const ClientRequest> request, HttpClient::Callbacks callbacks);

  /// On the loop's thread, or before the loop runs. `stop` cancels from any thread.
  void begin(std::stop_token stop);
  /// On the loop's thread.
  void give_up(Status reason);
  Status cancelled() const;

 private:
  using ErrorCode = boost::system::error_code;
  using Socket = boost::asio::generic::stream_protocol::socket;
  using RawEndpoint = boost::asio::generic::stream_protocol::endpoint;
  using Parser = boost::beast::http::response_parser<boost::beast::http::buffer_body>;

  void connect();
  void find_endpoints();
  void connect_next();
  void connect_to_unix(const RawEndpoint& candidate);
  bool take_kept();
  bool open_socket(const RawEndpoint& candidate);
  void send();
  void send_some();
  void read_header();
  void take_head();
  void read_body();
  bool take_chunk(std::string_view chunk);
  bool may_send_again() const;
  void fail(const ErrorCode& error);
  void arm(std::chrono::milliseconds duration, std::string_view doing);
  void finish(Result<ClientResponse> outcome, bool may_keep);
  void release_connection(bool may_keep);

  boost::asio::io_context& io_;
  ClientContext& context_;
  const std::shared_ptr<const ClientRequest> request_;
  HttpClient::Callbacks callbacks_;
  Socket socket_;
  boost::asio::steady_timer idle_timer_;
  boost::asio::steady_timer total_timer_;
  boost::asio::steady_timer pause_;  // Before a crowded unix socket is tried again.
  std::uint64_t num_armed_ = 0;      // Tells a deadline that went off from a newer one.
  boost::asio::ip::tcp::resolver resolver_;
  std::optional<std::stop_callback<std::function<void()>>> on_stop_;
  std::deque<RawEndpoint> candidates_;
  std::string_view doing_;
  std::string outgoing_;
  std::size_t sent_bytes_ = 0;
  boost::beast::flat_buffer buffer_;
  std::optional<Parser> parser_;
  std::vector<char> chunk_;
  ClientResponse response_;
  int family_ = 0;
  int attempt_ = 0;         // Tells a write of a broken connection from those of the next.
  bool is_reused_ = false;  // The connection has served another request before.
  bool has_head_ = false;
  bool is_over_ = false;
};

}  // namespace panal::net::detail
