#include "net/detail/client_exchange.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/read.hpp>
#include <cerrno>
#include <limits>
#include <utility>

#include "base/error.h"
#include "base/log.h"

namespace panal::net::detail {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;

constexpr std::size_t kReadBytes = 16 * 1024;
constexpr std::size_t kMaxErrorBodyBytes = 1024 * 1024;
constexpr std::chrono::milliseconds kCrowdPause{5};

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
  std::string head = fmt::format("{} {} HTTP/1.1\r\nHost: {}\r\n",
                                 without_line_ends(request.method), target, host);
  if (!request.body.empty() || (request.method != "GET" && request.method != "HEAD")) {
    head += fmt::format("Content-Length: {}\r\n", request.body.size());
  }
  for (const auto& [name, value] : request.headers) {
    head += fmt::format("{}: {}\r\n", without_line_ends(name), without_line_ends(value));
  }
  return head += "\r\n";
}

bool is_http_error(const boost::system::error_code& error) {
  return error.category() == make_error_code(http::error::bad_method).category();
}

}  // namespace

ClientExchange::ClientExchange(asio::io_context& io, ClientContext& context,
                               std::shared_ptr<const ClientRequest> request,
                               HttpClient::Callbacks callbacks)
    : io_(io),
      context_(context),
      request_(std::move(request)),
      callbacks_(std::move(callbacks)),
      socket_(io),
      idle_timer_(io),
      total_timer_(io),
      pause_(io),
      resolver_(io) {}

Status ClientExchange::cancelled() const {
  return Status(Code::kCancelled,
                fmt::format("{}: the request was cancelled", context_.endpoint.shown()));
}

void ClientExchange::begin(std::stop_token stop) {
  if (stop.stop_requested()) return give_up(cancelled());
  // Only leaves a message: the loop's own thread closes the socket. finish() takes it back, so the
  // loop is still there.
  on_stop_.emplace(std::move(stop), [this, weak = weak_from_this()] {
    asio::post(io_, [weak] {
      if (const auto self = weak.lock()) self->give_up(self->cancelled());
    });
  });
  if (context_.options.total_deadline.count() > 0) {
    total_timer_.expires_after(context_.options.total_deadline);
    total_timer_.async_wait([self = shared_from_this()](ErrorCode error) {
      if (!error) {
        self->give_up(Status(
            Code::kDeadlineExceeded,
            fmt::format("{}: the answer was not whole in time", self->context_.endpoint.shown())));
      }
    });
  }
  if (take_kept()) return send();
  find_endpoints();
}

// The first reason counts; everything pending is aborted.
void ClientExchange::give_up(Status reason) {
  if (is_over_) return;
  // A reset tells the server at once that nobody reads; a plain close would look like the end of
  // the request.
  ErrorCode ignored;
  if (socket_.is_open() && family_ != AF_UNIX) {
    socket_.set_option(asio::socket_base::linger(true, 0), ignored);
  }
  finish(std::move(reason), false);
}

void ClientExchange::finish(Result<ClientResponse> outcome, bool may_keep) {
  is_over_ = true;
  ++num_armed_;
  idle_timer_.cancel();
  total_timer_.cancel();
  pause_.cancel();
  resolver_.cancel();
  release_connection(may_keep);
  on_stop_.reset();
  const HttpClient::Callbacks callbacks = std::exchange(callbacks_, {});
  callbacks.on_done(std::move(outcome));
}

void ClientExchange::release_connection(bool may_keep) {
  ErrorCode error;
  if (!socket_.is_open()) return;
  if (may_keep) {
    const int descriptor = socket_.release(error);
    if (!error) return context_.kept.keep({.descriptor = descriptor, .family = family_});
  }
  socket_.close(error);
}

void ClientExchange::arm(std::chrono::milliseconds duration, std::string_view doing) {
  doing_ = doing;
  idle_timer_.expires_after(duration);
  idle_timer_.async_wait([self = shared_from_this(), armed = ++num_armed_](ErrorCode error) {
    if (error || armed != self->num_armed_) return;
    self->give_up(Status(Code::kDeadlineExceeded,
                         fmt::format("{}: no progress in time while {}",
                                     self->context_.endpoint.shown(), self->doing_)));
  });
}

// A copy that arrived already may have had its effect, which only reading surely does not have.
bool ClientExchange::may_send_again() const {
  const bool only_reads = request_->method == "GET" || request_->method == "HEAD";
  return is_reused_ && !parser_->got_some() && (sent_bytes_ == 0 || only_reads);
}

void ClientExchange::fail(const ErrorCode& error) {
  if (is_over_) return;
  if (parser_ && may_send_again()) {
    ErrorCode ignored;
    socket_.close(ignored);
    is_reused_ = false;
    return find_endpoints();
  }
  const std::string who = context_.endpoint.shown();
  const bool closed_early = error == http::error::end_of_stream ||
                            error == http::error::partial_message || error == asio::error::eof;
  if (is_http_error(error) && !closed_early) {
    return give_up(Status(
        Code::kCorrupt, fmt::format("{}: the answer is not valid HTTP: {}", who, error.message())));
  }
  give_up(Status(Code::kUnavailable,
                 closed_early
                     ? fmt::format("{}: the connection was closed before the answer was whole", who)
                     : fmt::format("{}: {} while {}", who, error.message(), doing_)));
}

bool ClientExchange::take_kept() {
  while (const auto kept = context_.kept.take()) {
    ErrorCode error;
    socket_.assign(asio::generic::stream_protocol(kept->family, 0), kept->descriptor, error);
    if (!error) {
      family_ = kept->family;
      is_reused_ = true;
      return true;
    }
    ::close(kept->descriptor);
  }
  return false;
}

void ClientExchange::find_endpoints() {
  const Endpoint& endpoint = context_.endpoint;
  arm(context_.options.connect_deadline, "connecting");
  if (!endpoint.unix_path.empty()) {
    const Status made = capture([&] {
      candidates_.emplace_back(asio::local::stream_protocol::endpoint(endpoint.unix_path));
    });
    if (made.ok()) return connect_next();
    return give_up(Status(Code::kInvalidArgument,
                          fmt::format("{}: the socket's path is too long", endpoint.shown())));
  }
  ErrorCode not_a_number;
  const auto address = asio::ip::make_address(endpoint.host, not_a_number);
  if (!not_a_number) {
    candidates_.emplace_back(asio::ip::tcp::endpoint(address, endpoint.port));
    return connect_next();
  }
  resolver_.async_resolve(endpoint.host, std::to_string(endpoint.port),
                          [self = shared_from_this()](
                              ErrorCode error, const asio::ip::tcp::resolver::results_type& found) {
                            if (self->is_over_) return;
                            if (error) return self->fail(error);
                            for (const auto& entry : found) {
                              self->candidates_.emplace_back(entry.endpoint());
                            }
                            self->connect_next();
                          });
}

bool ClientExchange::open_socket(const RawEndpoint& candidate) {
  ErrorCode error;
  socket_.close(error);
  // Made by hand so that no child process started meanwhile inherits it.
  family_ = candidate.protocol().family();
  const int descriptor = ::socket(family_, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (descriptor < 0) {
    fail(ErrorCode(errno, boost::system::system_category()));
    return false;
  }
  socket_.assign(candidate.protocol(), descriptor, error);
  if (!error) return true;
  ::close(descriptor);
  fail(error);
  return false;
}

void ClientExchange::connect_next() {
  const RawEndpoint candidate = candidates_.front();
  candidates_.pop_front();
  if (!open_socket(candidate)) return;
  if (family_ == AF_UNIX) return connect_to_unix(candidate);
  socket_.async_connect(candidate, [self = shared_from_this()](ErrorCode error) {
    if (self->is_over_) return;
    if (error && !self->candidates_.empty()) return self->connect_next();
    if (error) return self->fail(error);
    ErrorCode ignored;
    self->socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
    self->send();
  });
}

// A unix socket connects at once, or its queue is full for the moment; waiting until it is writable
// would not tell.
void ClientExchange::connect_to_unix(const RawEndpoint& candidate) {
  if (::connect(socket_.native_handle(), candidate.data(),
                static_cast<socklen_t>(candidate.size())) == 0) {
    return send();
  }
  if (errno != EAGAIN && errno != EINTR) {
    return fail(ErrorCode(errno, boost::system::system_category()));
  }
  pause_.expires_after(kCrowdPause);
  pause_.async_wait([self = shared_from_this(), candidate](ErrorCode error) {
    if (!error && !self->is_over_) self->connect_to_unix(candidate);
  });
}

void ClientExchange::send() {
  ++attempt_;
  buffer_.clear();
  outgoing_ = request_head(*request_, context_.endpoint) + request_->body;
  sent_bytes_ = 0;
  read_header();
  send_some();
}

void ClientExchange::read_header() {
  parser_.emplace();
  parser_->header_limit(static_cast<std::uint32_t>(std::min<std::size_t>(
      context_.options.max_header_bytes, std::numeric_limits<std::uint32_t>::max())));
  // Bounded in take_chunk(), where a stream and a collection differ.
  parser_->body_limit(std::numeric_limits<std::uint64_t>::max());
  if (request_->method == "HEAD") parser_->skip(true);
  http::async_read_header(socket_, buffer_, *parser_,
                          [self = shared_from_this()](ErrorCode error, std::size_t) {
                            if (self->is_over_) return;
                            if (error) return self->fail(error);
                            self->take_head();
                          });
}

void ClientExchange::send_some() {
  arm(context_.options.idle_deadline, "sending the request");
  socket_.async_write_some(
      asio::buffer(outgoing_.data() + sent_bytes_, outgoing_.size() - sent_bytes_),
      [self = shared_from_this(), attempt = attempt_](ErrorCode error, std::size_t num_bytes) {
        if (self->is_over_ || attempt != self->attempt_) return;
        self->sent_bytes_ += num_bytes;
        // What the server said before it hung up is worth more than our error: the read tells.
        if (error || self->has_head_) return;
        if (self->sent_bytes_ < self->outgoing_.size()) return self->send_some();
        self->arm(self->context_.options.idle_deadline, "waiting for the answer");
      });
}

void ClientExchange::take_head() {
  const auto& head = parser_->get();
  if (head.result_int() < 200) return read_header();  // The answer itself is yet to come.
  has_head_ = true;
  response_.status = static_cast<int>(head.result_int());
  for (const auto& field : head) {
    response_.headers.emplace_back(std::string(field.name_string()), std::string(field.value()));
  }
  if (callbacks_.on_head && !callbacks_.on_head(response_)) return give_up(cancelled());
  read_body();
}

void ClientExchange::read_body() {
  if (parser_->is_done()) {
    const bool is_clean = parser_->keep_alive() && sent_bytes_ == outgoing_.size() &&
                          buffer_.size() == 0 && context_.options.max_kept_connections > 0;
    return finish(std::move(response_), is_clean);
  }
  arm(context_.options.idle_deadline, "reading the answer");
  chunk_.resize(kReadBytes);
  parser_->get().body().data = chunk_.data();
  parser_->get().body().size = chunk_.size();
  http::async_read_some(
      socket_, buffer_, *parser_, [self = shared_from_this()](ErrorCode error, std::size_t) {
        if (self->is_over_) return;
        // need_buffer only says that the chunk is full.
        if (error && error != http::error::need_buffer) return self->fail(error);
        const std::size_t num_bytes = self->chunk_.size() - self->parser_->get().body().size;
        if (num_bytes > 0 && !self->take_chunk(std::string_view(self->chunk_.data(), num_bytes))) {
          return;
        }
        self->read_body();
      });
}

bool ClientExchange::take_chunk(std::string_view chunk) {
  const bool is_streamed = static_cast<bool>(callbacks_.on_chunk);
  if (is_streamed && response_.status < 400) {
    if (callbacks_.on_chunk(chunk)) return true;
    give_up(cancelled());
    return false;
  }
  const std::size_t limit = is_streamed
                                ? std::min(kMaxErrorBodyBytes, context_.options.max_body_bytes)
                                : context_.options.max_body_bytes;
  if (response_.body.size() + chunk.size() > limit) {
    give_up(Status(Code::kResourceExhausted, fmt::format("{}: the answer is larger than {} bytes",
                                                         context_.endpoint.shown(), limit)));
    return false;
  }
  response_.body += chunk;
  return true;
}

}  // namespace panal::net::detail
