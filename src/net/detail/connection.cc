#include "net/detail/connection.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/error.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/read.hpp>
#include <utility>

#include "base/error.h"
#include "base/json.h"
#include "base/log.h"

namespace panal::net::detail {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;

constexpr std::size_t kReadBytes = 16 * 1024;
constexpr std::chrono::milliseconds kLingerDeadline{2'000};

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// A percent sign without two digits behind it stays as it is: no route has one, so it ends as 404.
std::string percent_decoded(std::string_view text) {
  std::string decoded;
  decoded.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && hex_digit(text[i + 1]) >= 0 &&
        hex_digit(text[i + 2]) >= 0) {
      decoded += static_cast<char>(hex_digit(text[i + 1]) * 16 + hex_digit(text[i + 2]));
      i += 2;
    } else {
      decoded += text[i];
    }
  }
  return decoded;
}

HttpRequest to_request(http::request<http::string_body>&& message) {
  HttpRequest request;
  request.method = std::string(message.method_string());
  request.target = std::string(message.target());
  std::string_view target = request.target;
  if (target.starts_with("http://")) {  // A proxy's form: only the path matters here.
    const std::size_t slash = target.find('/', 7);
    target = slash == std::string_view::npos ? std::string_view("/") : target.substr(slash);
  }
  const std::size_t question = target.find('?');
  request.path = percent_decoded(target.substr(0, question));
  if (question != std::string_view::npos) request.query = target.substr(question + 1);
  for (const auto& field : message) {
    request.headers.emplace_back(std::string(field.name_string()), std::string(field.value()));
  }
  request.body = std::move(message.body());
  return request;
}

}  // namespace

Connection::Connection(std::uint64_t id, StreamSocket socket, ConnectionContext& context)
    : id_(id),
      context_(context),
      socket_(std::move(socket)),
      deadline_(socket_.get_executor()),
      buffer_(context.options.max_header_bytes + 4 * kReadBytes) {
  ErrorCode ignored;  // A unix socket has no such option.
  socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
}

void Connection::start() { begin_request(); }

void Connection::begin_request() {
  phase_ = Phase::kIdle;
  if (context_.is_draining) return close();
  parser_.emplace();
  parser_->header_limit(static_cast<std::uint32_t>(context_.options.max_header_bytes));
  parser_->body_limit(context_.options.max_body_bytes);
  if (buffer_.size() > 0 && !is_reading_) return read_header();
  arm(context_.options.idle_deadline);
  // The peer sent its next request early: stop waiting for more before reading what is here.
  ErrorCode ignored;
  if (buffer_.size() > 0) socket_.cancel(ignored);
  watch();
}

// One read is pending whenever nobody else reads. While a handler works it is what notices the
// peer's leaving; between requests it brings the next one's first bytes.
void Connection::watch() {
  if (is_reading_ || !socket_.is_open() || buffer_.size() >= context_.options.max_header_bytes)
    return;
  is_reading_ = true;
  socket_.async_read_some(buffer_.prepare(kReadBytes),
                          [self = shared_from_this()](ErrorCode error, std::size_t num_bytes) {
                            self->on_watched(error, num_bytes);
                          });
}

void Connection::on_watched(ErrorCode error, std::size_t num_bytes) {
  is_reading_ = false;
  buffer_.commit(num_bytes);
  if (phase_ == Phase::kIdle) {
    const bool was_stopped = error == asio::error::operation_aborted && buffer_.size() > 0;
    if (error && !was_stopped) return close();
    read_header();
  } else if (phase_ == Phase::kHandling) {
    if (error) return peer_is_gone();
    watch();
  }
}

void Connection::read_header() {
  phase_ = Phase::kHeader;
  arm(context_.options.header_deadline);
  http::async_read_header(
      socket_, buffer_, *parser_,
      [self = shared_from_this()](ErrorCode error, std::size_t) { self->on_header(error); });
}

void Connection::on_header(ErrorCode error) {
  if (phase_ == Phase::kClosed) return;
  if (error) return read_failed(error);
  phase_ = Phase::kBody;
  arm(context_.options.body_deadline);
  if (!beast::iequals(parser_->get()[http::field::expect], "100-continue") || parser_->is_done()) {
    return read_body();
  }
  outgoing_ = "HTTP/1.1 100 Continue\r\n\r\n";
  asio::async_write(socket_, asio::buffer(outgoing_),
                    [self = shared_from_this()](ErrorCode write_error, std::size_t) {
                      if (self->phase_ == Phase::kClosed) return;
                      if (write_error) return self->close();
                      self->read_body();
                    });
}

void Connection::read_body() {
  if (parser_->is_done()) return dispatch();
  http::async_read(socket_, buffer_, *parser_,
                   [self = shared_from_this()](ErrorCode error, std::size_t) {
                     if (self->phase_ == Phase::kClosed) return;
                     if (error) return self->read_failed(error);
                     self->dispatch();
                   });
}

void Connection::read_failed(ErrorCode error) {
  const HttpServerOptions& options = context_.options;
  if (has_timed_out_) {
    return reply(408,
                 phase_ == Phase::kHeader ? "the request's headers took too long"
                                          : "the request's body took too long",
                 false);
  }
  if (error == http::error::body_limit) {
    return reply(413,
                 fmt::format("the request's body is larger than the limit of {} bytes",
                             options.max_body_bytes),
                 false);
  }
  if (error == http::error::header_limit || error == http::error::buffer_overflow) {
    return reply(431,
                 fmt::format("the request's headers are larger than the limit of {} bytes",
                             options.max_header_bytes),
                 false);
  }
  const bool peer_left = error == http::error::end_of_stream ||
                         error == http::error::partial_message ||
                         error.category() != make_error_code(http::error::bad_method).category();
  if (peer_left) return close();
  reply(400, "not a valid HTTP/1.1 request: " + error.message(), false);
}

void Connection::dispatch() {
  disarm();
  phase_ = Phase::kHandling;
  http::request<http::string_body> message = parser_->release();
  const Exchange::Manner manner{
      .is_head = message.method() == http::verb::head,
      .knows_chunks = message.version() >= 11,
      .keep_alive = message.keep_alive() && message.version() >= 11 && !context_.is_draining,
      .outgoing_bytes = context_.options.outgoing_bytes};
  exchange_ =
      std::make_shared<Exchange>(to_request(std::move(message)), manner,
                                 [weak = weak_from_this(), executor = socket_.get_executor()] {
                                   asio::post(executor, [weak] {
                                     if (const auto self = weak.lock()) self->flush();
                                   });
                                 });
  // The job holds the connection too, so that the socket outlives the handler's last word.
  const auto job = [self = shared_from_this(), exchange = exchange_] {
    self->run_handler(exchange);
  };
  const auto after = [exchange = exchange_] {
    exchange->finish(exchange->has_begun() && !exchange->has_ended());
  };
  if (!context_.pool.submit(job, after)) {
    exchange_ = nullptr;
    return reply(503,
                 "the server is busy with as many requests as it takes at once; try again soon",
                 manner.keep_alive && !manner.is_head, {{"Retry-After", "1"}});
  }
  watch();
}

// On a pool thread.
void Connection::run_handler(const std::shared_ptr<Exchange>& exchange) {
  ResponseWriter writer(exchange);
  const Status outcome = capture([&] { context_.handler(exchange->request(), writer); });
  if (outcome.ok() && exchange->has_begun()) {
    exchange->end();
    return;
  }
  log_error(fmt::format("net: {} {}: {}", exchange->request().method,
                        exchange->request().path.substr(0, 200),
                        outcome.ok() ? "the handler gave no answer" : outcome.message()));
  if (exchange->has_begun()) return;
  const HttpErrorBody error =
      context_.options.format_error(500, "internal error; the server's log says more");
  exchange->send(500, {{"Content-Type", error.content_type}}, error.body);
}

void Connection::flush() {
  if (!exchange_ || is_sending_) return;
  outgoing_ = exchange_->take();
  sent_bytes_ = 0;
  if (outgoing_.empty()) {
    if (exchange_->outcome().is_finished) answered();
    return;
  }
  is_sending_ = true;
  send_some();
}

void Connection::send_some() {
  arm(context_.options.write_deadline);
  socket_.async_write_some(
      asio::buffer(outgoing_.data() + sent_bytes_, outgoing_.size() - sent_bytes_),
      [self = shared_from_this()](ErrorCode error, std::size_t num_bytes) {
        self->on_sent(error, num_bytes);
      });
}

void Connection::on_sent(ErrorCode error, std::size_t num_bytes) {
  sent_bytes_ += num_bytes;
  if (!error && sent_bytes_ < outgoing_.size() && phase_ != Phase::kClosed) return send_some();
  is_sending_ = false;
  outgoing_.clear();
  if (phase_ == Phase::kClosed) return flush();
  disarm();
  if (phase_ == Phase::kClosing) {
    if (error) return close();
    if (!keep_alive_) return linger();
    return begin_request();
  }
  if (error) peer_is_gone();
  flush();
}

void Connection::answered() {
  const bool keep_alive = exchange_->outcome().keep_alive;
  exchange_ = nullptr;
  if (phase_ == Phase::kClosed) return close();
  if (keep_alive) return begin_request();
  ErrorCode ignored;
  socket_.shutdown(StreamSocket::shutdown_both, ignored);
  close();
}

void Connection::reply(int status, std::string_view message, bool keep_alive,
                       const HttpHeaders& extra) {
  phase_ = Phase::kClosing;
  keep_alive_ = keep_alive;
  const HttpErrorBody error = context_.options.format_error(status, message);
  HttpHeaders headers = extra;
  headers.emplace_back("Content-Type", error.content_type);
  outgoing_ = response_head(status, headers, keep_alive,
                            fmt::format("Content-Length: {}\r\n", error.body.size())) +
              error.body;
  sent_bytes_ = 0;
  is_sending_ = true;
  send_some();
}

// Closing while the peer still sends would reset the connection and could destroy the answer on its
// way.
void Connection::linger() {
  ErrorCode ignored;
  socket_.shutdown(StreamSocket::shutdown_send, ignored);
  buffer_.clear();
  arm(std::min(kLingerDeadline, context_.options.write_deadline));
  discard_more();
}

void Connection::discard_more() {
  socket_.async_read_some(buffer_.prepare(kReadBytes),
                          [self = shared_from_this()](ErrorCode error, std::size_t num_bytes) {
                            self->discarded_bytes_ += num_bytes;
                            if (error || self->phase_ == Phase::kClosed ||
                                self->discarded_bytes_ > self->context_.options.max_body_bytes) {
                              return self->close();
                            }
                            self->discard_more();
                          });
}

void Connection::arm(std::chrono::milliseconds duration) {
  deadline_.expires_after(duration);
  deadline_.async_wait([self = shared_from_this()](ErrorCode error) {
    if (!error) self->on_deadline();
  });
}

void Connection::disarm() { deadline_.expires_at(asio::steady_timer::time_point::max()); }

void Connection::on_deadline() {
  // A newer deadline may have been set after this one had already gone off.
  if (deadline_.expiry() > asio::steady_timer::clock_type::now()) return;
  ErrorCode ignored;
  switch (phase_) {
    case Phase::kHeader:
    case Phase::kBody:
      has_timed_out_ = true;
      socket_.cancel(ignored);
      return;
    case Phase::kHandling:
      return peer_is_gone();
    default:
      return close();
  }
}

void Connection::drain() {
  if (phase_ == Phase::kIdle) close();
}

void Connection::cut_off() {
  if (phase_ == Phase::kHandling) return peer_is_gone();
  if (phase_ != Phase::kClosed) close();
}

void Connection::peer_is_gone() {
  if (phase_ == Phase::kClosed) return;
  close();
  // Callbacks on the stop token run here and now.
  if (exchange_) exchange_->mark_gone();
}

// The connection leaves the server's list when its handler is through too: only then is it really
// over.
void Connection::close() {
  phase_ = Phase::kClosed;
  ErrorCode ignored;
  disarm();
  socket_.close(ignored);
  if (!exchange_ && !std::exchange(has_reported_close_, true)) context_.on_closed(id_);
}

}  // namespace panal::net::detail
