// Each call runs its own small event loop on the calling thread: one socket, one timer, one step
// after the other. Cancelling is a message to that loop, so that no socket is touched by two
// threads.
#include "net/http_client.h"

// clang-format off: it comes before Boost.
#include "net/detail/asio_config.h"
// clang-format on

#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/connect.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <cerrno>
#include <deque>
#include <limits>
#include <utility>
#include <vector>

#include "base/error.h"

namespace panal::net {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using boost::system::error_code;
using Clock = asio::steady_timer::clock_type;
using Socket = asio::generic::stream_protocol::socket;
using RawEndpoint = asio::generic::stream_protocol::endpoint;

constexpr std::size_t kReadBytes = 64 * 1024;
constexpr std::size_t kMaxErrorBodyBytes = 1024 * 1024;

std::string without_line_ends(std::string_view text) {
  std::string clean(text);
  std::replace_if(
      clean.begin(), clean.end(),
      [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }, ' ');
  return clean;
}

std::string request_head(const ClientRequest& request, const Endpoint& endpoint) {
  const bool is_unix = !endpoint.unix_path.empty();
  std::string target = without_line_ends(request.target.empty() ? "/" : request.target);
  std::replace(target.begin(), target.end(), ' ', '+');
  const std::string host = is_unix ? "localhost" : endpoint.shown().substr(7);
  std::string head = fmt::format("{} {} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n",
                                 without_line_ends(request.method), target, host);
  if (!request.body.empty() || (request.method != "GET" && request.method != "HEAD")) {
    head += fmt::format("Content-Length: {}\r\n", request.body.size());
  }
  for (const auto& [name, value] : request.headers) {
    head += fmt::format("{}: {}\r\n", without_line_ends(name), without_line_ends(value));
  }
  return head += "\r\n";
}

class Call {
 public:
  Call(const Endpoint& endpoint, const ClientOptions& options, const ClientRequest& request)
      : endpoint_(endpoint), options_(options), request_(request) {
    parser_.header_limit(static_cast<std::uint32_t>(std::min<std::size_t>(
        options.max_header_bytes, std::numeric_limits<std::uint32_t>::max())));
    parser_.body_limit(std::numeric_limits<std::uint64_t>::max());  // Bounded below, where a stream
                                                                    // and a collection differ.
    if (request.method == "HEAD") parser_.skip(true);
    if (options.total_deadline.count() > 0) total_ends_ = Clock::now() + options.total_deadline;
  }

  Result<ClientResponse> run(const HttpClient::ChunkCallback* on_chunk,
                             const HttpClient::HeadCallback& on_head, std::stop_token stop) {
    on_chunk_ = on_chunk;
    on_head_ = &on_head;
    if (stop.stop_requested()) return Status(Code::kCancelled, cancelled_message());
    // The callback only leaves a message: the loop's own thread closes the socket.
    const std::stop_callback on_stop(stop, [this] {
      asio::post(io_, [this] { give_up(Status(Code::kCancelled, cancelled_message())); });
    });
    find_endpoints();
    io_.run();
    if (!outcome_.ok()) return outcome_;
    return std::move(response_);
  }

 private:
  std::string cancelled_message() const {
    return fmt::format("{}: the request was cancelled", endpoint_.shown());
  }

  /// The first reason counts; everything pending is aborted, and run() comes back.
  void give_up(Status reason) {
    if (is_over_) return;
    outcome_ = std::move(reason);
    finish();
  }

  void finish() {
    is_over_ = true;
    error_code ignored;
    socket_.close(ignored);
    timer_.cancel();
    resolver_.cancel();
    io_.stop();
  }

  void arm(std::chrono::milliseconds duration, std::string_view doing) {
    doing_ = doing;
    const Clock::time_point idle_ends = Clock::now() + duration;
    timer_.expires_at(std::min(idle_ends, total_ends_));
    timer_.async_wait([this](error_code error) {
      if (error || is_over_ || timer_.expiry() > Clock::now()) return;
      give_up(Status(Code::kDeadlineExceeded,
                     fmt::format("{}: no progress in time while {}", endpoint_.shown(), doing_)));
    });
  }

  void fail(const error_code& error) {
    if (error.category() == make_error_code(http::error::bad_method).category() &&
        error != http::error::end_of_stream && error != http::error::partial_message) {
      return give_up(Status(Code::kCorrupt, fmt::format("{}: the answer is not valid HTTP: {}",
                                                        endpoint_.shown(), error.message())));
    }
    const bool closed_early = error == http::error::end_of_stream ||
                              error == http::error::partial_message || error == asio::error::eof;
    give_up(Status(
        Code::kUnavailable,
        closed_early ? fmt::format("{}: the connection was closed before the answer was whole",
                                   endpoint_.shown())
                     : fmt::format("{}: {} while {}", endpoint_.shown(), error.message(), doing_)));
  }

  void find_endpoints() {
    arm(options_.connect_deadline, "connecting");
    if (!endpoint_.unix_path.empty()) {
      const Status made = capture([this] {
        candidates_.emplace_back(asio::local::stream_protocol::endpoint(endpoint_.unix_path));
      });
      if (!made.ok()) {
        return give_up(Status(Code::kInvalidArgument,
                              fmt::format("{}: the socket's path is too long", endpoint_.shown())));
      }
      return connect_next();
    }
    error_code not_a_number;
    const auto address = asio::ip::make_address(endpoint_.host, not_a_number);
    if (!not_a_number) {
      candidates_.emplace_back(asio::ip::tcp::endpoint(address, endpoint_.port));
      return connect_next();
    }
    resolver_.async_resolve(
        endpoint_.host, std::to_string(endpoint_.port),
        [this](error_code error, const asio::ip::tcp::resolver::results_type& found) {
          if (is_over_) return;
          if (error) return fail(error);
          for (const auto& entry : found) candidates_.emplace_back(entry.endpoint());
          connect_next();
        });
  }

  void connect_next() {
    const RawEndpoint candidate = candidates_.front();
    candidates_.pop_front();
    error_code error;
    socket_.close(error);
    // Made by hand so that no child process started meanwhile inherits it.
    const int descriptor = ::socket(candidate.protocol().family(), SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0) return fail(error_code(errno, boost::system::system_category()));
    socket_.assign(candidate.protocol(), descriptor, error);
    if (error) {
      ::close(descriptor);
      return fail(error);
    }
    socket_.async_connect(candidate, [this](error_code connect_error) {
      if (is_over_) return;
      if (connect_error && !candidates_.empty()) return connect_next();
      if (connect_error) return fail(connect_error);
      error_code ignored;  // A unix socket has no such option.
      socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
      send();
    });
  }

  void send() {
    outgoing_ = request_head(request_, endpoint_) + request_.body;
    read_header();  // A server may refuse a large body before it has all of it.
    send_some();
  }

  void send_some() {
    arm(options_.idle_deadline, "sending the request");
    socket_.async_write_some(
        asio::buffer(outgoing_.data() + sent_bytes_, outgoing_.size() - sent_bytes_),
        [this](error_code error, std::size_t num_bytes) {
          if (is_over_ || has_head_) return;
          // What the server said before it hung up is worth more than our error.
          if (error) return;
          sent_bytes_ += num_bytes;
          if (sent_bytes_ < outgoing_.size()) return send_some();
          arm(options_.idle_deadline, "waiting for the answer");
        });
  }

  void read_header() {
    http::async_read_header(socket_, buffer_, parser_, [this](error_code error, std::size_t) {
      if (is_over_) return;
      if (error) return fail(error);
      has_head_ = true;
      take_head();
    });
  }

  void take_head() {
    response_.status = static_cast<int>(parser_.get().result_int());
    for (const auto& field : parser_.get()) {
      response_.headers.emplace_back(std::string(field.name_string()), std::string(field.value()));
    }
    if (*on_head_ && !(*on_head_)(response_)) {
      return give_up(Status(Code::kCancelled, cancelled_message()));
    }
    read_body();
  }

  void read_body() {
    if (is_over_) return;
    if (parser_.is_done()) return finish();
    arm(options_.idle_deadline, "reading the answer");
    parser_.get().body().data = chunk_.data();
    parser_.get().body().size = chunk_.size();
    http::async_read_some(socket_, buffer_, parser_, [this](error_code error, std::size_t) {
      if (is_over_) return;
      // need_buffer only says that the chunk is full.
      if (error && error != http::error::need_buffer) return fail(error);
      const std::size_t num_bytes = chunk_.size() - parser_.get().body().size;
      if (num_bytes > 0 && !take_chunk(std::string_view(chunk_.data(), num_bytes))) return;
      read_body();
    });
  }

  bool take_chunk(std::string_view chunk) {
    if (on_chunk_ != nullptr && response_.status < 400) {
      if ((*on_chunk_)(chunk)) return true;
      give_up(Status(Code::kCancelled, cancelled_message()));
      return false;
    }
    const std::size_t limit = on_chunk_ == nullptr
                                  ? options_.max_body_bytes
                                  : std::min(kMaxErrorBodyBytes, options_.max_body_bytes);
    if (response_.body.size() + chunk.size() > limit) {
      give_up(Status(Code::kResourceExhausted, fmt::format("{}: the answer is larger than {} bytes",
                                                           endpoint_.shown(), limit)));
      return false;
    }
    response_.body += chunk;
    return true;
  }

  const Endpoint& endpoint_;
  const ClientOptions& options_;
  const ClientRequest& request_;
  const HttpClient::ChunkCallback* on_chunk_ = nullptr;
  const HttpClient::HeadCallback* on_head_ = nullptr;

  asio::io_context io_{1};
  Socket socket_{io_};
  asio::steady_timer timer_{io_};
  asio::ip::tcp::resolver resolver_{io_};
  std::deque<RawEndpoint> candidates_;
  Clock::time_point total_ends_ = Clock::time_point::max();
  std::string_view doing_;
  std::string outgoing_;
  std::size_t sent_bytes_ = 0;
  boost::beast::flat_buffer buffer_;
  http::response_parser<http::buffer_body> parser_;
  std::vector<char> chunk_ = std::vector<char>(kReadBytes);
  ClientResponse response_;
  Status outcome_;
  bool has_head_ = false;
  bool is_over_ = false;
};

Result<ClientResponse> run_call(const Endpoint& endpoint, const ClientOptions& options,
                                const ClientRequest& request,
                                const HttpClient::ChunkCallback* on_chunk,
                                const HttpClient::HeadCallback& on_head, std::stop_token stop) {
  // Asio throws when the machine has no descriptors left; a callback may throw too.
  return capture([&]() -> Result<ClientResponse> {
    Call call(endpoint, options, request);
    return call.run(on_chunk, on_head, std::move(stop));
  });
}

}  // namespace

HttpClient::HttpClient(Endpoint endpoint, ClientOptions options)
    : endpoint_(std::move(endpoint)), options_(options) {}

Result<ClientResponse> HttpClient::request(const ClientRequest& request,
                                           std::stop_token stop) const {
  return run_call(endpoint_, options_, request, nullptr, {}, std::move(stop));
}

Result<ClientResponse> HttpClient::stream(const ClientRequest& request,
                                          const ChunkCallback& on_chunk, std::stop_token stop,
                                          const HeadCallback& on_head) const {
  return run_call(endpoint_, options_, request, &on_chunk, on_head, std::move(stop));
}

}  // namespace panal::net
