#include <fmt/format.h>
#include <fmt/ranges.h>

#include <memory>

#include "cli/commands/commands.h"
#include "hub/tokenize_text.h"
#include "store/file_system.h"

namespace panal::cli {
namespace {

constexpr std::uint64_t kMaxFileBytes = std::uint64_t{1} << 32;

struct TokenizeOptions {
  std::string model;
  std::string file;
  std::string special = "read";
};

Result<Json> run_tokenize(const TokenizeOptions& options, Workspace& workspace) {
  PANAL_ASSIGN(hub::Hive * hive, workspace.hive());
  hub::TokenizeText request{.model = options.model, .special = options.special};
  PANAL_ASSIGN(request.text, store::read_file(options.file, kMaxFileBytes));
  PANAL_ASSIGN(const auto tokenized, hub::tokenize_text(*hive, request));
  workspace.terminal().print(fmt::format("{}", fmt::join(tokenized.ids, " ")));
  workspace.terminal().note(
      fmt::format("{} tokens from {}", tokenized.ids.size(), shown_bytes(request.text.size())));
  return hub::to_json(tokenized);
}

}  // namespace

void add_tokenize_command(CLI::App& app, Action& action) {
  auto options = std::make_shared<TokenizeOptions>();  // Shared by the flags and the callback.
  CLI::App* command = app.add_subcommand("tokenize", "Token ids of a file");
  command->add_option("--model", options->model, "Registered name, model folder or GGUF file")
      ->required();
  command->add_option("--file", options->file, "Text file; bytes that are not UTF-8 become U+FFFD")
      ->required();
  command
      ->add_option("--special", options->special,
                   "read: special tokens in the text, and BOS as the model's tokenizer adds it; "
                   "none: the text's characters alone")
      ->check(CLI::IsMember({"read", "none"}))
      ->capture_default_str();
  command->callback([options, &action] {
    action = [options](Workspace& workspace) { return run_tokenize(*options, workspace); };
  });
}

}  // namespace panal::cli
