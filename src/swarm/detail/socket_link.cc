#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "swarm/detail/ring_link.h"

namespace panal::swarm::detail {
namespace {

constexpr std::size_t kStagingBytes = 256 << 10;
constexpr std::size_t kShortBytes = 64;

class SocketLink final : public RingLink {
 public:
  SocketLink(Descriptor next, Descriptor previous)
      : next_(std::move(next)), previous_(std::move(previous)), staging_(kStagingBytes) {
    for (const int number : {next_.number(), previous_.number()}) {
      fcntl(number, F_SETFL, fcntl(number, F_GETFL) | O_NONBLOCK);
    }
  }

  Result<std::size_t> write_some(std::span<const std::byte> bytes) override {
    const ssize_t count = send(next_.number(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count >= 0) return static_cast<std::size_t>(count);
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) return std::size_t{0};
    return Status(Code::kUnavailable,
                  fmt::format("its connection broke: {}", std::strerror(errno)));
  }

  Result<std::span<const std::byte>> readable() override {
    // A short rest moves to the front, so that elements and openings never stay split.
    if (end_ - begin_ < kShortBytes) {
      std::memmove(staging_.data(), staging_.data() + begin_, end_ - begin_);
      end_ -= begin_;
      begin_ = 0;
      const ssize_t count =
          recv(previous_.number(), staging_.data() + end_, staging_.size() - end_, 0);
      if (count > 0) end_ += static_cast<std::size_t>(count);
      if (count == 0 && begin_ == end_) {
        return Status(Code::kUnavailable, "its connection closed");
      }
      if (count < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) {
        return Status(Code::kUnavailable,
                      fmt::format("its connection broke: {}", std::strerror(errno)));
      }
    }
    return std::span<const std::byte>(staging_).subspan(begin_, end_ - begin_);
  }

  void consume(std::size_t num_bytes) override {
    begin_ += num_bytes;
    if (begin_ == end_) begin_ = end_ = 0;
  }

  bool is_worth_a_look() const override { return false; }
  bool is_ready(bool, bool) override { return false; }
  bool may_sleep(bool wants_write, bool wants_read, std::vector<pollfd>& waits) override {
    if (wants_write) waits.push_back({next_.number(), POLLOUT, 0});
    if (wants_read) waits.push_back({previous_.number(), POLLIN, 0});
    return true;
  }

 private:
  Descriptor next_, previous_;
  std::vector<std::byte> staging_;
  std::size_t begin_ = 0, end_ = 0;  // Of what is not consumed.
};

}  // namespace

std::unique_ptr<RingLink> make_socket_link(Descriptor next, Descriptor previous) {
  return std::make_unique<SocketLink>(std::move(next), std::move(previous));
}

}  // namespace panal::swarm::detail
