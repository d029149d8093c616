#include "hub/finetune_expert.h"

#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>

#include "hub/detail/run_folder.h"
#include "hub/detail/training_run.h"
#include "hub/model_source.h"
#include "work/check_jobs.h"

namespace panal::hub {
namespace {

// Finds the text to learn from: PARTITIONING:LABEL, a dataset's name, or a file.
struct TrainingText {
  std::string path{};
  std::string validation_path{};
  std::string partition{};
  std::int64_t partitioning = 0;
  std::string dataset_sha256{};
};

Result<TrainingText> find_partition(std::int64_t number, const std::string& label,
                                    registry::Catalogue& catalogue) {
  TrainingText text{.partition = label, .partitioning = number};
  PANAL_ASSIGN(const auto partitioning, catalogue.find_partitioning(number));
  for (const auto& partition : partitioning.partitions) {
    if (partition.label != label) continue;
    for (const auto& file : partition.files) {
      PANAL_ASSIGN(const auto path, catalogue.blobs().path_of(file.blob));
      (file.role == "train" ? text.path : text.validation_path) = path.string();
      if (file.role == "train") text.dataset_sha256 = file.blob;
    }
    return text;
  }
  return Status(Code::kNotFound,
                fmt::format("partitioning {} has no partition \"{}\"", number, label));
}

Result<TrainingText> find_training_text(const std::string& reference,
                                        registry::Catalogue& catalogue) {
  const auto colon = reference.find(':');
  if (colon != std::string::npos && colon > 0 &&
      reference.find_first_not_of("0123456789") == colon) {
    return find_partition(std::atoll(reference.c_str()), reference.substr(colon + 1), catalogue);
  }
  std::error_code error;
  if (std::filesystem::exists(reference, error))
    return TrainingText{.path = std::filesystem::absolute(reference).string()};
  PANAL_ASSIGN(const auto dataset, catalogue.find_dataset(reference));
  PANAL_ASSIGN(const auto path, catalogue.blobs().path_of(dataset.blob));
  return TrainingText{.path = path.string(), .dataset_sha256 = dataset.blob};
}

// The run file a fine-tune amounts to.
Json config_of(const FinetuneExpert& request, const ModelSource& core, const TrainingText& text) {
  Json config = {{"kind", "lora"},
                 {"name", request.name},
                 {"seed", request.seed},
                 {"precision", request.precision},
                 {"model", {{"core", core.core.string()}}},
                 {"lora",
                  {{"rank", request.rank},
                   {"alpha", request.alpha},
                   {"targets", request.targets},
                   {"base_model_name", core.label}}},
                 {"data",
                  {{"paths", Json::array({text.path})},
                   {"train_on", request.train_on},
                   {"special_tokens", request.special_tokens}}},
                 {"optimizer", {{"rule", "adamw"}, {"learning_rate", request.learning_rate}}},
                 {"batch", {{"sequences", request.batch}, {"context", request.context}}},
                 {"evaluation", {{"max_tokens", request.evaluation_tokens}}},
                 {"limits", Json::object()}};
  if (request.targets.empty()) config["lora"].erase("targets");
  if (!text.validation_path.empty()) config["data"]["validation_path"] = text.validation_path;
  if (request.steps) config["limits"]["steps"] = *request.steps;
  if (request.max_seconds) config["limits"]["max_seconds"] = *request.max_seconds;
  return config;
}

}  // namespace

Result<TrainedModel> finetune_expert(Hive& hive, const FinetuneExpert& request,
                                     const Watch& watch) {
  PANAL_TRY(
      hive.catalogue().check_name_is_free(request.name, registry::Catalogue::NameUse::kAdapter));
  PANAL_ASSIGN(const ModelSource core, find_model_source(hive, request.core));
  if (!core.is_registered_core()) {
    return Status(Code::kInvalidArgument,
                  fmt::format("--core must be a registered base model, found \"{}\"; import it "
                              "first: panal models import",
                              request.core));
  }
  PANAL_ASSIGN(const TrainingText text, find_training_text(request.dataset, hive.catalogue()));
  const std::string config = to_pretty(config_of(request, core, text));
  const std::string title = "finetune of " + request.name;
  PANAL_ASSIGN(const detail::RunPlace place,
               detail::find_run_place(hive.home(), {.kind = "finetune",
                                                    .origin = title,
                                                    .config = config,
                                                    .config_name = title,
                                                    .begins_anew = request.begins_anew}));
  watch.tell(request.name, work::JobMessage{"run folder " + place.folder.string()});
  if (!place.remark.empty()) watch.tell(request.name, work::JobMessage{place.remark});
  TrainedModel trained{.run_folder = place.folder};
  PANAL_ASSIGN(trained.summary, detail::run_training(hive,
                                                     {.config = config,
                                                      .config_name = title,
                                                      .base_directory = "",
                                                      .folder = trained.run_folder,
                                                      .activity = request.name,
                                                      .processes = request.processes},
                                                     watch));

  registry::NewModel model{.kind = registry::ModelKind::kAdapter, .name = request.name};
  PANAL_ASSIGN(model.files, detail::files_of(trained.summary.model_folder));
  model.architecture =
      work::to_json(work::AdapterFacts{.rank = request.rank,
                                       .alpha = request.alpha,
                                       .targets = request.targets,
                                       .base_model_name = core.label,
                                       .parameters = trained.summary.trainable_parameters});
  model.lineage = detail::lineage_of(trained.summary, config, trained.run_folder);
  model.lineage.parent = core.version->label();
  if (!text.dataset_sha256.empty()) model.lineage.dataset_sha256 = text.dataset_sha256;
  if (text.partitioning > 0)
    model.lineage.details.update(
        Json{{"partitioning", text.partitioning}, {"partition", text.partition}});
  model.reuse_identical = true;
  PANAL_ASSIGN(trained.model, hive.catalogue().add_model(model));
  return trained;
}

}  // namespace panal::hub
