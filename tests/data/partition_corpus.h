// Real text of three domains that is on every machine that builds panal: licences, the Python
// standard library and Don Quijote from examples/.
#pragma once

#include <string>
#include <vector>

#include "data/document.h"
#include "data/partitioner.h"

namespace panal::data {

/// A fresh folder that goes with the object.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  std::filesystem::path path;
};

void write_text(const std::filesystem::path& path, std::string_view bytes);

/// Licences ("legal"), Python ("code") and Don Quijote ("es"), shuffled with a fixed seed; about 4
/// MB. Each document's `source` is its domain.
const std::vector<Document>& mixed_documents();
std::vector<std::string> origins_of(const std::vector<Document>& documents);
/// mixed_documents() partitioned with default options, made once.
const Partitioning& mixed_partitioning();

}  // namespace panal::data
