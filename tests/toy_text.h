// A folder and some kilobytes of text with something to learn, for tests of any room.
#pragma once

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "tests/store/temporary_folder.h"

namespace panal {

using TestFolder = test::TemporaryFolder;

inline void write_text(const std::filesystem::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

inline std::string read_text(const std::filesystem::path& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

/// Text with something to learn: sentences from a few words, different enough for a vocabulary of
/// 320.
inline std::string toy_text(int num_paragraphs) {
  const std::vector<std::string> who = {"the bee", "a queen", "my drone", "the keeper",
                                        "one worker"};
  const std::vector<std::string> does = {"carries", "finds", "builds", "guards", "remembers"};
  const std::vector<std::string> what = {"honey", "the hive", "pollen", "a flower", "wax", "water"};
  std::string text;
  for (int i = 0; i < num_paragraphs; ++i) {
    for (int j = 0; j < 6; ++j) {
      const int k = i * 7 + j * 3 + i * j;
      text += who[k % 5] + " " + does[(k / 2 + j) % 5] + " " + what[(k + i) % 6] + ". ";
    }
    text += "\n\n";
  }
  return text;
}

}  // namespace panal
