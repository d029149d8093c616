// Finds the tokenizer of a model folder or file and gathers the small files around it.
#include <fmt/format.h>

#include <filesystem>

#include "store/file_system.h"
#include "store/git_lfs.h"
#include "tokenizer/detail/tokenizer_parts.h"
#include "tokenizer/tokenizer.h"
#include "weights/gguf.h"

namespace panal::tokenizer {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMaxTokenizerBytes = std::uint64_t{256} << 20;
constexpr std::uint64_t kMaxConfigBytes = std::uint64_t{16} << 20;

Result<std::string> read_text(const fs::path& path, std::uint64_t max_bytes) {
  PANAL_ASSIGN(std::string text, store::read_file(path, max_bytes));
  PANAL_TRY(store::refuse_lfs_pointer(text, path));
  return text;
}

Result<std::string> read_if_there(const fs::path& path) {
  std::error_code ignored;
  if (!fs::exists(path, ignored)) return std::string();
  return read_text(path, kMaxConfigBytes);
}

Result<Tokenizer> load_gguf(const fs::path& path) {
  PANAL_ASSIGN(const weights::GgufFile file, weights::GgufFile::open(path));
  return Tokenizer::from_gguf(file);
}

Result<Tokenizer> load_json(const fs::path& path) {
  const fs::path folder = path.parent_path();
  PANAL_ASSIGN(const std::string tokenizer, read_text(path, kMaxTokenizerBytes));
  PANAL_ASSIGN(const std::string config, read_if_there(folder / "tokenizer_config.json"));
  PANAL_ASSIGN(std::string chat_template, read_if_there(folder / "chat_template.jinja"));
  PANAL_ASSIGN(detail::TokenizerSpec spec,
               detail::read_tokenizer_json(tokenizer, path.string(), config));
  // transformers stops at the ids of the first; where there is none it makes it from the second.
  for (const char* name : {"generation_config.json", "config.json"}) {
    PANAL_ASSIGN(const std::string text, read_if_there(folder / name));
    PANAL_TRY(detail::add_stop_ids(text, (folder / name).string(), spec));
  }
  if (!chat_template.empty()) spec.chat_template = std::move(chat_template);
  return Tokenizer::from_spec(std::move(spec));
}

Result<Tokenizer> load_folder(const fs::path& folder) {
  std::error_code error;
  if (fs::exists(folder / "tokenizer.json", error)) return load_json(folder / "tokenizer.json");
  std::vector<fs::path> found;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    if (entry->path().extension() == ".gguf") found.push_back(entry->path());
  }
  if (found.size() == 1) return load_gguf(found.front());
  if (fs::exists(folder / "tokenizer.model", error)) {
    return Status(Code::kUnsupported,
                  fmt::format("{}: holds a SentencePiece tokenizer (tokenizer.model); panal reads "
                              "byte-level BPE from tokenizer.json or a GGUF file",
                              folder.string()));
  }
  return Status(Code::kNotFound,
                fmt::format("{}: expected a tokenizer.json or one .gguf file, found {} .gguf files",
                            folder.string(), found.size()));
}

}  // namespace

Result<Tokenizer> Tokenizer::load(const fs::path& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (!fs::exists(status)) {
    return Status(Code::kNotFound, fmt::format("{}: no such model folder or file", path.string()));
  }
  if (fs::is_directory(status)) return load_folder(path);
  return path.extension() == ".gguf" ? load_gguf(path) : load_json(path);
}

Result<Tokenizer> Tokenizer::from_json(std::string_view tokenizer_json, std::string_view where,
                                       std::string_view tokenizer_config_json) {
  PANAL_ASSIGN(detail::TokenizerSpec spec,
               detail::read_tokenizer_json(tokenizer_json, where, tokenizer_config_json));
  return from_spec(std::move(spec));
}

}  // namespace panal::tokenizer
