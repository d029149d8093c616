#include <fmt/format.h>

#include <memory>

#include "cli/commands/commands.h"
#include "hub/generate.h"

namespace panal::cli {
namespace {

struct GenerateOptions {
  std::string model;
  std::string prompt;
  std::int64_t max_tokens = 128;
  work::Sampling sampling;
  bool greedy = false;
  std::string special = "read";
  bool chat = false;
};

Result<Json> run_generate(const GenerateOptions& options, Workspace& workspace) {
  PANAL_ASSIGN(hub::Hive * hive, workspace.hive());
  hub::GenerateText request{.model = options.model};
  request.generation.max_tokens = options.max_tokens;
  request.generation.sampling = options.sampling;
  if (options.greedy) request.generation.sampling.temperature = 0;
  request.generation.special_tokens = options.special == "read";
  if (options.chat) {
    request.generation.input = work::Conversation{{.role = "user", .content = options.prompt}};
  } else {
    request.generation.input = options.prompt;
  }
  PANAL_ASSIGN(const auto generated, hub::generate(*hive, request, workspace.watch()));
  const work::GenerationResult& result = generated.result;
  Terminal& terminal = workspace.terminal();
  terminal.print(result.text);
  terminal.note(
      fmt::format("{} tokens{}, finished by {}", result.completion_tokens,
                  result.tokens_per_s ? fmt::format(", {:.1f} tokens/s", *result.tokens_per_s) : "",
                  work::finish_reason_name(result.finish_reason)));
  Json document = work::encode(result);
  document["model"] = generated.model;
  return document;
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
  auto* temperature =
      command
          ->add_option("--temperature", options->sampling.temperature,
                       "0 takes the likeliest token; by default what the model's generation config "
                       "says, or 0.7 with --top-p 0.95")
          ->check(CLI::Range(0.0, 100.0));
  command->add_flag("--greedy", options->greedy, "The same as --temperature 0")
      ->excludes(temperature);
  command
      ->add_option("--top-p", options->sampling.top_p,
                   "Smallest set of tokens with this probability")
      ->check(CLI::Range(0.0, 1.0));
  command->add_option("--top-k", options->sampling.top_k, "So many likeliest tokens; 0: all")
      ->check(CLI::NonNegativeNumber);
  command
      ->add_option("--min-p", options->sampling.min_p,
                   "Tokens with this share of the likeliest one's probability")
      ->check(CLI::Range(0.0, 1.0));
  command
      ->add_option("--repetition-penalty", options->sampling.repetition_penalty,
                   "Over 1 makes tokens rarer that were in the text")
      ->check(CLI::Range(0.01, 100.0));
  command
      ->add_option("--frequency-penalty", options->sampling.frequency_penalty,
                   "Off a token's score for each time it was generated")
      ->check(CLI::Range(-2.0, 2.0));
  command
      ->add_option("--presence-penalty", options->sampling.presence_penalty,
                   "Off the score of every token that was generated")
      ->check(CLI::Range(-2.0, 2.0));
  command->add_option("--seed", options->sampling.seed,
                      "Of the random numbers; by default another one each time");
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
