#include "hub/generate.h"

#include "hub/model_source.h"

namespace panal::hub {

Result<GeneratedText> generate(Hive& hive, const GenerateText& request, const Watch& watch) {
  PANAL_ASSIGN(const ModelSource source, find_model_source(hive, request.model));
  const work::GenerateJob job{
      .model = source.core, .adapter = source.adapter, .generation = request.generation};
  GeneratedText generated{.model = source.label};
  PANAL_ASSIGN(generated.result, hive.run_job(job, {.activity = "generating"}, watch));
  return generated;
}

}  // namespace panal::hub
