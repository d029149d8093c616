#include "engine/commands/commands.h"
#include "engine/commands/loaded_model.h"

namespace panal::engine {
namespace {

constexpr char kAdapterName[] = "adapter";

}  // namespace

Result<Json> generate(const JobContext& job) {
  PANAL_ASSIGN(auto wanted, work::decode<work::GenerateJob>(job.spec, "job"));
  std::vector<model::AdapterSource> adapters;
  if (wanted.adapter) {
    adapters.push_back({kAdapterName, *wanted.adapter});
    wanted.generation.expert = kAdapterName;
  }
  PANAL_ASSIGN(const auto loaded, LoadedModel::open(wanted.model.string(), adapters, 0));
  PANAL_ASSIGN(auto request, loaded->prepare(std::move(wanted.generation)));
  const auto on_text = [&](std::string_view text) {
    job.events.write({work::JobText{std::string(text)}});
  };
  PANAL_ASSIGN(const work::GenerationResult result,
               loaded->engine().generate(std::move(request), on_text, job.stop));
  return work::encode(result);
}

}  // namespace panal::engine
