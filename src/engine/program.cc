#include "engine/program.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <thread>
#include <vector>

#include "base/error.h"
#include "base/stop_on_signal.h"
#include "engine/commands/commands.h"
#include "panal_version.h"
#include "store/file_system.h"
#include "store/output.h"
#include "tensor/runtime.h"

namespace panal::engine {
namespace {

constexpr std::uint64_t kMaxSpecBytes = 64u << 20;
constexpr char kUsage[] =
    "panal-engine computes for panal, which starts it. By hand:\n"
    "  panal-engine job FOLDER                        do the work FOLDER/job.json describes\n"
    "  panal-engine serve --spec FILE --socket PATH   answer requests on a unix socket\n";

// Every kind of job by its name, as one that takes and gives documents.
struct Command {
  std::string_view kind;
  Result<Json> (*run)(const Json& spec, const JobContext& context);
};

template <work::Job Job, Result<typename Job::Outcome> (*do_job)(const Job&, const JobContext&)>
constexpr Command command() {
  return {Job::kKind, [](const Json& spec, const JobContext& context) -> Result<Json> {
            PANAL_ASSIGN(const Job job, work::decode<Job>(spec, "job"));
            PANAL_ASSIGN(const auto outcome, do_job(job, context));
            return work::encode(outcome);
          }};
}

constexpr Command kCommands[] = {
    command<work::CheckModelJob, check_model>(),
    command<work::CheckAdapterJob, check_adapter>(),
    command<work::ExportModelJob, export_model>(),
    command<work::GenerateJob, generate>(),
    command<work::EvaluateTextsJob, evaluate_texts>(),
    command<work::EvaluateChoicesJob, evaluate_choices>(),
    command<work::DocumentLossesJob, document_losses>(),
    command<work::TrainingJob, train>(),
    command<work::MeasureJob, measure>(),
    command<work::TrainingBenchmarkJob, benchmark_training>(),
    command<work::ContentionJob, benchmark_contention>(),
    command<work::OptimizerContestJob, benchmark_optimizers>(),
};

Result<Json> run_job(const std::string& folder, EventWriter& events, std::stop_token stop) {
  const std::string path = folder + "/job.json";
  PANAL_ASSIGN(const std::string text, store::read_file(path, kMaxSpecBytes));
  PANAL_ASSIGN(const auto file, work::parse<work::JobFile>(text, path));
  std::vector<std::string_view> kinds;
  for (const Command& known : kCommands) {
    if (known.kind == file.kind) return known.run(file.spec, {folder, events, stop, file.group});
    kinds.push_back(known.kind);
  }
  return Status(Code::kInvalidArgument,
                fmt::format("{}: \"kind\" must be one of {}, found \"{:.60}\"", path,
                            fmt::join(kinds, ", "), file.kind));
}

int finish_job(const std::string& folder, EventWriter& events, std::stop_token stop) {
  auto result = capture([&] { return run_job(folder, events, stop); });
  if (result.ok()) {
    const Status saved = store::write_file_atomically(store::posix_file_system(),
                                                      std::filesystem::path(folder) / "result.json",
                                                      to_pretty(*result));
    if (saved.ok()) {
      events.result(*std::move(result));
      return 0;
    }
    events.error(saved);
    return 1;
  }
  events.error(result.status());
  return result.code() == Code::kInvalidArgument ? 2 : 1;
}

int serve_spec(const std::string& file, const std::string& socket, EventWriter& events,
               std::stop_token stop) {
  const Status status = capture([&]() -> Status {
    PANAL_ASSIGN(const std::string text, store::read_file(file, kMaxSpecBytes));
    PANAL_ASSIGN(const auto spec, work::parse<work::ServingSpec>(text, file));
    return serve(spec, socket, events, stop);
  });
  if (status.ok()) return 0;
  events.error(status);
  return 1;
}

// PANAL_THREADS, or as many threads as the machine has.
int compute_threads() {
  const int available = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  const char* named = std::getenv("PANAL_THREADS");
  const int wanted = named == nullptr ? 0 : std::atoi(named);
  return wanted >= 1 && wanted <= 1024 ? wanted : available;
}

int print(std::string_view text) {
  const auto output = store::standard_output();
  Status written = output->write(text);
  if (written.ok()) written = output->close();
  if (written.ok()) return 0;
  fmt::print(stderr, "panal-engine: {}\n", written.message());
  return 1;
}

}  // namespace

int run_program(std::span<const std::string> arguments) {
  store::occupy_standard_descriptors();
  const StopOnSignal signals;  // First: a reader that is gone is an error to report, no signal.
  if (arguments.size() == 1 && arguments[0] == "--version")
    return print(fmt::format("panal-engine {} ({})\n", PANAL_VERSION, PANAL_COMMIT));
  if (arguments.size() == 1 && arguments[0] == "--help") return print(kUsage);
  const bool is_job = arguments.size() == 2 && arguments[0] == "job";
  const bool is_serve = arguments.size() == 5 && arguments[0] == "serve" &&
                        arguments[1] == "--spec" && arguments[3] == "--socket";
  if (!is_job && !is_serve) {
    std::fputs(kUsage, stderr);
    return 2;
  }
  EventWriter events;
  tensor::set_num_threads(compute_threads());
  tensor::reuse_pages();
  if (is_job) return finish_job(arguments[1], events, signals.token());
  return serve_spec(arguments[2], arguments[4], events, signals.token());
}

}  // namespace panal::engine
