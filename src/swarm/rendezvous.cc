// How ranks find each other. All go to rank 0 with the token and say where they listen; rank 0
// sends the list; then each connects to the ranks below it and, over sockets, to its next rank. All
// connections are opened before any is accepted, so nobody waits in a circle.
#include <fmt/format.h>

#include "base/hash.h"
#include "swarm/detail/group_state.h"
#include "swarm/detail/socket.h"

namespace panal::swarm {
namespace {

using namespace std::chrono_literals;
using detail::Descriptor;

constexpr int kMostRanks = 1024;
constexpr std::size_t kGreetingBytes = 4096;
constexpr std::size_t kListBytes = 1 << 20;
constexpr auto kGreetingTime = 1s;  // A connection that says nothing must not hold up the others.

Status check(const GroupOptions& options) {
  const auto refuse = [](std::string text) {
    return Status(Code::kInvalidArgument, std::move(text));
  };
  if (options.size < 1 || options.size > kMostRanks) {
    return refuse(
        fmt::format("a group must have 1 to {} ranks, found {}", kMostRanks, options.size));
  }
  if (options.rank < 0 || options.rank >= options.size) {
    return refuse(
        fmt::format("a rank must be from 0 to {}, found {}", options.size - 1, options.rank));
  }
  if (options.join_deadline < 1ms || options.deadline < 1ms) {
    return refuse("a group's deadlines must be over 0");
  }
  if (options.size == 1) return Status();
  if (options.token.size() < 16 || options.token.size() > 256) {
    return refuse(
        fmt::format("a group's token must have 16 to 256 bytes, found {}", options.token.size()));
  }
  return detail::check_address(options.address);
}

bool is_equal_in_constant_time(std::string_view left, std::string_view right) {
  unsigned difference = left.size() == right.size() ? 0 : 1;
  for (std::size_t i = 0; i < std::min(left.size(), right.size()); ++i) {
    difference |= static_cast<unsigned char>(left[i]) ^ static_cast<unsigned char>(right[i]);
  }
  return difference == 0;
}

class Rendezvous {
 public:
  Rendezvous(const GroupOptions& options, Clock& clock)
      : options_(options),
        clock_(clock),
        until_(clock, options.join_deadline),
        is_local_(detail::is_unix_address(options.address)),
        token_hash_(sha256_hex(options.token)),
        endpoints_(static_cast<std::size_t>(options.size)),
        control_(static_cast<std::size_t>(options.size)) {}
  ~Rendezvous() {
    if (is_local_) ::unlink(own_address_.substr(5).c_str());
  }

  Status connect() {
    own_address_ = options_.address;
    if (options_.rank > 0) {
      own_address_ = is_local_ ? fmt::format("{}.{}", options_.address, options_.rank) : any_port();
    }
    if (is_local_) ::unlink(own_address_.substr(5).c_str());  // Of a rank that died while it met.
    PANAL_ASSIGN(listener_, detail::listen_at(own_address_));
    PANAL_TRY(options_.rank == 0 ? gather() : report());
    return options_.size == 1 ? Status() : connect_all();
  }

  Result<std::unique_ptr<detail::Ring>> ring() {
    const auto next = static_cast<std::size_t>((options_.rank + 1) % options_.size);
    const auto previous =
        static_cast<std::size_t>((options_.rank + options_.size - 1) % options_.size);
    if (!is_local_) {
      auto link = detail::make_socket_link(std::move(to_next_), std::move(from_previous_));
      return std::make_unique<detail::Ring>(
          std::make_unique<detail::Mesh>(options_.rank, std::move(control_)), std::move(link),
          options_.deadline, clock_);
    }
    PANAL_ASSIGN(const Descriptor own, detail::make_shared_line(options_.buffer_bytes));
    PANAL_TRY(detail::send_descriptor(control_[next], own));
    PANAL_ASSIGN(const Descriptor other, detail::receive_descriptor(control_[previous], until_));
    return detail::make_local_ring(options_.rank, std::move(control_), own, other,
                                   options_.deadline, clock_, {});
  }

 private:
  std::string any_port() const {
    return options_.address.substr(0, 5) == "tcp:[" ? "tcp:[::]:0" : "tcp:0.0.0.0:0";
  }

  Json greeting(std::string_view purpose) const {
    return {{"swarm", 1},
            {"token", token_hash_},
            {"rank", options_.rank},
            {"size", options_.size},
            {"purpose", purpose}};
  }

  // Rank of who greets rightly; nothing for a stranger, who is sent away.
  struct Greeted {
    int rank;
    std::string purpose;
    Json message;
  };
  Result<Greeted> greeted(const Descriptor& socket) const {
    PANAL_ASSIGN(Json message,
                 detail::receive_message(socket, kGreetingBytes, until_.within(kGreetingTime)));
    constexpr std::string_view kWhere = "greeting of a rank";
    PANAL_ASSIGN(const std::string token, json_string(message, "token", kWhere));
    if (!is_equal_in_constant_time(token, token_hash_)) {
      return Status(Code::kInvalidArgument, "a rank came with another token");
    }
    PANAL_ASSIGN(const auto size, json_integer(message, "size", kWhere, 1, kMostRanks));
    if (size != options_.size) {
      return Status(
          Code::kInvalidArgument,
          fmt::format("a rank came to a group of {}, but this one has {}", size, options_.size));
    }
    PANAL_ASSIGN(const auto rank, json_integer(message, "rank", kWhere, 0, options_.size - 1));
    PANAL_ASSIGN(std::string purpose, json_string(message, "purpose", kWhere));
    return Greeted{static_cast<int>(rank), std::move(purpose), std::move(message)};
  }

  Status missing(const Status& status, int come) const {
    if (status.code() != Code::kDeadlineExceeded) return status;
    return Status(Code::kDeadlineExceeded,
                  fmt::format("{} of {} ranks came to {} within {} ms", come, options_.size,
                              options_.address, options_.join_deadline.count()));
  }

  Status gather() {
    for (int come = 1; come < options_.size;) {
      auto socket = detail::accept_from(listener_, until_);
      if (!socket.ok()) return missing(socket.status(), come);
      auto who = greeted(*socket);
      if (!who.ok() || who->rank == 0 || who->purpose != "join") continue;
      auto& place = control_[static_cast<std::size_t>(who->rank)];
      if (place.is_open()) continue;  // A rank comes once.
      auto& endpoint = endpoints_[static_cast<std::size_t>(who->rank)];
      if (is_local_) {
        endpoint = fmt::format("{}.{}", options_.address, who->rank);
      } else {
        const auto port = json_integer(who->message, "port", "greeting of a rank", 1, 65535);
        const auto host = detail::host_of_peer(*socket);
        if (!port.ok() || !host.ok()) continue;
        endpoint = fmt::format("tcp:{}:{}", *host, *port);
      }
      place = std::move(*socket);
      ++come;
    }
    endpoints_[0] = options_.address;
    const Json list = {{"endpoints", endpoints_}};
    for (int rank = 1; rank < options_.size; ++rank) {
      PANAL_TRY(detail::send_message(control_[static_cast<std::size_t>(rank)], list, until_)
                    .with_context(fmt::format("rank {}", rank)));
    }
    return Status();
  }

  Status report() {
    PANAL_ASSIGN(Descriptor socket, detail::connect_to(options_.address, until_));
    Json message = greeting("join");
    if (!is_local_) {
      PANAL_ASSIGN(const int port, detail::port_of(listener_));
      message["port"] = port;
    }
    PANAL_TRY(detail::send_message(socket, message, until_));
    auto list = detail::receive_message(socket, kListBytes, until_);
    if (!list.ok()) {
      return list.status().with_context(
          fmt::format("rank 0 at {} did not let rank {} in (another token or size, or a rank that "
                      "is there already, is refused)",
                      options_.address, options_.rank));
    }
    if (!json_has(*list, "endpoints") || !(*list)["endpoints"].is_array() ||
        (*list)["endpoints"].size() != endpoints_.size()) {
      return Status(Code::kCorrupt, "rank 0 must send one endpoint for each rank");
    }
    for (std::size_t i = 0; i < endpoints_.size(); ++i) {
      const Json& endpoint = (*list)["endpoints"][i];
      if (!endpoint.is_string()) return Status(Code::kCorrupt, "an endpoint must be a text");
      endpoints_[i] = endpoint.get<std::string>();
      PANAL_TRY(detail::check_address(endpoints_[i]));
    }
    control_[0] = std::move(socket);
    return Status();
  }

  Status connect_all() {
    for (int rank = 1; rank < options_.rank; ++rank) {
      const auto index = static_cast<std::size_t>(rank);
      PANAL_ASSIGN(control_[index], detail::connect_to(endpoints_[index], until_));
      PANAL_TRY(detail::send_message(control_[index], greeting("control"), until_));
    }
    int expected = options_.rank == 0 ? 0 : options_.size - 1 - options_.rank;
    if (!is_local_) {
      const auto next = static_cast<std::size_t>((options_.rank + 1) % options_.size);
      PANAL_ASSIGN(to_next_, detail::connect_to(endpoints_[next], until_));
      PANAL_TRY(detail::send_message(to_next_, greeting("line"), until_));
      ++expected;
    }
    while (expected > 0) {
      auto socket = detail::accept_from(listener_, until_);
      if (!socket.ok()) return missing(socket.status(), options_.size - expected);
      auto who = greeted(*socket);
      if (!who.ok()) continue;
      const bool is_line =
          who->purpose == "line" && !is_local_ && (who->rank + 1) % options_.size == options_.rank;
      const bool is_control = who->purpose == "control" && who->rank > options_.rank;
      if (!is_line && !is_control) continue;
      Descriptor& place = is_line ? from_previous_ : control_[static_cast<std::size_t>(who->rank)];
      if (place.is_open()) continue;
      place = std::move(*socket);
      --expected;
    }
    return Status();
  }

  const GroupOptions& options_;
  Clock& clock_;  // Outlives the group.
  const Deadline until_;
  const bool is_local_;
  const std::string token_hash_;
  std::string own_address_;
  Descriptor listener_, to_next_, from_previous_;
  std::vector<std::string> endpoints_;
  std::vector<Descriptor> control_;
};

}  // namespace

Result<Group> Group::join(const GroupOptions& options, Clock& clock) {
  PANAL_TRY(check(options));
  auto state = std::make_unique<State>();
  state->deadline = options.deadline;
  state->clock = &clock;
  if (options.size == 1) return Group(std::move(state));
  {
    Rendezvous rendezvous(options, clock);
    PANAL_TRY(rendezvous.connect());
    PANAL_ASSIGN(state->ring, rendezvous.ring());
  }
  Group group(std::move(state));
  PANAL_TRY(group.barrier());
  return group;
}

}  // namespace panal::swarm
