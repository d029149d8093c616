#include <fmt/format.h>
#include <fmt/ranges.h>

#include <memory>

#include "cli/commands/commands.h"
#include "hub/model_source.h"
#include "store/file_system.h"
#include "tokenizer/tokenizer.h"

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
  PANAL_ASSIGN(const hub::ModelSource source, hub::find_model_source(*hive, options.model));
  PANAL_ASSIGN(const std::string text, store::read_file(options.file, kMaxFileBytes));
  PANAL_ASSIGN(const tokenizer::Tokenizer tokenizer, tokenizer::Tokenizer::load(source.core));
  PANAL_ASSIGN(const auto how, tokenizer::prompt_options(options.special));
  const auto ids = tokenizer.encode_prompt(text, how);
  workspace.terminal().print(fmt::format("{}", fmt::join(ids, " ")));
  workspace.terminal().note(fmt::format("{} tokens from {}", ids.size(), shown_bytes(text.size())));
  return Json{{"count", ids.size()}, {"ids", ids}};
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
