// The thread on which all answers that nobody waits for arrive.
#pragma once

// clang-format off: it comes before Boost.
#include "net/detail/asio_config.h"
// clang-format on

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <map>
#include <memory>
#include <thread>

#include "net/detail/client_exchange.h"

namespace panal::net::detail {

/// Thread-safe. The destructor cancels what is open and waits for its callbacks.
class ClientLoop {
 public:
  /// The context outlives the loop. Throws when the machine gives no thread.
  explicit ClientLoop(ClientContext& context);
  ~ClientLoop();
  ClientLoop(const ClientLoop&) = delete;
  ClientLoop& operator=(const ClientLoop&) = delete;

  void start(ClientRequest request, HttpClient::Callbacks callbacks, std::stop_token stop);

 private:
  void begin(std::shared_ptr<const ClientRequest> request, HttpClient::Callbacks callbacks,
             std::stop_token stop);
  void run();

  ClientContext& context_;
  boost::asio::io_context io_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  std::map<std::uint64_t, std::shared_ptr<ClientExchange>> open_;  // The loop's thread only.
  std::uint64_t next_id_ = 1;                                      // The loop's thread only.
  bool is_closing_ = false;                                        // The loop's thread only.
  std::thread thread_;
};

}  // namespace panal::net::detail
