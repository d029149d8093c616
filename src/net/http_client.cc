// A call that waits runs the exchange on a small event loop of its own, on the calling thread; one
// that does not shares the client's loop. Both use the same exchange and the same kept connections.
#include "net/http_client.h"

// clang-format off: it comes before Boost.
#include "net/detail/asio_config.h"
// clang-format on

#include <boost/asio/io_context.hpp>
#include <utility>

#include "base/error.h"
#include "base/mutex.h"
#include "net/detail/client_exchange.h"
#include "net/detail/client_loop.h"

namespace panal::net {

struct HttpClient::Parts {
  Parts(Endpoint endpoint, ClientOptions options, Clock& clock)
      : context{std::move(endpoint),
                options,
                {options.max_kept_connections, options.keep_deadline, clock}} {}

  detail::ClientLoop& running_loop() {
    const MutexLock lock(mutex);
    if (!loop) loop = std::make_unique<detail::ClientLoop>(context);
    return *loop;
  }

  Result<ClientResponse> wait_for(const ClientRequest& request, Callbacks callbacks,
                                  std::stop_token stop) {
    // Asio throws when the machine has no descriptors left; a callback may throw too.
    return capture([&]() -> Result<ClientResponse> {
      Result<ClientResponse> outcome = Status(Code::kInternal, "the request had no outcome");
      callbacks.on_done = [&](Result<ClientResponse> told) { outcome = std::move(told); };
      boost::asio::io_context io{1};
      // Borrowed, not owned: the caller waits here.
      const std::shared_ptr<const ClientRequest> borrowed(std::shared_ptr<void>(), &request);
      const auto exchange =
          std::make_shared<detail::ClientExchange>(io, context, borrowed, std::move(callbacks));
      const Status ran = capture([&] {
        exchange->begin(std::move(stop));
        io.run();
      });
      if (!ran.ok()) exchange->give_up(ran);
      return outcome;
    });
  }

  detail::ClientContext context;
  Mutex mutex;
  std::unique_ptr<detail::ClientLoop> loop PANAL_GUARDED_BY(mutex);  // Made by the first start().
};

HttpClient::HttpClient(Endpoint endpoint, ClientOptions options, Clock& clock)
    : parts_(std::make_unique<Parts>(std::move(endpoint), options, clock)) {}
HttpClient::~HttpClient() = default;

Result<ClientResponse> HttpClient::request(const ClientRequest& request,
                                           std::stop_token stop) const {
  return parts_->wait_for(request, {}, std::move(stop));
}

Result<ClientResponse> HttpClient::stream(const ClientRequest& request,
                                          const ChunkCallback& on_chunk, std::stop_token stop,
                                          const HeadCallback& on_head) const {
  return parts_->wait_for(request, {.on_head = on_head, .on_chunk = on_chunk, .on_done = {}},
                          std::move(stop));
}

void HttpClient::start(ClientRequest request, Callbacks callbacks, std::stop_token stop) const {
  const DoneCallback done = callbacks.on_done;
  const Status started = capture([&] {
    parts_->running_loop().start(std::move(request), std::move(callbacks), std::move(stop));
  });
  if (!started.ok()) done(started);  // The machine gives no thread.
}

const Endpoint& HttpClient::endpoint() const { return parts_->context.endpoint; }

}  // namespace panal::net
