#include "hub/train_model.h"

#include "hub/detail/training_run.h"
#include "hub/register_model.h"

namespace panal::hub {

Json to_json(const TrainedModel& trained) {
  Json json = trained.summary;
  json["run_folder"] = trained.run_folder.string();
  if (trained.model) json["model"] = registry::to_json(*trained.model);
  return json;
}

Result<TrainedModel> train_model(Hive& hive, const TrainModel& request, const Watch& watch) {
  if (!request.model_name.empty()) {
    PANAL_TRY(hive.catalogue().check_name_is_free(request.model_name,
                                                  registry::Catalogue::NameUse::kBaseModel));
  }
  TrainedModel trained;
  trained.run_folder =
      detail::run_folder(hive.home(), "train", request.base_directory + "\n" + request.config);
  watch.tell("training", Message{"run folder " + trained.run_folder.string()});
  PANAL_ASSIGN(trained.summary, detail::run_training(hive,
                                                     {.config = request.config,
                                                      .config_name = request.config_file,
                                                      .base_directory = request.base_directory,
                                                      .folder = trained.run_folder,
                                                      .activity = "training",
                                                      .processes = request.processes},
                                                     watch));
  if (request.model_name.empty()) return trained;

  registry::NewModel model{.name = request.model_name};
  const std::filesystem::path folder = trained.summary.value("model_folder", "");
  PANAL_ASSIGN(model.files, detail::files_of(folder));
  model.lineage = detail::lineage_of(trained.summary, request.config, trained.run_folder);
  PANAL_ASSIGN(trained.model,
               register_base_model(hive, std::move(model), folder.string(), "trained last", watch));
  return trained;
}

}  // namespace panal::hub
