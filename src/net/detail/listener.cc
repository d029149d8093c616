#include "net/detail/listener.h"

#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <system_error>
#include <utility>

namespace panal::net::detail {
namespace {

constexpr int kBacklog = 4096;  // The kernel takes what its own limit allows.

std::string error_text(int error) { return std::system_category().message(error); }

class Descriptor {
 public:
  explicit Descriptor(int value) : value_(value) {}
  ~Descriptor() {
    if (value_ >= 0) ::close(value_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return value_; }
  int release() { return std::exchange(value_, -1); }

 private:
  int value_;
};

int new_socket(int family) {
  return ::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

// A socket file outlives its process. Whether one is behind it, only a connection tells.
Status make_room_for(const std::string& path, const sockaddr_un& address) {
  struct stat found {};
  if (::lstat(path.c_str(), &found) != 0) return Status();
  if (!S_ISSOCK(found.st_mode)) {
    return Status(
        Code::kConflict,
        fmt::format("cannot listen on {}: there is a file that is no socket; remove it or "
                    "choose another path",
                    path));
  }
  const Descriptor probe(new_socket(AF_UNIX));
  const auto* raw = reinterpret_cast<const sockaddr*>(&address);
  if (::connect(probe.get(), raw, sizeof(address)) == 0 || errno == EAGAIN) {
    return Status(
        Code::kConflict,
        fmt::format("cannot listen on {}: another process serves there; stop it or choose "
                    "another path",
                    path));
  }
  if (errno != ECONNREFUSED) {
    return Status(Code::kUnavailable,
                  fmt::format("cannot listen on {}: the socket file there does not answer: {}",
                              path, error_text(errno)));
  }
  ::unlink(path.c_str());
  return Status();
}

Result<Listener> listen_on_unix(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) {
    return Status(Code::kInvalidArgument,
                  fmt::format("cannot listen on {}: a socket's path may have {} bytes, this has {}",
                              path, sizeof(address.sun_path) - 1, path.size()));
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  PANAL_TRY(make_room_for(path, address));
  Descriptor socket(new_socket(AF_UNIX));
  const auto* raw = reinterpret_cast<const sockaddr*>(&address);
  if (socket.get() < 0 || ::bind(socket.get(), raw, sizeof(address)) != 0) {
    const Code code = errno == EADDRINUSE ? Code::kConflict : Code::kUnavailable;
    return Status(code, fmt::format("cannot listen on {}: {}", path, error_text(errno)));
  }
  // Nobody can connect between bind() and listen(), so the mode is right from the first connection
  // on.
  struct stat made {};
  if (::chmod(path.c_str(), 0600) != 0 || ::lstat(path.c_str(), &made) != 0 ||
      ::listen(socket.get(), kBacklog) != 0) {
    return Status(Code::kUnavailable,
                  fmt::format("cannot listen on {}: {}", path, error_text(errno)));
  }
  return Listener{.descriptor = socket.release(),
                  .port = 0,
                  .device = static_cast<std::uint64_t>(made.st_dev),
                  .inode = static_cast<std::uint64_t>(made.st_ino)};
}

Result<Listener> listen_on_tcp(const std::string& address, std::uint16_t port) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE;
  addrinfo* found = nullptr;
  const std::string host = address == "localhost" ? "127.0.0.1" : address;
  if (::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found) != 0) {
    return Status(
        Code::kInvalidArgument,
        fmt::format("cannot listen on \"{}\": expected an address such as 127.0.0.1", address));
  }
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owned(found, &::freeaddrinfo);
  Descriptor socket(new_socket(found->ai_family));
  const int on = 1;  // Without it a restart would wait a minute for old connections to fade.
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (socket.get() < 0 || ::bind(socket.get(), found->ai_addr, found->ai_addrlen) != 0 ||
      ::listen(socket.get(), kBacklog) != 0) {
    if (errno == EADDRINUSE) {
      return Status(Code::kConflict,
                    fmt::format("port {} on {} is in use by another program; stop that program or "
                                "choose another port (0 takes any free one)",
                                port, address));
    }
    const char* advice = errno == EACCES ? "; ports below 1024 belong to root" : "";
    return Status(Code::kUnavailable, fmt::format("cannot listen on {} port {}: {}{}", address,
                                                  port, error_text(errno), advice));
  }
  sockaddr_storage bound{};
  socklen_t bound_bytes = sizeof(bound);
  ::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&bound), &bound_bytes);
  const auto bound_port = bound.ss_family == AF_INET6
                              ? reinterpret_cast<const sockaddr_in6&>(bound).sin6_port
                              : reinterpret_cast<const sockaddr_in&>(bound).sin_port;
  return Listener{.descriptor = socket.release(), .port = ntohs(bound_port)};
}

}  // namespace

Result<Listener> open_listener(const HttpServerOptions& options) {
  if (!options.unix_path.empty()) return listen_on_unix(options.unix_path);
  return listen_on_tcp(options.address, options.port);
}

void remove_socket_file(const Listener& listener, const std::string& path) {
  struct stat found {};
  if (::lstat(path.c_str(), &found) != 0) return;
  if (static_cast<std::uint64_t>(found.st_dev) == listener.device &&
      static_cast<std::uint64_t>(found.st_ino) == listener.inode) {
    ::unlink(path.c_str());
  }
}

void raise_descriptor_limit(std::size_t wanted) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted) return;
  limit.rlim_cur = std::min<rlim_t>(limit.rlim_max, wanted);
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace panal::net::detail
