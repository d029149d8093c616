#include "hub/evaluate_matrix.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "data/dataset.h"
#include "hub/detail/scratch_folder.h"
#include "hub/model_source.h"
#include "store/file_system.h"

namespace panal::hub {
namespace {

// The held-out documents of every partition as plain texts; a partition without any is left out.
Result<std::vector<work::NamedText>> write_texts(const registry::Partitioning& partitioning,
                                                 const std::filesystem::path& folder,
                                                 registry::Catalogue& catalogue) {
  std::vector<work::NamedText> texts;
  for (const auto& partition : partitioning.partitions) {
    for (const auto& file : partition.files) {
      if (file.role != "validation") continue;
      PANAL_ASSIGN(const auto path, catalogue.blobs().path_of(file.blob));
      PANAL_ASSIGN(const auto documents, data::read_dataset(path));
      if (std::ranges::any_of(documents, &data::Document::is_conversation)) {
        // The engine lays them out by the core's chat template.
        texts.push_back({.name = partition.label, .path = path});
        continue;
      }
      std::string text;
      for (const auto& document : documents) text += document.text + "\n\n";
      const auto output = folder / fmt::format("held-out-{}.txt", partition.number);
      PANAL_TRY(store::write_file_atomically(store::posix_file_system(), output, text));
      texts.push_back({.name = partition.label, .path = output});
    }
  }
  return texts;
}

// Names of the experts that were trained over this core on this partitioning.
Result<std::vector<std::string>> experts_of(const std::string& core, std::int64_t partitioning,
                                            registry::Catalogue& catalogue) {
  std::vector<std::string> names;
  PANAL_ASSIGN(const auto models, catalogue.list_models());
  for (const auto& model : models) {
    const auto part = registry::learnt_partition(model.lineage);
    const bool is_ours =
        model.kind == registry::ModelKind::kAdapter && model.lineage.parent == core &&
        model.state != registry::Lifecycle::kRetired && part && part->partitioning == partitioning;
    // Versions of one name stand together.
    if (is_ours && (names.empty() || names.back() != model.name)) names.push_back(model.name);
  }
  return names;
}

Result<std::vector<JudgedExpert>> find_experts(const EvaluateMatrix& request,
                                               const std::string& core,
                                               registry::Catalogue& catalogue) {
  std::vector<std::string> names = request.experts;
  if (names.empty()) {
    PANAL_ASSIGN(names, experts_of(core, request.partitioning, catalogue));
  }
  std::vector<JudgedExpert> experts;
  for (const std::string& name : names) {
    PANAL_ASSIGN(auto resolved, catalogue.resolve(name));
    const registry::Lineage& lineage = resolved.model.lineage;
    if (lineage.parent != core) {
      return Status(
          Code::kInvalidArgument,
          fmt::format("--experts must be adapters of {}, found {}{}", core, resolved.model.label(),
                      lineage.parent.empty() ? ", which is no adapter"
                                             : ", an adapter of " + lineage.parent));
    }
    const auto part = registry::learnt_partition(lineage);
    experts.push_back({.model = resolved.model, .home = part ? part->label : ""});
  }
  return experts;
}

const work::TextEvaluation* find_cell(const Matrix& matrix, const std::string& adapter,
                                      const std::string& partition) {
  for (const work::TextEvaluation& cell : matrix.evaluations) {
    if (cell.adapter == adapter && cell.text == partition) return &cell;
  }
  return nullptr;
}

// Every figure of an expert's row, as a plain measurement.
Status write_row(const JudgedExpert& expert, const Matrix& matrix, registry::Catalogue& catalogue) {
  for (const std::string& partition : matrix.partitions) {
    const work::TextEvaluation* cell = find_cell(matrix, expert.model.name, partition);
    if (cell == nullptr) continue;
    const registry::Evaluation row = {.check = "perplexity:" + partition,
                                      .metric = "perplexity",
                                      .value = cell->perplexity,
                                      .details = work::to_json(*cell)};
    PANAL_TRY(catalogue.record_evaluation(expert.model.id, row).status());
  }
  return Status();
}

// Compares an expert with the core at home, and lets it answer from now on when it is better.
Result<bool> judge(const JudgedExpert& expert, const Matrix& matrix,
                   registry::Catalogue& catalogue) {
  using registry::Lifecycle;
  const auto own = matrix.perplexity(expert.model.name, expert.home);
  const auto core = matrix.perplexity("", expert.home);
  if (!own || !core) return false;
  const double ratio = *own / *core;
  const bool beats_core = ratio < 1;
  PANAL_TRY(catalogue
                .record_evaluation(expert.model.id, {.check = "beats-core:" + expert.home,
                                                     .metric = "perplexity_ratio",
                                                     .value = ratio,
                                                     .passed = beats_core})
                .status());
  if (!beats_core || expert.model.state != Lifecycle::kCandidate) return beats_core;
  const std::string reason =
      fmt::format("perplexity on {} is {:.3f} of the core's", expert.home, ratio);
  PANAL_TRY(catalogue.move_model(expert.model.id, Lifecycle::kReady, reason).status());
  PANAL_TRY(catalogue.move_model(expert.model.id, Lifecycle::kPreferred, reason).status());
  return true;
}

}  // namespace

std::optional<double> Matrix::perplexity(const std::string& adapter,
                                         const std::string& partition) const {
  const work::TextEvaluation* cell = find_cell(*this, adapter, partition);
  return cell == nullptr ? std::nullopt : cell->perplexity;
}

Json to_json(const Matrix& matrix) {
  Json judged = Json::array(), cells = Json::array();
  for (const auto& cell : matrix.evaluations) cells.push_back(work::to_json(cell));
  for (const auto& expert : matrix.experts) {
    judged.push_back({{"expert", expert.model.label()},
                      {"partition", expert.home},
                      {"beats_core", expert.beats_core}});
  }
  return Json{{"core", matrix.core},
              {"context", matrix.context},
              {"evaluations", std::move(cells)},
              {"experts", std::move(judged)}};
}

Result<Matrix> evaluate_matrix(Hive& hive, const EvaluateMatrix& request, const Watch& watch) {
  registry::Catalogue& catalogue = hive.catalogue();
  PANAL_ASSIGN(const ModelSource core, find_model_source(hive, request.core));
  if (!core.is_registered_core()) {
    return Status(Code::kInvalidArgument,
                  fmt::format("a matrix needs a registered base model as its core, found \"{}\"",
                              request.core));
  }
  PANAL_ASSIGN(const auto partitioning, catalogue.find_partitioning(request.partitioning));
  Matrix matrix{.core = core.label, .context = request.context};
  PANAL_ASSIGN(matrix.experts, find_experts(request, core.label, catalogue));
  const detail::ScratchFolder scratch(hive.home());
  work::EvaluateTextsJob job{
      .model = core.core, .context = request.context, .max_tokens = request.max_tokens};
  PANAL_ASSIGN(job.texts, write_texts(partitioning, scratch.path(), catalogue));
  for (const auto& text : job.texts) matrix.partitions.push_back(text.name);
  for (const auto& expert : matrix.experts) {
    PANAL_ASSIGN(const auto path, catalogue.materialise(expert.model));
    job.adapters.push_back({.name = expert.model.name, .folder = path});
  }
  PANAL_ASSIGN(
      auto found,
      hive.run_job(job, {.activity = "evaluating core and experts on every partition"}, watch));
  matrix.evaluations = std::move(found.evaluations);
  for (auto& expert : matrix.experts) {
    PANAL_TRY(write_row(expert, matrix, catalogue));
    PANAL_ASSIGN(expert.beats_core, judge(expert, matrix, catalogue));
  }
  return matrix;
}

}  // namespace panal::hub
