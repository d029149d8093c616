// Perplexity of the core and of each expert on each partition's held-out documents, and what
// follows from it: an expert earns "ready" by beating the core at home.
#include <fmt/format.h>

#include <fstream>

#include "cli/commands/commands.h"
#include "data/dataset.h"
#include "hub/model_source.h"

namespace panal::cli {
namespace {

struct ExpertAtHome {
  registry::ModelVersion model;
  std::string home;  // Label of its own partition.
};

// The held-out documents of every partition as plain texts; a partition without any is left out.
Result<Json> write_texts(const registry::Partitioning& partitioning,
                         const std::filesystem::path& folder, registry::Catalogue& catalogue) {
  Json texts = Json::array();
  for (const auto& partition : partitioning.partitions) {
    for (const auto& file : partition.files) {
      if (file.role != "validation") continue;
      PANAL_ASSIGN(const auto path, catalogue.blobs().path_of(file.blob));
      PANAL_ASSIGN(const auto documents, data::read_dataset(path));
      std::string text;
      for (const auto& document : documents) text += document.text + "\n\n";
      const auto output = folder / fmt::format("held-out-{}.txt", partition.number);
      PANAL_TRY(store::write_file_atomically(store::posix_file_system(), output, text));
      texts.push_back({{"name", partition.label}, {"path", output.string()}});
    }
  }
  return texts;
}

// The named experts; else every one that was trained over this core on this partitioning.
Result<std::vector<ExpertAtHome>> find_experts(const MatrixOptions& options,
                                               const std::string& core,
                                               registry::Catalogue& catalogue) {
  std::vector<std::string> names = options.experts;
  if (names.empty()) {
    PANAL_ASSIGN(const auto models, catalogue.list_models());
    for (const auto& model : models) {
      const bool is_ours =
          model.kind == registry::ModelKind::kAdapter && model.lineage.parent == core &&
          model.state != registry::Lifecycle::kRetired &&
          model.lineage.details.value("partitioning", std::int64_t{0}) == options.partitioning;
      // Versions of one name stand together.
      if (is_ours && (names.empty() || names.back() != model.name)) names.push_back(model.name);
    }
  }
  std::vector<ExpertAtHome> experts;
  for (const std::string& name : names) {
    PANAL_ASSIGN(auto resolved, catalogue.resolve(name));
    if (resolved.model.lineage.parent != core) {
      return Status(
          Code::kInvalidArgument,
          fmt::format("--experts must be adapters of {}, found {}{}", core, resolved.model.label(),
                      resolved.model.lineage.parent.empty()
                          ? ", which is no adapter"
                          : ", an adapter of " + resolved.model.lineage.parent));
    }
    experts.push_back({resolved.model, resolved.model.lineage.details.value("partition", "")});
  }
  return experts;
}

const Json* find_cell(const Json& evaluations, const std::string& adapter,
                      const std::string& text) {
  for (const Json& cell : evaluations) {
    if (cell.at("adapter") == adapter && cell.at("text") == text) return &cell;
  }
  return nullptr;
}

void print_matrix(const Json& evaluations, const Json& texts,
                  const std::vector<ExpertAtHome>& experts, const std::string& core,
                  Terminal& terminal) {
  std::vector<std::vector<std::string>> rows = {{"PERPLEXITY ON"}};
  for (const Json& text : texts) rows[0].push_back(text.at("name"));
  const auto add_row = [&](const std::string& shown, const std::string& adapter,
                           const std::string& home) {
    std::vector<std::string> row = {shown};
    for (const Json& text : texts) {
      const Json* cell = find_cell(evaluations, adapter, text.at("name"));
      row.push_back(cell == nullptr ? "unknown"
                                    : fmt::format("{:.2f}{}", cell->at("perplexity").get<double>(),
                                                  text.at("name") == home ? " *" : ""));
    }
    rows.push_back(std::move(row));
  };
  add_row("core " + core, "", "");
  for (const ExpertAtHome& expert : experts)
    add_row(expert.model.label(), expert.model.name, expert.home);
  terminal.table(rows);
  terminal.print("  * the expert's own partition; lower is better");
}

// Writes an expert's row down and moves it to ready and preferred when it beats the core at home.
Result<bool> judge(const ExpertAtHome& expert, const Json& evaluations, const Json& texts,
                   registry::Catalogue& catalogue) {
  for (const Json& text : texts) {
    const std::string name = text.at("name");
    const Json* cell = find_cell(evaluations, expert.model.name, name);
    if (cell == nullptr) continue;
    PANAL_TRY(
        catalogue
            .record_evaluation(expert.model.id, {.check = "perplexity:" + name,
                                                 .metric = "perplexity",
                                                 .value = cell->at("perplexity").get<double>(),
                                                 .passed = std::nullopt,
                                                 .details = *cell})
            .status());
  }
  const Json* own = find_cell(evaluations, expert.model.name, expert.home);
  const Json* core = find_cell(evaluations, "", expert.home);
  if (own == nullptr || core == nullptr) return false;
  const double ratio = own->at("perplexity").get<double>() / core->at("perplexity").get<double>();
  PANAL_TRY(catalogue
                .record_evaluation(expert.model.id, {.check = "beats-core:" + expert.home,
                                                     .metric = "perplexity_ratio",
                                                     .value = ratio,
                                                     .passed = ratio < 1})
                .status());
  if (ratio >= 1 || expert.model.state != registry::Lifecycle::kCandidate) return ratio < 1;
  const std::string reason =
      fmt::format("perplexity on {} is {:.3f} of the core's", expert.home, ratio);
  PANAL_TRY(catalogue.move_model(expert.model.id, registry::Lifecycle::kReady, reason).status());
  PANAL_TRY(
      catalogue.move_model(expert.model.id, registry::Lifecycle::kPreferred, reason).status());
  return true;
}

}  // namespace

Result<Json> evaluate_matrix(const MatrixOptions& options, Workspace& workspace) {
  PANAL_ASSIGN(registry::Catalogue * catalogue, workspace.catalogue());
  PANAL_ASSIGN(hub::Hive * hive, workspace.hive());
  PANAL_ASSIGN(const hub::ModelSource core, hub::find_model_source(*hive, options.core));
  if (!core.version || core.adapter) {
    return Status(Code::kInvalidArgument,
                  fmt::format("a matrix needs a registered base model as its core, found \"{}\"",
                              options.core));
  }
  PANAL_ASSIGN(const auto partitioning, catalogue->find_partitioning(options.partitioning));
  PANAL_ASSIGN(const auto experts, find_experts(options, core.label, *catalogue));
  const auto folder = catalogue->home().jobs / fmt::format("matrix-{}", options.partitioning);
  std::filesystem::create_directories(folder);
  PANAL_ASSIGN(const Json texts, write_texts(partitioning, folder, *catalogue));
  Json adapters = Json::array();
  for (const ExpertAtHome& expert : experts) {
    PANAL_ASSIGN(const auto path, catalogue->materialise(expert.model));
    adapters.push_back({{"name", expert.model.name}, {"folder", path.string()}});
  }
  PANAL_ASSIGN(const Json result,
               workspace.run_job("evaluate",
                                 Json{{"model", core.core.string()},
                                      {"adapters", adapters},
                                      {"texts", texts},
                                      {"context", options.context},
                                      {"max_tokens", options.max_tokens}},
                                 "evaluating core and experts on every partition"));
  const Json& evaluations = result.at("evaluations");
  print_matrix(evaluations, texts, experts, core.label, workspace.terminal());
  Json judged = Json::array();
  for (const ExpertAtHome& expert : experts) {
    PANAL_ASSIGN(const bool beats_core, judge(expert, evaluations, texts, *catalogue));
    judged.push_back(
        {{"expert", expert.model.label()}, {"partition", expert.home}, {"beats_core", beats_core}});
    if (!beats_core)
      workspace.terminal().print(
          fmt::format("  {} does not beat the core on {}; it stays a candidate",
                      expert.model.label(), expert.home));
  }
  return Json{{"core", core.label},
              {"context", options.context},
              {"evaluations", evaluations},
              {"experts", judged}};
}

}  // namespace panal::cli
