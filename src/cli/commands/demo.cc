// The main job, from a real model and plain documents to routed answers; every step is a command of
// its own too.
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <memory>

#include "api/routes.h"
#include "cli/ask_client.h"
#include "cli/commands/commands.h"
#include "cli/demo_conversations.h"
#include "data/document.h"
#include "hub/answering.h"
#include "store/file_system.h"

namespace panal::cli {
namespace {

constexpr char kModelFile[] = "SmolLM2-135M-Instruct.Q4_1.gguf";
constexpr char kLicences[] = "/usr/share/common-licenses";

struct DemoOptions {
  bool small = false;
  std::string model;  // GGUF of the core.
  std::string text;   // Spanish prose.
};

// What one demo costs; the small one is for tests and for the impatient.
struct DemoSizes {
  std::size_t conversations;  // Most of each kind.
  std::size_t spanish_bytes;  // 0: all.
  std::string pretrain_model;
  std::string pretrain_limits;
  std::int64_t difficulty_tokens;
  std::optional<std::int64_t> expert_steps;
  std::optional<double> expert_seconds;
  std::int64_t expert_batch;
  std::int64_t expert_context;
  std::int64_t evaluation_tokens;
  std::int64_t answer_tokens;
};

DemoSizes sizes_of(const DemoOptions& options) {
  if (options.small) {
    return {.conversations = 100,
            .spanish_bytes = 240'000,
            .pretrain_model = "{width: 64, layers: 2, heads: 2, feed_forward_width: 176}",
            .pretrain_limits = "{steps: 30}",
            .difficulty_tokens = 12,
            .expert_steps = 6,
            .expert_seconds = std::nullopt,
            .expert_batch = 2,
            .expert_context = 128,
            .evaluation_tokens = 512,
            .answer_tokens = 24};
  }
  return {.conversations = 400,
          .spanish_bytes = 0,
          .pretrain_model = "{width: 256, layers: 6, heads: 4, feed_forward_width: 688}",
          .pretrain_limits = "{max_seconds: 90}",
          .difficulty_tokens = 32,
          .expert_steps = std::nullopt,
          .expert_seconds = 80,
          .expert_batch = 1,
          .expert_context = 256,
          .evaluation_tokens = 4096,
          .answer_tokens = 120};
}

// A file that comes with the project: beside the build tree, or where PANAL_SHARE says.
Result<std::string> find_shipped(const std::vector<std::string>& names, std::string_view what) {
  std::vector<std::filesystem::path> roots;
  if (const char* named = std::getenv("PANAL_SHARE")) roots.emplace_back(named);
  std::error_code error;
  const auto program = std::filesystem::read_symlink("/proc/self/exe", error).parent_path();
  roots.push_back(program.parent_path().parent_path());
  roots.push_back(std::filesystem::current_path(error));
  for (const auto& root : roots) {
    for (const auto& name : names) {
      if (std::filesystem::exists(root / name, error)) return (root / name).string();
    }
  }
  return Status(Code::kNotFound,
                fmt::format("{} was expected at {}, and is not there; run ./scripts/setup.sh, or "
                            "set PANAL_SHARE to the project's folder",
                            what, (roots.front() / names.front()).string()));
}

// Source files of the Python standard library of this machine.
Result<std::vector<std::string>> find_code() {
  constexpr std::size_t kFewest = 10;
  std::vector<std::filesystem::path> roots;
  std::error_code error;
  for (const auto& base : {"/usr/lib", "/usr/local/lib"}) {
    for (const auto& entry : std::filesystem::directory_iterator(base, error)) {
      if (entry.path().filename().string().starts_with("python3.")) roots.push_back(entry.path());
    }
  }
  for (const auto& root : roots) {
    std::vector<std::string> files;
    for (const auto& entry : std::filesystem::directory_iterator(root, error)) {
      const auto bytes = entry.is_regular_file(error) ? entry.file_size(error) : 0;
      if (entry.path().extension() == ".py" && bytes > 8'000 && bytes < 60'000)
        files.push_back(entry.path().string());
    }
    std::ranges::sort(files);
    if (files.size() >= kFewest) return files;
  }
  return Status(Code::kNotFound,
                "the Python standard library was expected under /usr/lib/python3.*, and is not "
                "there: apt-get install libpython3-stdlib");
}

Result<std::vector<std::string>> find_licences() {
  std::vector<std::string> files;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(kLicences, error)) {
    // The links are the same licences under shorter names.
    if (entry.is_regular_file(error) && !entry.is_symlink(error))
      files.push_back(entry.path().string());
  }
  std::ranges::sort(files);
  if (!files.empty()) return files;
  return Status(Code::kNotFound, fmt::format("licences were expected in {}, and are not there: "
                                             "apt-get install base-files",
                                             kLicences));
}

// The prose, cut to the demo's size at a paragraph.
Result<std::string> prepare_prose(const std::string& source, std::size_t max_bytes,
                                  const std::filesystem::path& folder) {
  if (max_bytes == 0) return source;
  PANAL_ASSIGN(std::string text, store::read_file(source, 64u << 20));
  const auto end = text.find("\r\n\r\n", max_bytes);
  if (end != std::string::npos) text.resize(end);
  const auto path = folder / "prose.txt";
  PANAL_TRY(store::write_file_atomically(store::posix_file_system(), path, text));
  return path.string();
}

using Asking =
    std::function<std::vector<QuestionAndAnswer>(std::string_view text, const std::string& path)>;

// One chat file of what can be asked about these files: at most `count` conversations, from
// beginning to end, each with the file it is from.
Result<std::string> write_conversations(const std::filesystem::path& path,
                                        const std::vector<std::string>& files, std::size_t count,
                                        const Asking& asking) {
  std::vector<Json> records;
  for (const std::string& file : files) {
    PANAL_ASSIGN(const std::string bytes, store::read_file(file, 64u << 20));
    PANAL_ASSIGN(const std::string text, data::normalise_text(bytes, file));
    for (const QuestionAndAnswer& pair : asking(text, file))
      records.push_back(to_chat_record(pair, file));
  }
  if (records.empty()) {
    return Status(
        Code::kInvalidArgument,
        fmt::format("{}: expected text that questions can be made of, found none", files.front()));
  }
  const std::size_t kept = std::min(count, records.size());
  std::string lines;
  for (std::size_t i = 0; i < kept; ++i)
    lines += to_line(records[i * records.size() / kept]) + "\n";
  PANAL_TRY(store::write_file_atomically(store::posix_file_system(), path, lines));
  return path.string();
}

class Demo {
 public:
  Demo(const DemoOptions& options, Workspace& workspace)
      : sizes_(sizes_of(options)),
        options_(options),
        workspace_(workspace),
        terminal_(workspace.terminal()) {}

  Result<Json> run() {
    PANAL_ASSIGN(catalogue_, workspace_.catalogue());
    PANAL_TRY(find_inputs());
    PANAL_TRY(import_core());
    PANAL_TRY(pretrain());
    PANAL_TRY(partition());
    PANAL_TRY(train_experts());
    PANAL_TRY(evaluate());
    PANAL_TRY(register_and_deploy());
    PANAL_TRY(ask());
    say_what_next();
    return report_;
  }

 private:
  Status find_inputs() {
    folder_ = catalogue_->home().root / "demo";
    std::filesystem::create_directories(folder_);
    gguf_ = options_.model;
    if (gguf_.empty()) {
      PANAL_ASSIGN(gguf_, find_shipped({std::string(".deps/models/") + kModelFile},
                                       "the model SmolLM2-135M-Instruct"));
    }
    std::string prose = options_.text;
    if (prose.empty()) {
      PANAL_ASSIGN(prose,
                   find_shipped({"examples/data/quijote-es.txt"}, "the text of Don Quijote"));
    }
    PANAL_ASSIGN(prose_, prepare_prose(prose, sizes_.spanish_bytes, folder_));
    PANAL_ASSIGN(code_, find_code());
    PANAL_ASSIGN(licences_, find_licences());
    return Status();
  }

  // Experts that learn from bare documents forget how to converse.
  Result<std::vector<std::string>> make_conversations() {
    const auto write = [&](const char* name, const std::vector<std::string>& files,
                           const Asking& asking) {
      return write_conversations(folder_ / name, files, sizes_.conversations, asking);
    };
    std::vector<std::string> paths(3);
    PANAL_ASSIGN(paths[0], write("licences.jsonl", licences_, [](auto text, const auto& path) {
                   return ask_about_licence(text, std::filesystem::path(path).filename().string());
                 }));
    PANAL_ASSIGN(paths[1], write("functions.jsonl", code_,
                                 [](auto text, const auto&) { return ask_about_functions(text); }));
    PANAL_ASSIGN(paths[2], write("novel.jsonl", {prose_},
                                 [](auto text, const auto&) { return ask_about_persons(text); }));
    return paths;
  }

  Status import_core() {
    terminal_.heading("1 of 7  Import a real model: SmolLM2-135M-Instruct from GGUF");
    PANAL_ASSIGN(
        report_["import"],
        import_model({.path = gguf_, .name = "smollm2", .licence = "Apache-2.0"}, workspace_));
    return Status();
  }

  Status pretrain() {
    terminal_.heading("2 of 7  Pre-train a small model from scratch on Don Quijote");
    const std::string config = fmt::format(
        "kind: pretrain\nname: quijote\nseed: 1\nmodel: {}\ntokenizer: {{vocabulary_size: "
        "{}}}\ndata: {{path: {}}}\n"
        "optimizer: {{rule: muon}}\nbatch: {{sequences: 8, context: {}}}\nevaluation: "
        "{{sample_prompt: \"En un lugar de la Mancha\"}}\nlimits: {}\n",
        sizes_.pretrain_model, options_.small ? 512 : 4096, to_line(Json(prose_)),
        options_.small ? 64 : 256, sizes_.pretrain_limits);
    PANAL_ASSIGN(report_["pretrain"], train_model({.config_file = "the demo's run file",
                                                   .config = config,
                                                   .base_directory = "",
                                                   .model_name = "quijote"},
                                                  workspace_));
    const std::string run = report_["pretrain"].value("run_folder", "") + "/run";
    terminal_.print("  sample: " + report_["pretrain"].value("sample", ""));
    terminal_.print("  loss plot: " + run + "/loss.svg");
    return Status();
  }

  Status partition() {
    terminal_.heading(
        "3 of 7  Partition a mixed, unlabelled dataset by language, topic and difficulty");
    PANAL_ASSIGN(const std::vector<std::string> paths, make_conversations());
    terminal_.print(
        fmt::format("  licences, Python functions and a novel as questions and answers: "
                    "{}/*.jsonl",
                    folder_.string()));
    PANAL_ASSIGN(report_["data"],
                 add_dataset({.name = "mixed",
                              .paths = paths,
                              .licence = "",
                              .source = "licences, Python standard library, Don Quijote"},
                             workspace_));
    const std::string code_root = std::filesystem::path(code_.front()).parent_path().string();
    PANAL_ASSIGN(report_["partitioning"],
                 partition_dataset(
                     {.dataset = "mixed",
                      .core = "smollm2",
                      .origins = {{"legal", kLicences}, {"code", code_root}, {"spanish", prose_}},
                      .difficulty_tokens = sizes_.difficulty_tokens},
                     workspace_));
    return Status();
  }

  Status train_experts() {
    // A copy: adding members to the report moves the ones it has.
    const Json partitions = report_["partitioning"]["partitions"];
    terminal_.heading(
        fmt::format("4 of 7  Train one LoRA expert per partition ({}), each a job of its own",
                    partitions.size()));
    report_["experts"] = Json::array();
    for (const Json& partition : partitions) {
      const std::string label = partition.at("name");
      hub::FinetuneExpert expert;
      expert.core = "smollm2";
      expert.dataset = fmt::format(
          "{}:{}", report_["partitioning"].value("partitioning", std::int64_t{0}), label);
      expert.name = "demo/" + label;
      expert.batch = sizes_.expert_batch;
      expert.context = sizes_.expert_context;
      expert.steps = sizes_.expert_steps;
      expert.max_seconds = sizes_.expert_seconds;
      // The time is short: over 16 steps of 256 tokens this rate brought the held-out loss lower
      // than 0.002 and 0.008 did.
      expert.learning_rate = 4e-3;
      expert.evaluation_tokens = 512;
      PANAL_ASSIGN(Json trained, finetune_expert(expert, workspace_));
      report_["experts"].push_back(std::move(trained));
      experts_.push_back(expert.name);
    }
    return Status();
  }

  Status evaluate() {
    terminal_.heading("5 of 7  Evaluate core and experts on every partition's held-out documents");
    PANAL_ASSIGN(report_["evaluation"],
                 evaluate_matrix({.core = "smollm2",
                                  .experts = experts_,
                                  .partitioning = report_["partitioning"].value("partitioning",
                                                                                std::int64_t{0}),
                                  .context = sizes_.expert_context,
                                  .max_tokens = sizes_.evaluation_tokens},
                                 workspace_));
    return Status();
  }

  Status register_and_deploy() {
    terminal_.heading("6 of 7  Register and deploy core + experts as one endpoint");
    PANAL_ASSIGN(
        report_["deployment"],
        deploy({.name = "demo",
                .core = "smollm2",
                .experts = experts_,
                .partitioning = report_["partitioning"].value("partitioning", std::int64_t{0})},
               workspace_));
    return Status();
  }

  Status ask() {
    terminal_.heading("7 of 7  Ask the endpoint over HTTP, as any OpenAI client would");
    terminal_.print(
        "  A small core and experts of a minute: the language and the words of their texts, not "
        "yet "
        "good answers.");
    PANAL_ASSIGN(hub::Hive * hive, workspace_.hive());
    hub::Answering answering(std::make_unique<hub::Endpoints>(*catalogue_, workspace_.clock()),
                             hub::answering_options(*hive), workspace_.clock());
    PANAL_ASSIGN(const auto server,
                 api::ApiServer::start({}, {.allowed_hosts = {}, .version = hub::code_version()},
                                       answering, workspace_.clock()));
    report_["answers"] = Json::array();
    for (const char* text : {"¿Quién era Sancho Panza y qué quería don Quijote?",
                             "What does the GNU General Public License say about warranty?",
                             "Write a Python function that opens a file and counts its lines.",
                             "Explain what a copyright licence is, and write a Python function "
                             "that adds two numbers."}) {
      terminal_.print(fmt::format("\n> {}", text));
      const Question question{.url = fmt::format("http://127.0.0.1:{}", server->port()),
                              .text = text,
                              .model = "auto",
                              .max_tokens = sizes_.answer_tokens,
                              .seed = 1};
      PANAL_ASSIGN(const HubAnswer answer, ask_hub(
                                               question,
                                               [&](std::string_view piece) {
                                                 terminal_.stream(piece);
                                                 return terminal_.output_status();
                                               },
                                               workspace_.stop()));
      terminal_.print("");
      if (answer.trace) print_trace(*answer.trace, terminal_);
      Json told = to_json(answer);
      told["question"] = text;
      report_["answers"].push_back(std::move(told));
    }
    server->stop(std::chrono::seconds(1));
    return Status();
  }

  void say_what_next() {
    terminal_.heading("What you have now");
    terminal_.print(
        fmt::format("  {} with a core, {} experts, their lineage and checks: panal models",
                    catalogue_->home().root.string(), experts_.size()));
    terminal_.print("Try next");
    terminal_.print(
        "  panal up                            the endpoint and a page on http://127.0.0.1:7070");
    terminal_.print(
        "  panal ask \"¿Quién era Dulcinea?\"    in another terminal: answer, route, speed, "
        "energy");
    terminal_.print("  panal models show demo/NAME         where an expert comes from");
    terminal_.print(
        "  panal train run.yaml                your own text: docs/guides/first-steps.md");
  }

  const DemoSizes sizes_;
  const DemoOptions options_;
  Workspace& workspace_;
  Terminal& terminal_;
  registry::Catalogue* catalogue_ = nullptr;  // Owned by the workspace.
  std::filesystem::path folder_;
  std::string gguf_;
  std::string prose_;
  std::vector<std::string> code_;
  std::vector<std::string> licences_;
  std::vector<std::string> experts_;
  Json report_ = Json::object();
};

}  // namespace

void add_demo_command(CLI::App& app, Action& action) {
  auto options = std::make_shared<DemoOptions>();  // Shared by the flags and the callback.
  CLI::App* command = app.add_subcommand(
      "demo", "The whole way, from a real model and mixed text to routed answers");
  command->add_flag("--small", options->small, "Tiny sizes, at most 3 minutes");
  command->add_option("--model", options->model,
                      "GGUF of the core; default: what scripts/setup.sh fetched");
  command->add_option("--text", options->text, "Spanish prose to learn from; default: Don Quijote");
  command->callback([options, &action] {
    action = [options](Workspace& workspace) { return Demo(*options, workspace).run(); };
  });
}

}  // namespace panal::cli
