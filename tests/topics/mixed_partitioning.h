// The documents of three domains, partitioned once for all tests.
#pragma once

#include <gtest/gtest.h>

#include "tests/data/mixed_documents.h"
#include "topics/partitioner.h"

namespace panal::topics {

using data::mixed_documents;
using data::origins_of;

/// mixed_documents() partitioned with default options.
inline const Partitioning& mixed_partitioning() {
  static const Partitioning made = [] {
    auto result = partition(mixed_documents());
    EXPECT_TRUE(result.ok()) << result.status().message();
    return result.ok() ? std::move(result).value() : Partitioning();
  }();
  return made;
}

}  // namespace panal::topics
