#include "train/detail/summary_file.h"

#include "store/file_system.h"

namespace panal::train::detail {

Result<work::TrainingSummary> read_summary(const std::filesystem::path& path) {
  constexpr std::uint64_t kMaxBytes = 64u << 20;
  PANAL_ASSIGN(const std::string text, store::read_file(path, kMaxBytes));
  PANAL_ASSIGN(const Json json, parse_json(text, path.string()));
  return work::from_json<work::TrainingSummary>(json, path.string());
}

}  // namespace panal::train::detail
