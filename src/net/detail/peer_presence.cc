#include "net/detail/peer_presence.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <cstring>
#include <fstream>
#include <sstream>
#include <string>

namespace panal::net::detail {
namespace {

// As the kernel's table shows them: 32-bit words in hexadecimal, in the machine's byte order.
std::string in_table(const sockaddr_storage& address) {
  std::string shown;
  const auto add_words = [&](const void* bytes, std::size_t num_words) {
    for (std::size_t i = 0; i < num_words; ++i) {
      std::uint32_t word = 0;
      std::memcpy(&word, static_cast<const char*>(bytes) + i * sizeof(word), sizeof(word));
      shown += fmt::format("{:08X}", word);
    }
  };
  if (address.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
    add_words(&v4.sin_addr, 1);
    return shown + fmt::format(":{:04X}", ntohs(v4.sin_port));
  }
  const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
  add_words(&v6.sin6_addr, 4);
  return shown + fmt::format(":{:04X}", ntohs(v6.sin6_port));
}

// A socket that its process closed stays in the table until the other side closes too, but has no
// inode any more.
bool is_orphan(const std::string& local, const std::string& remote, const char* table) {
  std::ifstream file(table);
  std::string line;
  while (std::getline(file, line)) {
    if (line.find(local) == std::string::npos) continue;
    std::istringstream fields(line);
    std::string slot, its_local, its_remote, skipped, inode;
    fields >> slot >> its_local >> its_remote;
    if (its_local != local || its_remote != remote) continue;
    for (int field = 4; field <= 9; ++field) fields >> skipped;
    return fields >> inode && inode == "0";
  }
  return false;
}

}  // namespace

bool peer_has_left(int descriptor) {
  pollfd polled{.fd = descriptor, .events = 0, .revents = 0};
  if (::poll(&polled, 1, 0) > 0 && (polled.revents & (POLLHUP | POLLERR)) != 0) return true;
  sockaddr_storage own{};
  sockaddr_storage peer{};
  socklen_t own_bytes = sizeof(own);
  socklen_t peer_bytes = sizeof(peer);
  if (::getsockname(descriptor, reinterpret_cast<sockaddr*>(&own), &own_bytes) != 0 ||
      ::getpeername(descriptor, reinterpret_cast<sockaddr*>(&peer), &peer_bytes) != 0) {
    return false;
  }
  if (peer.ss_family == AF_INET) {
    return is_orphan(in_table(peer), in_table(own), "/proc/self/net/tcp");
  }
  if (peer.ss_family == AF_INET6) {
    return is_orphan(in_table(peer), in_table(own), "/proc/self/net/tcp6");
  }
  return false;
}

}  // namespace panal::net::detail
