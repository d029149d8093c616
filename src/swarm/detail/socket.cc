#include "swarm/detail/socket.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <vector>

namespace panal::swarm::detail {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view kUnix = "unix:";
constexpr std::string_view kTcp = "tcp:";
constexpr char kCarrier = 'm';  // The byte that a descriptor comes with.

Status system_error(std::string_view what) {
  return Status(Code::kUnavailable, fmt::format("{}: {}", what, std::strerror(errno)));
}

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t length = 0;
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

Result<SocketAddress> resolve(const std::string& address) {
  SocketAddress found;
  if (is_unix_address(address)) {
    auto& local = reinterpret_cast<sockaddr_un&>(found.storage);
    local.sun_family = AF_UNIX;
    std::strncpy(local.sun_path, address.c_str() + kUnix.size(), sizeof local.sun_path - 1);
    found.length = sizeof local;
    return found;
  }
  const std::string rest = address.substr(kTcp.size());
  const auto colon = rest.rfind(':');
  std::string host = rest.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  const int error = getaddrinfo(host.c_str(), rest.c_str() + colon + 1, &hints, &list);
  if (error != 0) {
    return Status(Code::kUnavailable,
                  fmt::format("cannot resolve {}: {}", address, gai_strerror(error)));
  }
  std::memcpy(&found.storage, list->ai_addr, list->ai_addrlen);
  found.length = list->ai_addrlen;
  freeaddrinfo(list);
  return found;
}

Descriptor open_socket(const SocketAddress& address) {
  return Descriptor(socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
}

void prepare(const Descriptor& socket) {
  const int on = 1;  // Fails on unix sockets, where it means nothing.
  setsockopt(socket.number(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

Status wait_for(const Descriptor& socket, short events, const Deadline& until) {
  while (true) {
    pollfd waiting{socket.number(), events, 0};
    const int ready = poll(
        &waiting, 1, static_cast<int>(std::min<std::int64_t>(until.left().count(), 1'000'000'000)));
    if (ready > 0) return Status();
    if (ready < 0 && errno == EINTR) continue;
    if (ready < 0) return system_error("waiting for a connection failed");
    return Status(Code::kDeadlineExceeded, "nothing came in time");
  }
}

Status receive_all(const Descriptor& socket, char* bytes, std::size_t count,
                   const Deadline& until) {
  while (count > 0) {
    PANAL_TRY(wait_for(socket, POLLIN, until));
    const ssize_t got = recv(socket.number(), bytes, count, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (got < 0) return system_error("a connection broke");
    if (got == 0) return Status(Code::kUnavailable, "a connection closed");
    bytes += got;
    count -= static_cast<std::size_t>(got);
  }
  return Status();
}

// One byte that carries a descriptor beside it.
struct DescriptorMessage {
  char byte = 0;
  iovec data{&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};

  DescriptorMessage() {
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
  }
  DescriptorMessage(const DescriptorMessage&) = delete;  // It points into itself.
  DescriptorMessage& operator=(const DescriptorMessage&) = delete;
};

}  // namespace

bool is_unix_address(std::string_view address) { return address.starts_with(kUnix); }

Status check_address(std::string_view address) {
  if (is_unix_address(address)) {
    const std::size_t length = address.size() - kUnix.size();
    // Two parts of the name are added for the sockets of the ranks.
    if (length > 0 && length < sizeof(sockaddr_un::sun_path) - 8) return Status();
    return Status(Code::kInvalidArgument,
                  fmt::format("a group's socket path must have 1 to {} bytes, found {}",
                              sizeof(sockaddr_un::sun_path) - 9, length));
  }
  const auto colon = address.rfind(':');
  int port = -1;
  if (address.starts_with(kTcp) && colon > kTcp.size()) {
    const std::string_view digits = address.substr(colon + 1);
    const auto [end, error] = std::from_chars(digits.begin(), digits.end(), port);
    if (error != std::errc() || end != digits.end()) port = -1;
  }
  if (port >= 0 && port <= 65535) return Status();
  return Status(Code::kInvalidArgument,
                fmt::format("a group's address must be unix:/path or tcp:host:port, found \"{}\"",
                            address.substr(0, 120)));
}

Result<Descriptor> listen_at(const std::string& address) {
  PANAL_ASSIGN(const SocketAddress resolved, resolve(address));
  Descriptor listener = open_socket(resolved);
  const std::string path = is_unix_address(address) ? address.substr(kUnix.size()) : "";
  const int on = 1;
  setsockopt(listener.number(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  // Nobody can connect between bind and listen, so the mode is right before it matters.
  if (bind(listener.number(), resolved.get(), resolved.length) != 0 ||
      (!path.empty() && chmod(path.c_str(), 0600) != 0) || listen(listener.number(), 1024) != 0) {
    return system_error(fmt::format("cannot listen at {}", address));
  }
  return listener;
}

Result<int> port_of(const Descriptor& listener) {
  SocketAddress own;
  own.length = sizeof own.storage;
  if (getsockname(listener.number(), reinterpret_cast<sockaddr*>(&own.storage), &own.length) != 0) {
    return system_error("a listening socket has no port");
  }
  return static_cast<int>(ntohs(own.storage.ss_family == AF_INET6
                                    ? reinterpret_cast<sockaddr_in6&>(own.storage).sin6_port
                                    : reinterpret_cast<sockaddr_in&>(own.storage).sin_port));
}

Result<std::string> host_of_peer(const Descriptor& connection) {
  SocketAddress peer;
  peer.length = sizeof peer.storage;
  char host[NI_MAXHOST];
  if (getpeername(connection.number(), reinterpret_cast<sockaddr*>(&peer.storage), &peer.length) !=
          0 ||
      getnameinfo(peer.get(), peer.length, host, sizeof host, nullptr, 0, NI_NUMERICHOST) != 0) {
    return Status(Code::kUnavailable, "a connection has no peer");
  }
  const std::string text = host;
  return text.find(':') == std::string::npos ? text : "[" + text + "]";
}

Result<Descriptor> connect_to(const std::string& address, const Deadline& until) {
  while (true) {
    PANAL_ASSIGN(const SocketAddress resolved, resolve(address));
    Descriptor socket = open_socket(resolved);
    if (connect(socket.number(), resolved.get(), resolved.length) == 0) {
      prepare(socket);
      return socket;
    }
    if (until.is_over()) {
      return Status(Code::kDeadlineExceeded,
                    fmt::format("nobody answered at {}: {}", address, std::strerror(errno)));
    }
    until.sleep_for(10ms);
  }
}

Result<Descriptor> accept_from(const Descriptor& listener, const Deadline& until) {
  while (true) {
    PANAL_TRY(wait_for(listener, POLLIN, until));
    Descriptor socket(accept4(listener.number(), nullptr, nullptr, SOCK_CLOEXEC));
    if (socket.is_open()) {
      prepare(socket);
      return socket;
    }
    if (errno != EINTR && errno != ECONNABORTED && errno != EAGAIN) {
      return system_error("cannot accept a connection");
    }
  }
}

Status send_message(const Descriptor& socket, const Json& message, const Deadline& until) {
  const std::string body = to_line(message);
  const auto length = static_cast<std::uint32_t>(body.size());
  std::string bytes(reinterpret_cast<const char*>(&length), sizeof length);
  bytes += body;
  std::string_view rest = bytes;
  while (!rest.empty()) {
    PANAL_TRY(wait_for(socket, POLLOUT, until));
    const ssize_t count =
        send(socket.number(), rest.data(), rest.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count < 0 && errno != EAGAIN && errno != EINTR) return system_error("a connection broke");
    if (count > 0) rest.remove_prefix(static_cast<std::size_t>(count));
  }
  return Status();
}

Result<Json> receive_message(const Descriptor& socket, std::size_t most_bytes,
                             const Deadline& until) {
  std::uint32_t length = 0;
  PANAL_TRY(receive_all(socket, reinterpret_cast<char*>(&length), sizeof length, until));
  if (length > most_bytes) {
    return Status(
        Code::kCorrupt,
        fmt::format("a rank's message must have at most {} bytes, found {}", most_bytes, length));
  }
  std::string body(length, '\0');
  PANAL_TRY(receive_all(socket, body.data(), body.size(), until));
  PANAL_ASSIGN(Json message, parse_json(body, "message of a rank"));
  if (!message.is_object()) return Status(Code::kCorrupt, "a rank's message must be an object");
  return message;
}

Status send_descriptor(const Descriptor& socket, const Descriptor& sent) {
  DescriptorMessage carrier;
  carrier.byte = kCarrier;
  cmsghdr* header = CMSG_FIRSTHDR(&carrier.message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  const int number = sent.number();
  std::memcpy(CMSG_DATA(header), &number, sizeof number);
  if (sendmsg(socket.number(), &carrier.message, MSG_NOSIGNAL) == 1) return Status();
  return system_error("cannot hand over shared memory");
}

Result<Descriptor> receive_descriptor(const Descriptor& socket, const Deadline& until) {
  PANAL_TRY(wait_for(socket, POLLIN, until));
  DescriptorMessage carrier;
  const ssize_t count = recvmsg(socket.number(), &carrier.message, MSG_CMSG_CLOEXEC);
  const cmsghdr* header = count == 1 ? CMSG_FIRSTHDR(&carrier.message) : nullptr;
  if (header == nullptr || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS ||
      header->cmsg_len != CMSG_LEN(sizeof(int)) || carrier.byte != kCarrier) {
    return Status(Code::kUnavailable, "a rank did not hand over its shared memory");
  }
  int number = -1;
  std::memcpy(&number, CMSG_DATA(header), sizeof number);
  return Descriptor(number);
}

}  // namespace panal::swarm::detail
