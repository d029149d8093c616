// Hashes: SHA-256 names content (blobs, lineage), XXH3 finds torn bytes fast, neither is for
// passwords.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace panal {

/// SHA-256 over bytes that arrive in pieces.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;
  void update(std::span<const std::byte> bytes);
  void update(std::string_view text);
  /// 64 lower-case hexadecimal digits. Call once, last.
  std::string hex();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// XXH3 over bytes that arrive in pieces: equal to xxh3_64 of all of them.
class Xxh3 {
 public:
  Xxh3();
  ~Xxh3();
  Xxh3(Xxh3&&) noexcept;
  Xxh3& operator=(Xxh3&&) noexcept;
  void update(std::span<const std::byte> bytes);
  std::uint64_t digest() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

std::string sha256_hex(std::string_view text);
/// True for exactly 64 lower-case hexadecimal digits.
bool is_sha256_hex(std::string_view text);
std::uint64_t xxh3_64(std::span<const std::byte> bytes);
std::uint64_t xxh3_64(std::string_view text);
/// `num_bytes` random bytes from the system's generator, as hexadecimal digits: for identifiers and
/// tokens.
std::string random_hex(std::size_t num_bytes);

}  // namespace panal
