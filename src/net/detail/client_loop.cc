#include "net/detail/client_loop.h"

#include <boost/asio/post.hpp>
#include <utility>

#include "base/error.h"
#include "base/log.h"

namespace panal::net::detail {

namespace asio = boost::asio;

ClientLoop::ClientLoop(ClientContext& context)
    : context_(context), work_(asio::make_work_guard(io_)), thread_([this] { run(); }) {}

ClientLoop::~ClientLoop() {
  asio::post(io_, [this] {
    is_closing_ = true;
    const auto all = open_;  // Each takes itself out.
    for (const auto& [id, exchange] : all) exchange->give_up(exchange->cancelled());
  });
  work_.reset();
  thread_.join();
}

void ClientLoop::start(ClientRequest request, HttpClient::Callbacks callbacks,
                       std::stop_token stop) {
  // Shared because a posted function must be copyable.
  auto shared = std::make_shared<const ClientRequest>(std::move(request));
  asio::post(io_, [this, shared = std::move(shared), callbacks = std::move(callbacks),
                   stop = std::move(stop)]() mutable {
    begin(std::move(shared), std::move(callbacks), std::move(stop));
  });
}

void ClientLoop::begin(std::shared_ptr<const ClientRequest> request,
                       HttpClient::Callbacks callbacks, std::stop_token stop) {
  const std::uint64_t id = next_id_++;
  callbacks.on_done = [this, id,
                       done = std::move(callbacks.on_done)](Result<ClientResponse> outcome) {
    const auto last = open_.extract(id);  // Lives until its caller has returned.
    const Status told = capture([&] { done(std::move(outcome)); });
    if (!told.ok()) log_error("net: a callback threw: " + told.message());
  };
  const auto exchange =
      std::make_shared<ClientExchange>(io_, context_, std::move(request), std::move(callbacks));
  open_.emplace(id, exchange);
  if (is_closing_) return exchange->give_up(exchange->cancelled());
  exchange->begin(std::move(stop));
}

void ClientLoop::run() {
  while (true) {
    const Status outcome = capture([this] { io_.run(); });
    if (outcome.ok()) return;
    log_error("net: " + outcome.message());
  }
}

}  // namespace panal::net::detail
