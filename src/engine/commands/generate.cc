#include "engine/commands/commands.h"
#include "engine/commands/loaded_model.h"

namespace panal::engine {
namespace {

constexpr char kAdapterName[] = "adapter";

}  // namespace

Result<work::GenerationResult> generate(const work::GenerateJob& job, const JobContext& context) {
  work::Generation generation = job.generation;
  std::vector<model::AdapterSource> adapters;
  if (job.adapter) {
    adapters.push_back({kAdapterName, *job.adapter});
    generation.expert = kAdapterName;
  }
  PANAL_ASSIGN(const auto loaded, LoadedModel::open(job.model.string(), adapters, 0));
  PANAL_ASSIGN(auto request, loaded->prepare(std::move(generation)));
  const auto on_text = [&](std::string_view text) {
    context.events.write({work::JobText{std::string(text)}});
  };
  return loaded->engine().generate(std::move(request), on_text, context.stop);
}

}  // namespace panal::engine
