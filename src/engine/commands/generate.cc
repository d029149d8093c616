#include "engine/commands/commands.h"
#include "engine/commands/loaded_model.h"

namespace panal::engine {
namespace {

constexpr char kAdapterName[] = "adapter";

}  // namespace

Result<Json> generate(const JobContext& job) {
  PANAL_ASSIGN(const std::string core, json_string(job.spec, "model", "job"));
  PANAL_ASSIGN(const std::string prompt, json_string(job.spec, "prompt", "job"));
  std::vector<model::AdapterSource> adapters;
  serve::GenerateRequest request;
  if (json_has(job.spec, "adapter")) {
    PANAL_ASSIGN(const std::string folder, json_string(job.spec, "adapter", "job"));
    adapters.push_back({kAdapterName, folder});
    request.adapter = kAdapterName;
  }
  PANAL_ASSIGN(request.max_tokens, json_integer(job.spec, "max_tokens", "job", 1, 1 << 20));
  PANAL_ASSIGN(request.sampling.temperature, json_number(job.spec, "temperature", "job", 0, 100));
  PANAL_ASSIGN(request.sampling.top_p, json_number(job.spec, "top_p", "job", 0, 1));
  PANAL_ASSIGN(const std::int64_t seed, json_integer(job.spec, "seed", "job", 0, INT64_MAX));
  request.sampling.seed = static_cast<std::uint64_t>(seed);
  PANAL_ASSIGN(const auto loaded, LoadedModel::open(core, adapters, 0));
  if (json_has(job.spec, "chat") && job.spec.at("chat") == true) {
    PANAL_ASSIGN(request.prompt,
                 loaded->encode_chat(Json::array({{{"role", "user"}, {"content", prompt}}})));
  } else {
    PANAL_ASSIGN(const auto options, tokenizer::prompt_options(job.spec.value("special", "read")));
    request.prompt = loaded->encode_text(prompt, options);
  }
  if (request.prompt.empty())
    return Status(Code::kInvalidArgument, "the prompt must have at least one token, found none");

  const auto on_text = [&](std::string_view text) {
    job.events.write("text", Json{{"text", text}});
  };
  PANAL_ASSIGN(const serve::GenerateResult result,
               loaded->engine().generate(request, on_text, job.stop));
  Json answer = {{"text", result.text},
                 {"token_ids", result.token_ids},
                 {"finish_reason", serve::finish_reason_name(result.finish_reason)}};
  answer.update(stats_to_json(result.stats));
  return answer;
}

}  // namespace panal::engine
