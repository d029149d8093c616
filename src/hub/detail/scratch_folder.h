// A folder for files on their way between the catalogue and a job; gone with the object.
#pragma once

#include <filesystem>
#include <system_error>

#include "base/hash.h"
#include "store/home.h"

namespace panal::hub::detail {

class ScratchFolder {
 public:
  explicit ScratchFolder(const store::Home& home) : path_(home.run / ("scratch-" + random_hex(8))) {
    std::filesystem::create_directories(path_);
  }
  ~ScratchFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  const std::filesystem::path path_;
};

}  // namespace panal::hub::detail
