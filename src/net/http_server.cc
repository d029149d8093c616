#include "net/http_server.h"

// clang-format off: it comes before Boost.
#include "net/detail/asio_config.h"
// clang-format on

#include <sys/socket.h>

#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <map>
#include <thread>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mutex.h"
#include "net/detail/connection.h"
#include "net/detail/exchange.h"
#include "net/detail/listener.h"
#include "net/thread_pool.h"

namespace panal::net {
namespace detail {
namespace {

namespace asio = boost::asio;
using ErrorCode = boost::system::error_code;

// When the machine is out of descriptors, accepting again at once would only burn a core.
constexpr std::chrono::milliseconds kAcceptPause{100};

HttpErrorBody plain_error(int, std::string_view message, const HttpHeaders&) {
  return {.headers = {{"Content-Type", "application/json"}},
          .body = to_line(Json{{"error", {{"message", message}}}})};
}

}  // namespace

class ServerCore {
 public:
  ServerCore(HttpServerOptions options, HttpHandler handler, const Listener& listener, Clock& clock)
      : options_(with_defaults(std::move(options))),
        handler_(std::move(handler)),
        listener_(listener),
        pool_(options_.max_handler_threads, options_.max_waiting_requests),
        context_{options_, handler_, pool_, clock, io_, [this](std::uint64_t id) { forget(id); },
                 false},
        gate_(*io_, listener.descriptor),
        pause_(*io_),
        work_(asio::make_work_guard(*io_)) {
    accept_when_ready();
    thread_ = std::thread([this] { run(); });
  }

  ~ServerCore() { stop(options_.drain_deadline); }

  void stop(std::chrono::milliseconds drain) {
    const MutexLock stopping(stop_mutex_);
    if (!thread_.joinable()) return;
    asio::post(*io_, [this] {
      ErrorCode ignored;
      gate_.close(ignored);
      pause_.cancel();
      context_.is_draining = true;
      for (const auto& connection : all_connections()) connection->drain();
      count();
    });
    {
      const MutexLock lock(count_mutex_);
      Nanoseconds left = drain;
      while (left > Nanoseconds(0) && (!has_drained_ || num_connections_ > 0)) {
        left = emptied_.wait_for(count_mutex_, left);
      }
    }
    asio::post(*io_, [this] {
      for (const auto& connection : all_connections()) connection->cut_off();
    });
    pool_.join();
    work_.reset();  // With every connection closed run() has nothing left to do.
    thread_.join();
    if (!options_.unix_path.empty()) remove_socket_file(listener_, options_.unix_path);
  }

  const HttpServerOptions& options() const { return options_; }
  std::uint16_t port() const { return listener_.port; }
  std::size_t num_running() const { return pool_.num_running(); }
  std::size_t num_connections() const {
    const MutexLock lock(count_mutex_);
    return num_connections_;
  }

 private:
  static HttpServerOptions with_defaults(HttpServerOptions options) {
    if (!options.format_error) options.format_error = plain_error;
    return options;
  }

  void run() {
    while (true) {
      const Status outcome = capture([this] { io_->run(); });
      if (outcome.ok()) return;
      log_error("net: " + outcome.message());
    }
  }

  void accept_when_ready() {
    gate_.async_wait(asio::posix::stream_descriptor::wait_read, [this](ErrorCode error) {
      if (error || !gate_.is_open()) return;
      accept_all();
    });
  }

  void accept_all() {
    while (true) {
      // accept4() marks the descriptor before any other thread can start a child that would inherit
      // it.
      const int accepted =
          ::accept4(gate_.native_handle(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (accepted >= 0) {
        welcome(accepted);
        continue;
      }
      if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
        log_warning("net: no descriptors left for a new connection; trying again soon");
        pause_.expires_after(kAcceptPause);
        pause_.async_wait([this](ErrorCode error) {
          if (!error && gate_.is_open()) accept_all();
        });
        return;
      }
      if (errno != EINTR && errno != ECONNABORTED && errno != EPROTO) return accept_when_ready();
    }
  }

  void welcome(int accepted) {
    const bool is_unix = !options_.unix_path.empty();
    const bool is_ipv6 = options_.address.find(':') != std::string::npos;
    const int family = is_unix ? AF_UNIX : is_ipv6 ? AF_INET6 : AF_INET;
    StreamSocket socket(*io_, asio::generic::stream_protocol(family, 0), accepted);
    if (connections_.size() >= options_.max_connections) return turn_away(socket);
    const std::uint64_t id = next_id_++;
    const auto connection = std::make_shared<Connection>(id, std::move(socket), context_);
    connections_.emplace(id, connection);
    count();
    connection->start();
  }

  // One attempt without waiting: a crowd must not cost memory.
  void turn_away(StreamSocket& socket) {
    HttpErrorBody error = options_.format_error(503, "the server has too many connections", {});
    error.headers.emplace_back("Retry-After", "1");
    const std::string answer =
        response_head(503, error.headers, false,
                      "Content-Length: " + std::to_string(error.body.size()) + "\r\n",
                      context_.clock) +
        error.body;
    ErrorCode ignored;
    socket.write_some(asio::buffer(answer), ignored);
    socket.shutdown(StreamSocket::shutdown_both, ignored);
  }

  std::vector<std::shared_ptr<Connection>> all_connections() {
    std::vector<std::shared_ptr<Connection>> all;
    for (const auto& [id, connection] : connections_) all.push_back(connection);
    return all;
  }

  void forget(std::uint64_t id) {
    connections_.erase(id);
    count();
  }

  void count() {
    const MutexLock lock(count_mutex_);
    num_connections_ = connections_.size();
    has_drained_ = context_.is_draining;
    emptied_.notify_all();
  }

  const HttpServerOptions options_;
  const HttpHandler handler_;
  const Listener listener_;
  // Also held by exchanges, whose writers may outlive this server.
  const std::shared_ptr<asio::io_context> io_ = std::make_shared<asio::io_context>(1);
  ThreadPool pool_;
  ConnectionContext context_;
  asio::posix::stream_descriptor gate_;
  asio::steady_timer pause_;
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  std::map<std::uint64_t, std::shared_ptr<Connection>> connections_;  // Input/output thread only.
  std::uint64_t next_id_ = 1;                                         // Input/output thread only.

  mutable Mutex count_mutex_;
  ConditionVariable emptied_;
  std::size_t num_connections_ PANAL_GUARDED_BY(count_mutex_) = 0;
  bool has_drained_ PANAL_GUARDED_BY(count_mutex_) = false;  // The drain has begun.

  Mutex stop_mutex_;
  std::thread thread_ PANAL_GUARDED_BY(stop_mutex_);
};

}  // namespace detail

namespace {
constexpr std::size_t kOtherDescriptors = 1024;  // Of a process, besides connections.
}

ResponseWriter::ResponseWriter(std::shared_ptr<detail::Exchange> exchange)
    : exchange_(std::move(exchange)) {}
ResponseWriter::~ResponseWriter() { exchange_->drop(); }
bool ResponseWriter::send(int status, const HttpHeaders& headers, std::string_view body) {
  return exchange_->send(status, headers, body);
}
bool ResponseWriter::begin(int status, const HttpHeaders& headers) {
  return exchange_->begin(status, headers);
}
bool ResponseWriter::write(std::string_view chunk) { return exchange_->write(chunk); }
bool ResponseWriter::end() { return exchange_->end(); }
void ResponseWriter::fill_silence(std::chrono::milliseconds silence, std::string filler) {
  exchange_->fill_silence({.after = silence, .filler = std::move(filler)});
}
bool ResponseWriter::has_begun() const { return exchange_->has_begun(); }
bool ResponseWriter::has_room() const { return exchange_->has_room(); }
void ResponseWriter::when_room(std::function<void()> then) {
  exchange_->when_room(std::move(then));
}
bool ResponseWriter::wait_for_room() { return exchange_->wait_for_room(); }
std::stop_token ResponseWriter::client_gone() const { return exchange_->client_gone(); }

HttpServer::HttpServer(std::unique_ptr<detail::ServerCore> core) : core_(std::move(core)) {}
HttpServer::~HttpServer() = default;

Result<std::unique_ptr<HttpServer>> HttpServer::start(HttpServerOptions options,
                                                      HttpHandler handler, Clock& clock) {
  // Each answer in progress may need a second connection, to whoever makes it.
  detail::raise_descriptor_limit(2 * options.max_connections + kOtherDescriptors);
  PANAL_ASSIGN(const detail::Listener listener, detail::open_listener(options));
  return capture([&]() -> Result<std::unique_ptr<HttpServer>> {
    auto core = std::make_unique<detail::ServerCore>(std::move(options), std::move(handler),
                                                     listener, clock);
    return std::unique_ptr<HttpServer>(new HttpServer(std::move(core)));
  });
}

std::uint16_t HttpServer::port() const { return core_->port(); }

Endpoint HttpServer::endpoint() const {
  if (!core_->options().unix_path.empty()) return Endpoint::unix_socket(core_->options().unix_path);
  return Endpoint::tcp(core_->options().address, core_->port());
}

std::size_t HttpServer::num_running_handlers() const { return core_->num_running(); }
std::size_t HttpServer::num_connections() const { return core_->num_connections(); }
void HttpServer::stop(std::chrono::milliseconds drain) { core_->stop(drain); }

}  // namespace panal::net
