#include <fmt/format.h>

#include <memory>

#include "cli/commands/commands.h"
#include "hub/model_source.h"

namespace panal::cli {
namespace {

struct GenerateOptions {
  std::string model;
  std::string prompt;
  std::int64_t max_tokens = 128;
  double temperature = 0;
  double top_p = 1;
  std::int64_t seed = 0;
  std::string special = "read";
  bool chat = false;
};

Result<Json> run_generate(const GenerateOptions& options, Workspace& workspace) {
  PANAL_ASSIGN(hub::Hive * hive, workspace.hive());
  PANAL_ASSIGN(const hub::ModelSource source, hub::find_model_source(*hive, options.model));
  Json spec = hub::source_to_spec(source);
  spec.update(Json{{"prompt", options.prompt},
                   {"max_tokens", options.max_tokens},
                   {"temperature", options.temperature},
                   {"top_p", options.top_p},
                   {"seed", options.seed},
                   {"special", options.special},
                   {"chat", options.chat}});
  PANAL_ASSIGN(Json result, workspace.run_job("generate", spec, "generating"));
  result["model"] = source.label;
  workspace.terminal().print(result.value("text", ""));
  const Json& speed = result.at("tokens_per_s");
  workspace.terminal().note(
      fmt::format("{} tokens{}, finished by {}", result.value("completion_tokens", 0),
                  speed.is_number() ? fmt::format(", {:.1f} tokens/s", speed.get<double>()) : "",
                  result.value("finish_reason", "")));
  return result;
}

}  // namespace

void add_generate_command(CLI::App& app, Action& action) {
  auto options = std::make_shared<GenerateOptions>();  // Shared by the flags and the callback.
  CLI::App* command = app.add_subcommand("generate", "Continue a text with a model");
  command->add_option("--model", options->model, "Registered name, model folder or GGUF file")
      ->required();
  command->add_option("--prompt", options->prompt, "Text to go on from")->required();
  command->add_option("--max-tokens", options->max_tokens, "Most tokens to generate")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  command->add_option("--temperature", options->temperature, "0 takes the likeliest token")
      ->check(CLI::Range(0.0, 100.0))
      ->capture_default_str();
  command->add_option("--top-p", options->top_p, "Smallest set of tokens with this probability")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  command->add_option("--seed", options->seed, "Of the random numbers")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command
      ->add_option("--special", options->special,
                   "Special tokens of the prompt: read them, and add BOS as the model's tokenizer "
                   "says, or none of both")
      ->check(CLI::IsMember({"read", "none"}))
      ->capture_default_str();
  command->add_flag("--chat", options->chat,
                    "Put the prompt through the model's chat template as a user's turn");
  command->callback([options, &action] {
    action = [options](Workspace& workspace) { return run_generate(*options, workspace); };
  });
}

}  // namespace panal::cli
