#include "hub/generate.h"

#include "hub/model_source.h"

namespace panal::hub {

Result<GeneratedText> generate(Hive& hive, const GenerateText& request, const Watch& watch) {
  PANAL_ASSIGN(const ModelSource source, find_model_source(hive, request.model));
  const work::GenerateJob job{
      .model = source.core, .adapter = source.adapter, .generation = request.generation};
  PANAL_ASSIGN(
      const Json result,
      hive.run_job({.kind = "generate", .spec = work::encode(job), .activity = "generating"},
                   watch));
  GeneratedText generated{.model = source.label};
  PANAL_ASSIGN(generated.result,
               work::decode<work::GenerationResult>(result, "result of panal-engine"));
  return generated;
}

}  // namespace panal::hub
