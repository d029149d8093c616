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
#include "net/detail/peer_presence.h"

namespace panal::net::detail {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;

constexpr std::size_t kReadBytes = 16 * 1024;
constexpr std::chrono::milliseconds kLingerDeadline{2'000};
// A peer that is leaving ends its sending half a moment before it is gone; one that stays is looked
// for ever more rarely.
constexpr std::chrono::milliseconds kFirstLook{20};
constexpr std::chrono::milliseconds kLongestPause{10'000};

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

HttpHeaders headers_of(const http::fields& fields) {
  HttpHeaders headers;
  for (const auto& field : fields) {
    headers.emplace_back(std::string(field.name_string()), std::string(field.value()));
  }
  return headers;
}

HttpRequest to_request(http::request<http::string_body>&& message, HttpHeaders headers) {
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
  request.headers = std::move(headers);
  request.body = std::move(message.body());
  return request;
}

// On a pool thread.
void run_handler(const std::shared_ptr<Exchange>& exchange, const HttpHandler& handler) {
  const Status outcome =
      capture([&] { handler(exchange->request(), std::make_shared<ResponseWriter>(exchange)); });
  if (outcome.ok()) return;
  log_error(fmt::format("net: {} {}: {}", exchange->request().method,
                        exchange->request().path.substr(0, 200), outcome.message()));
  exchange->drop();
}

}  // namespace

Connection::Connection(std::uint64_t id, StreamSocket socket, ConnectionContext& context)
    : id_(id),
      context_(context),
      socket_(std::move(socket)),
      deadline_(socket_.get_executor()),
      silence_(socket_.get_executor()),
      presence_(socket_.get_executor()),
      buffer_(context.options.max_header_bytes + 4 * kReadBytes) {
  ErrorCode ignored;  // A unix socket has no such option.
  socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
}

void Connection::start() { begin_request(); }

void Connection::begin_request() {
  phase_ = Phase::kIdle;
  request_headers_.clear();
  if (context_.is_draining) return close();
  parser_.emplace();
  parser_->header_limit(static_cast<std::uint32_t>(context_.options.max_header_bytes));
  parser_->body_limit(context_.options.max_body_bytes);
  if (buffer_.size() > 0 && !is_reading_) return read_header();
  if (has_peer_ended_) return say_goodbye();
  arm(context_.options.idle_deadline);
  // The peer sent its next request early: stop waiting for more before reading what is here.
  ErrorCode ignored;
  if (buffer_.size() > 0) socket_.cancel(ignored);
  watch();
}

// One read is pending whenever nobody else reads. While a handler works it is what notices the
// peer's leaving; between requests it brings the next one's first bytes.
void Connection::watch() {
  if (is_reading_ || has_peer_ended_ || !socket_.is_open() ||
      buffer_.size() >= context_.options.max_header_bytes) {
    return;
  }
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
    if (error == asio::error::eof) return peer_ended_sending();
    if (error) return peer_is_gone();
    watch();
  }
}

// It has nothing more to say and may well wait for its answer.
void Connection::peer_ended_sending() {
  has_peer_ended_ = true;
  look_for_peer(kFirstLook);
}

void Connection::look_for_peer(std::chrono::milliseconds pause) {
  if (phase_ != Phase::kHandling) return;
  if (peer_has_left(socket_.native_handle())) return peer_is_gone();
  presence_.expires_after(pause);
  presence_.async_wait([self = shared_from_this(), pause](ErrorCode error) {
    if (!error) self->look_for_peer(std::min(2 * pause, kLongestPause));
  });
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
  // Also of a request that is refused for what they say, as a body that is too large.
  request_headers_ = headers_of(parser_->get());
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
      .outgoing_bytes = context_.options.outgoing_bytes,
      .max_outgoing_bytes = context_.options.max_outgoing_bytes,
      .clock = context_.clock};
  exchange_ = std::make_shared<Exchange>(to_request(std::move(message), request_headers_), manner,
                                         [weak = weak_from_this(), io = context_.io] {
                                           asio::post(*io, [weak] {
                                             if (const auto self = weak.lock()) self->flush();
                                           });
                                         });
  const auto job = [exchange = exchange_, &handler = context_.handler] {
    run_handler(exchange, handler);
  };
  if (!context_.pool.submit(job)) {
    exchange_ = nullptr;
    return reply(503,
                 "the server is busy with as many requests as it takes at once; try again soon",
                 manner.keep_alive && !manner.is_head, {{"Retry-After", "1"}});
  }
  watch();
}

void Connection::flush() {
  if (!exchange_) return;
  if (exchange_->state() == Exchange::State::kOverrun) return peer_is_gone();
  if (is_sending_) return;
  silence_.cancel();
  outgoing_ = exchange_->take();
  sent_bytes_ = 0;
  if (outgoing_.empty()) return look_at_answer();
  is_sending_ = true;
  send_some();
}

// Everything there was has been sent.
void Connection::look_at_answer() {
  switch (exchange_->state()) {
    case Exchange::State::kOpen:
    case Exchange::State::kOverrun:  // Its own message is on the way.
      return wait_in_silence();
    case Exchange::State::kEnded:
      return answered();
    case Exchange::State::kBroken:
    case Exchange::State::kUnanswered:
      break;
  }
  const bool has_begun = exchange_->state() == Exchange::State::kBroken;
  log_warning(fmt::format("net: {} {}: the handler {}", exchange_->request().method,
                          exchange_->request().path.substr(0, 200),
                          has_begun ? "left its answer unfinished" : "gave no answer"));
  if (has_begun) {
    exchange_ = nullptr;
    return close();
  }
  const HttpErrorBody error = context_.options.format_error(
      500, "internal error; the server's log says more", exchange_->request().headers);
  exchange_->send(500, error.headers, error.body);
}

void Connection::wait_in_silence() {
  const Exchange::Silence silence = exchange_->silence();
  if (silence.after.count() == 0) return;
  silence_.expires_after(silence.after);
  silence_.async_wait([self = shared_from_this(), exchange = exchange_](ErrorCode error) {
    if (!error && exchange == self->exchange_) exchange->write(exchange->silence().filler);
  });
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
  if (phase_ == Phase::kClosed) return;
  disarm();
  if (phase_ == Phase::kClosing) {
    if (error) return close();
    if (!keep_alive_) return linger();
    return begin_request();
  }
  if (error) return peer_is_gone();
  flush();
}

void Connection::answered() {
  const bool keep_alive = exchange_->keep_alive();
  exchange_ = nullptr;
  silence_.cancel();
  presence_.cancel();
  if (keep_alive) return begin_request();
  say_goodbye();
}

void Connection::say_goodbye() {
  ErrorCode ignored;
  socket_.shutdown(StreamSocket::shutdown_both, ignored);
  close();
}

void Connection::reply(int status, std::string_view message, bool keep_alive,
                       const HttpHeaders& extra) {
  phase_ = Phase::kClosing;
  keep_alive_ = keep_alive;
  HttpErrorBody error = context_.options.format_error(status, message, request_headers_);
  error.headers.insert(error.headers.end(), extra.begin(), extra.end());
  outgoing_ =
      response_head(status, error.headers, keep_alive,
                    fmt::format("Content-Length: {}\r\n", error.body.size()), context_.clock) +
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
  deadline_.async_wait([self = shared_from_this(), armed = ++num_armed_](ErrorCode error) {
    if (!error && armed == self->num_armed_) self->on_deadline();
  });
}

void Connection::disarm() {
  ++num_armed_;
  deadline_.cancel();
}

void Connection::on_deadline() {
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
  const auto exchange = std::exchange(exchange_, nullptr);
  close();
  // Callbacks on the stop token run here and now.
  if (exchange) exchange->mark_gone();
}

void Connection::close() {
  phase_ = Phase::kClosed;
  ErrorCode ignored;
  disarm();
  silence_.cancel();
  presence_.cancel();
  socket_.close(ignored);
  if (!std::exchange(has_reported_close_, true)) context_.on_closed(id_);
}

}  // namespace panal::net::detail
