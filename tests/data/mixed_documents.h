// Real text of three domains that is on every machine that builds panal: licences, the Python
// standard library and Don Quijote from examples/.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/rng.h"
#include "data/document_reader.h"

namespace panal::data {

namespace detail {

namespace fs = std::filesystem;

inline std::vector<fs::path> python_files_in(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code error;
  auto entry = fs::recursive_directory_iterator(folder, error);
  for (; !error && entry != fs::recursive_directory_iterator(); entry.increment(error)) {
    const std::string path = entry->path().string();
    // Tests, installed packages and tables of characters are not what people call code.
    const bool is_wanted = std::ranges::none_of(
        std::array<std::string_view, 6>{"/test", "/site-packages", "/dist-packages", "/idlelib",
                                        "/lib2to3", "/encodings"},
        [&](std::string_view part) {
          return path.find(part, folder.string().size()) != std::string::npos;
        });
    if (is_wanted && entry->path().extension() == ".py") files.push_back(entry->path());
  }
  std::ranges::sort(files);
  return files;
}

inline std::vector<fs::path> python_library() {
  std::vector<fs::path> folders;
  for (const auto& entry : fs::directory_iterator("/usr/lib")) {
    if (entry.path().filename().string().starts_with("python3.")) folders.push_back(entry.path());
  }
  constexpr const char* kAsk =
      "python3 -c \"import sysconfig; print(sysconfig.get_paths()['stdlib'])\"";
  if (FILE* pipe = popen(kAsk, "r"); pipe != nullptr) {
    std::array<char, 4096> line{};
    if (std::fgets(line.data(), line.size(), pipe) != nullptr) {
      folders.emplace_back(
          std::string(line.data()).substr(0, std::string_view(line.data()).find('\n')));
    }
    pclose(pipe);
  }
  std::vector<fs::path> best;
  for (const fs::path& folder : folders) {
    std::vector<fs::path> files = python_files_in(folder);
    if (files.size() > best.size()) best = std::move(files);
  }
  // Every so many files, so that the sample covers the whole library.
  constexpr std::size_t kWanted = 80;
  const std::size_t step = std::max<std::size_t>(1, best.size() / kWanted);
  std::vector<fs::path> sample;
  for (std::size_t i = 0; i < best.size(); i += step) {
    if (fs::file_size(best[i]) > 0) sample.push_back(best[i]);
  }
  return sample;
}

}  // namespace detail

/// Licences ("legal"), Python ("code") and Don Quijote ("es"), shuffled with a fixed seed; about 4
/// MB. Each document's `source` is its domain.
inline const std::vector<Document>& mixed_documents() {
  static const std::vector<Document> documents = [] {
    std::vector<Document> all;
    const auto add = [&](const std::vector<std::filesystem::path>& paths, const char* origin) {
      auto report = read_documents(paths);
      EXPECT_TRUE(report.ok()) << origin << ": " << report.status().message();
      if (!report.ok()) return;
      for (Document& document : report->documents)
        all.push_back({std::move(document.text), origin});
    };
    add({"/usr/share/common-licenses"}, "legal");
    add(detail::python_library(), "code");
    add({std::filesystem::path(PANAL_TEST_DIR) / "../examples/data/quijote-es.txt"}, "es");
    Rng rng(11);
    for (std::size_t i = all.size(); i > 1; --i) std::swap(all[i - 1], all[rng.below(i)]);
    return all;
  }();
  return documents;
}

inline std::vector<std::string> origins_of(const std::vector<Document>& documents) {
  std::vector<std::string> origins;
  for (const Document& document : documents) origins.push_back(document.source);
  return origins;
}

}  // namespace panal::data
