#include "train/detail/machine_log.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "machine/resident_memory.h"
#include "model/decoder.h"
#include "recipe/model_cost.h"
#include "tensor/device.h"
#include "tensor/runtime.h"
#include "train/probes.h"

namespace panal::train::detail {
namespace {

constexpr double kMeasureAfterSeconds = 20;
constexpr double kMeasureAtEndAfterSeconds = 10;
constexpr std::uint64_t kMostBytes = 16 << 20;
constexpr int kRepeats = 3;
constexpr std::int64_t kMostPeak = std::int64_t{1} << 60;

// Earlier calls. The file is a record and decides nothing: one that cannot be read is begun anew.
Json earlier_document(const std::filesystem::path& path) {
  const auto text = store::read_file(path, kMostBytes);
  if (text.ok()) {
    auto json = parse_json(*text, path.string());
    if (json.ok() && json_has(*json, "calls") && json->at("calls").is_array()) return *json;
  }
  return {{"calls", Json::array()}};
}

Json call_to_json(const report::Call& call) {
  Json json = {{"from_step", call.from_step},
               {"machine", work::to_json(call.machine)},
               {"peak_resident_bytes", nullptr}};
  if (call.peak_resident_bytes) json["peak_resident_bytes"] = *call.peak_resident_bytes;
  if (call.largest_process_bytes) json["largest_process_bytes"] = *call.largest_process_bytes;
  if (call.peak_device_bytes) json["peak_device_bytes"] = *call.peak_device_bytes;
  return json;
}

}  // namespace

Result<MachineLog> MachineLog::open(store::FileSystem& files, const Clock& clock,
                                    const recipe::RunConfig& config, const model::Decoder& decoder,
                                    std::int64_t from_step, ResidentPeaks peaks) {
  MachineLog log(files, clock, config, std::move(peaks));
  log.path_ = config.run_directory / "machines.json";
  log.document_ = from_step > 0 ? earlier_document(log.path_) : Json{{"calls", Json::array()}};
  if (config.kind == recipe::RunKind::kPretrain) {
    log.document_["model"] =
        recipe::model_cost_to_json(recipe::model_cost(decoder.config(), config.batch.context));
  }
  log.call_ = {.from_step = from_step,
               .machine = describe_machine(config.precision, decoder.device())};
  log.device_ = decoder.device();
  if (auto& threads = log.call_.machine.threads) *threads *= log.processes_;
  Json& calls = log.document_["calls"];
  // A call that came no further than its beginning says nothing.
  if (!calls.empty()) {
    const auto before = json_integer(calls.back(), "from_step", "call", 0, kMostPeak);
    if (before.ok() && *before == from_step) calls.erase(calls.size() - 1);
  }
  calls.push_back(Json());
  PANAL_TRY(log.write());
  return log;
}

// A process that forgot its peak after measuring tells a smaller one than before.
Status MachineLog::see_peaks() {
  if (const auto found = tensor::peak_device_bytes(device_)) {
    call_.peak_device_bytes = std::max(call_.peak_device_bytes.value_or(0), *found);
  }
  PANAL_ASSIGN(const std::vector<std::int64_t> found, ask_for_peaks_());
  peaks_.resize(std::max(peaks_.size(), found.size()));
  for (std::size_t i = 0; i < found.size(); ++i) peaks_[i] = std::max(peaks_[i], found[i]);
  if (std::ranges::find(peaks_, 0) != peaks_.end() || peaks_.empty()) return Status();
  call_.peak_resident_bytes = std::accumulate(peaks_.begin(), peaks_.end(), std::int64_t{0});
  if (peaks_.size() > 1) call_.largest_process_bytes = *std::ranges::max_element(peaks_);
  return Status();
}

// What measuring itself holds does not count as the run's.
Status MachineLog::measure() {
  is_measured_ = true;
  PANAL_TRY(see_peaks());
  const int threads = tensor::num_threads();
  if (processes_ > 1) tensor::set_num_threads(threads * processes_);
  const double peak = gemm_peak_flops(precision_, device_, *clock_, kRepeats);
  if (std::isfinite(peak)) call_.machine.peak_flops = peak;
  call_.machine.memory_bytes_per_s = measured_memory_bytes_per_s(*clock_, device_);
  if (processes_ > 1) tensor::set_num_threads(threads);
  machine::forget_peak_resident_bytes();
  tensor::forget_peak_device_bytes(device_);
  return Status();
}

Status MachineLog::after_step(double call_seconds) {
  if (is_written_ || call_seconds < kMeasureAfterSeconds) return Status();
  if (!is_measured_) PANAL_TRY(measure());
  PANAL_TRY(write());
  is_written_ = true;
  return Status();
}

Status MachineLog::end(double call_seconds) {
  if (!is_measured_ && call_seconds >= kMeasureAtEndAfterSeconds) {
    PANAL_TRY(measure());
  } else {
    PANAL_TRY(see_peaks());
  }
  return write();
}

report::Call MachineLog::largest_call() const {
  report::Call largest = call_;
  for (const Json& earlier : document_.at("calls")) {
    const auto on_device = json_integer(earlier, "peak_device_bytes", "call", 1, kMostPeak);
    if (on_device.ok() && *on_device > largest.peak_device_bytes.value_or(0)) {
      largest.peak_device_bytes = *on_device;
    }
    const auto peak = json_integer(earlier, "peak_resident_bytes", "call", 1, kMostPeak);
    if (!peak.ok() || *peak <= largest.peak_resident_bytes.value_or(0)) continue;
    largest.peak_resident_bytes = *peak;
    const auto process = json_integer(earlier, "largest_process_bytes", "call", 1, kMostPeak);
    largest.largest_process_bytes = process.ok() ? std::optional(*process) : std::nullopt;
  }
  return largest;
}

Status MachineLog::write() const {
  Json document = document_;
  document["calls"].back() = call_to_json(call_);
  return store::write_file_atomically(*files_, path_, to_pretty(document));
}

}  // namespace panal::train::detail
