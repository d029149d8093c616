#include "hub/train_model.h"

#include "hub/detail/run_folder.h"
#include "hub/detail/training_run.h"
#include "hub/register_model.h"

namespace panal::hub {

Json to_json(const TrainedModel& trained) {
  Json json = work::to_json(trained.summary);
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
  const std::filesystem::path base(request.base_directory);
  PANAL_ASSIGN(
      const detail::RunPlace place,
      detail::find_run_place(
          hive.home(),
          {.kind = "train",
           .origin = (base / std::filesystem::path(request.config_file).filename()).string(),
           .config = request.config,
           .config_name = request.config_file,
           .base_directory = base,
           .begins_anew = request.begins_anew}));
  trained.run_folder = place.folder;
  watch.tell("training", work::JobMessage{"run folder " + place.folder.string()});
  if (!place.remark.empty()) watch.tell("training", work::JobMessage{place.remark});
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
  const std::filesystem::path& folder = trained.summary.model_folder;
  PANAL_ASSIGN(model.files, detail::files_of(folder));
  model.lineage = detail::lineage_of(trained.summary, request.config, trained.run_folder);
  PANAL_ASSIGN(trained.model,
               register_base_model(hive, std::move(model), folder.string(), "trained last", watch));
  return trained;
}

}  // namespace panal::hub
