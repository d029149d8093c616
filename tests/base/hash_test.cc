// Hashes against published values: they name stored content, so they must never change.
#include "base/hash.h"

#include <gtest/gtest.h>

namespace panal {
namespace {

TEST(Sha256, EqualsThePublishedExamples) {
  EXPECT_EQ(sha256_hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256_hex(std::string(1'000'000, 'a')),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256, IsTheSameInPieces) {
  Sha256 hash;
  hash.update("a");
  Sha256 moved = std::move(hash);
  moved.update("");
  moved.update("bc");
  EXPECT_EQ(moved.hex(), sha256_hex("abc"));
}

TEST(Sha256, IsRecognisedInText) {
  const std::string good = sha256_hex("x");
  EXPECT_TRUE(is_sha256_hex(good));
  EXPECT_FALSE(is_sha256_hex(good.substr(1)));
  EXPECT_FALSE(is_sha256_hex(good + "0"));
  EXPECT_FALSE(is_sha256_hex(std::string(64, 'A')));
  EXPECT_FALSE(is_sha256_hex(std::string(64, '/')));
}

TEST(Xxh3, EqualsThePublishedValueAndDependsOnEveryByte) {
  EXPECT_EQ(xxh3_64(""), 0x2d06800538d394c2ULL);
  std::string text(1000, 'x');
  const std::uint64_t before = xxh3_64(text);
  for (const std::size_t place : {std::size_t{0}, std::size_t{500}, std::size_t{999}}) {
    text[place] = 'y';
    EXPECT_NE(xxh3_64(text), before) << place;
    text[place] = 'x';
  }
}

TEST(Xxh3, PiecesOfAnySizeEqualTheWhole) {
  std::string text(5000, 'x');
  for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>(i * 7 % 251);
  for (const std::size_t piece : {1, 63, 1024, 5000}) {
    Xxh3 hash;
    for (std::size_t begin = 0; begin < text.size(); begin += piece)
      hash.update(std::as_bytes(std::span(text).subspan(begin, std::min(piece, 5000 - begin))));
    EXPECT_EQ(hash.digest(), xxh3_64(text)) << piece;
  }
  EXPECT_EQ(Xxh3().digest(), xxh3_64(""));
}

TEST(RandomHex, IsAsLongAsAskedAndNeverTheSame) {
  EXPECT_EQ(random_hex(16).size(), 32u);
  EXPECT_EQ(random_hex(0), "");
  EXPECT_NE(random_hex(16), random_hex(16));
}

}  // namespace
}  // namespace panal
