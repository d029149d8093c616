// A LoRA adapter as the folder PEFT writes and reads: adapter_config.json and
// adapter_model.safetensors.
#include <fmt/core.h>
#include <torch/types.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <set>

#include "base/error.h"
#include "model/decoder.h"
#include "model/detail/adapter.h"
#include "model/detail/decoder_state.h"
#include "store/file_system.h"
#include "store/git_lfs.h"
#include "tensor/named_tensor.h"
#include "tensor/tensor_file.h"
#include "weights/weight_source.h"

namespace panal::model {
namespace detail {
namespace {

constexpr std::uint64_t kMaxConfigBytes = 1 << 20;
constexpr std::string_view kPrefix = "base_model.model.";

// Settings of PEFT that say nothing about the numbers of a trained adapter, or that parse_config()
// reads.
constexpr std::array<std::string_view, 18> kKnown = {"auto_mapping",
                                                     "base_model_name_or_path",
                                                     "bias",
                                                     "eva_config",
                                                     "fan_in_fan_out",
                                                     "inference_mode",
                                                     "init_lora_weights",
                                                     "lora_alpha",
                                                     "lora_dropout",
                                                     "megatron_core",
                                                     "peft_type",
                                                     "peft_version",
                                                     "qalora_group_size",
                                                     "r",
                                                     "revision",
                                                     "target_modules",
                                                     "task_type",
                                                     "use_rslora"};

bool is_unset(const Json& value) {
  return value.is_null() || value == false || (value.is_structured() && value.empty()) ||
         (value.is_string() && value.get_ref<const std::string&>().empty());
}

// Whatever else is set would change the computation in a way that this build does not know.
Status check_plain(const Json& json, std::string_view where) {
  if (!json.is_object()) {
    return Status(Code::kInvalidArgument,
                  fmt::format("{}: must be an object, found {}", where, json_shown(json)));
  }
  for (const auto& [name, value] : json.items()) {
    if (is_unset(value) || std::ranges::find(kKnown, name) != kKnown.end()) continue;
    return Status(Code::kUnsupported,
                  fmt::format("{}: \"{}\" must be unset, found {}: adapters with it are not known "
                              "here",
                              where, name, json_shown(value)));
  }
  if (json_has(json, "bias") && json["bias"] != "none") {
    return Status(Code::kUnsupported, fmt::format("{}: \"bias\" must be \"none\", found {}", where,
                                                  json_shown(json["bias"])));
  }
  // These starts change the core's own weights, so that the adapter fits no other.
  const Json start = json_has(json, "init_lora_weights") ? json["init_lora_weights"] : Json(true);
  if (start.is_boolean() || start == "gaussian" || start == "eva" || start == "orthogonal")
    return Status();
  return Status(Code::kUnsupported,
                fmt::format("{}: \"init_lora_weights\" {} changes the core's weights; wanted an "
                            "adapter over the core as it is",
                            where, json_shown(start)));
}

// A list of names. "all-linear" and regular expressions are texts: the tensors in the file say
// which layers they meant, and the list stays empty.
Result<std::vector<std::string>> parse_targets(const Json& json, std::string_view where) {
  std::vector<std::string> names;
  const auto targets = json.find("target_modules");
  if (targets != json.end() && targets->is_string()) return names;
  if (targets == json.end() || !targets->is_array() || targets->empty()) {
    return Status(
        Code::kUnsupported,
        fmt::format("{}: \"target_modules\" must be a list of layer names or a text", where));
  }
  for (const Json& target : *targets) {
    if (!target.is_string()) {
      return Status(Code::kInvalidArgument,
                    fmt::format("{}: \"target_modules\" must hold names, found {}", where,
                                json_shown(target)));
    }
    names.push_back(target.get<std::string>());
  }
  std::ranges::sort(names);
  return names;
}

Result<LoraConfig> parse_config(const Json& json, std::string_view where) {
  PANAL_ASSIGN(const std::string type, json_string(json, "peft_type", where));
  if (type != "LORA") {
    return Status(Code::kUnsupported,
                  fmt::format("{}: \"peft_type\" must be \"LORA\", found \"{}\"", where, type));
  }
  PANAL_TRY(check_plain(json, where));
  LoraConfig lora;
  PANAL_ASSIGN(lora.rank, json_integer(json, "r", where, 1, 1 << 16));
  PANAL_ASSIGN(lora.alpha, json_number(json, "lora_alpha", where, 1e-9, 1e9));
  if (json_has(json, "base_model_name_or_path")) {
    PANAL_ASSIGN(lora.base_model_name, json_string(json, "base_model_name_or_path", where));
  }
  if (json_has(json, "use_rslora")) {
    PANAL_ASSIGN(lora.is_rank_stabilized, json_boolean(json, "use_rslora", where));
  }
  PANAL_ASSIGN(lora.targets, parse_targets(json, where));
  return lora;
}

Result<at::Tensor> read_matrix(const weights::SafetensorsFile& file, const std::string& name,
                               std::int64_t rows, std::int64_t columns) {
  const weights::TensorInfo* info = file.find(name);
  const std::vector<std::int64_t> wanted = {rows, columns};
  if (info == nullptr || info->shape != wanted) {
    return Status(
        Code::kInvalidArgument,
        fmt::format("{}: tensor {}: wanted shape {}, found {}", file.path().string(), name,
                    weights::shape_text(wanted),
                    info == nullptr ? "no such tensor" : weights::shape_text(info->shape)));
  }
  at::Tensor matrix = at::empty(wanted, at::kFloat);
  PANAL_TRY(file.read_float32(name, tensor::floats_of(matrix)));
  PANAL_TRY(weights::check_finite(tensor::floats_of(matrix),
                                  fmt::format("{}: tensor {}", file.path().string(), name)));
  return matrix;
}

// The modules with matrices, by their whole paths.
std::vector<std::string> targets_of(const Adapter& adapter) {
  std::vector<std::string> targets;
  for (const auto& [module, matrices] : adapter.matrices) targets.push_back(module);
  return targets;
}

}  // namespace

Result<Adapter> read_adapter(const std::filesystem::path& folder,
                             const std::vector<LinearShape>& linears) {
  const std::filesystem::path config_path = folder / "adapter_config.json";
  PANAL_ASSIGN(const std::string text, store::read_file(config_path, kMaxConfigBytes));
  PANAL_TRY(store::refuse_lfs_pointer(text, config_path));
  PANAL_ASSIGN(const Json json, parse_json(text, config_path.string()));
  Adapter adapter;
  PANAL_ASSIGN(adapter.lora, parse_config(json, config_path.string()));
  const std::filesystem::path weights_path = folder / "adapter_model.safetensors";
  PANAL_ASSIGN(const auto file, weights::SafetensorsFile::open(weights_path));
  std::set<std::string> used;
  for (const LinearShape& linear : linears) {
    const std::string name = std::string(kPrefix) + linear.module;
    const std::string down = name + ".lora_A.weight", up = name + ".lora_B.weight";
    if (file.find(down) == nullptr && file.find(up) == nullptr) continue;
    PANAL_ASSIGN(at::Tensor a, read_matrix(file, down, adapter.lora.rank, linear.in_width));
    PANAL_ASSIGN(at::Tensor b, read_matrix(file, up, linear.out_width, adapter.lora.rank));
    adapter.matrices.emplace(linear.module, AdapterMatrices{std::move(a), std::move(b)});
    used.insert({down, up});
  }
  for (const weights::TensorInfo& info : file.tensors()) {
    if (used.contains(info.name)) continue;
    return Status(Code::kInvalidArgument,
                  fmt::format("{}: tensor {} {} belongs to no linear layer of this core",
                              weights_path.string(), info.name, weights::shape_text(info.shape)));
  }
  if (adapter.lora.targets.empty()) adapter.lora.targets = targets_of(adapter);
  PANAL_TRY(check_targets(adapter, linears, config_path.string()));
  return adapter;
}

Status check_targets(const Adapter& adapter, const std::vector<LinearShape>& linears,
                     std::string_view where) {
  const auto is_target = [&](std::string_view module) {
    return std::ranges::any_of(adapter.lora.targets, [&](const std::string& target) {
      return module == target || module.ends_with("." + target);
    });
  };
  for (const LinearShape& linear : linears) {
    const bool there = adapter.matrices.contains(linear.module);
    if (is_target(linear.module) == there) continue;
    return Status(Code::kInvalidArgument,
                  fmt::format("{}: \"target_modules\" {} {}, but its tensors are {}", where,
                              there ? "leaves out" : "names", linear.module,
                              there ? "in the file" : "missing"));
  }
  if (!adapter.matrices.empty()) return Status();
  return Status(Code::kInvalidArgument,
                fmt::format("{}: no tensor for any linear layer of this core", where));
}

Json adapter_config_json(const LoraConfig& lora, recipe::Architecture architecture) {
  Json json;
  json["base_model_name_or_path"] = lora.base_model_name;
  json["bias"] = "none";
  json["fan_in_fan_out"] = architecture == recipe::Architecture::kGpt2;
  json["inference_mode"] = true;
  json["init_lora_weights"] = true;
  json["lora_alpha"] = lora.alpha == std::floor(lora.alpha) && lora.alpha < 1e9
                           ? Json(static_cast<std::int64_t>(lora.alpha))
                           : Json(lora.alpha);
  json["lora_dropout"] = 0.0;
  json["peft_type"] = "LORA";
  json["r"] = lora.rank;
  json["target_modules"] = lora.targets;
  json["task_type"] = "CAUSAL_LM";
  json["use_rslora"] = lora.is_rank_stabilized;
  return json;
}

}  // namespace detail

Status Decoder::load_adapter(const std::filesystem::path& folder) {
  return capture([&]() -> Status {
    std::vector<detail::LinearLayer*> linears = state_->targeted({});
    std::vector<detail::LinearShape> shapes;
    for (const auto* linear : linears) {
      shapes.push_back({linear->module, linear->in_width(), linear->out_width()});
    }
    PANAL_ASSIGN(detail::Adapter adapter, detail::read_adapter(folder, shapes));
    remove_lora();
    set_core_trainable(false);
    for (detail::LinearLayer* linear : linears) {
      const auto found = adapter.matrices.find(linear->module);
      if (found == adapter.matrices.end()) continue;
      linear->adapter_down = found->second.down.set_requires_grad(true);
      linear->adapter_up = found->second.up.set_requires_grad(true);
      linear->adapter_scale = adapter.lora.scale();
    }
    state_->lora = std::move(adapter.lora);
    return Status();
  });
}

Status Decoder::save_adapter(const std::filesystem::path& folder) const {
  PANAL_REQUIRE(state_->lora.has_value(), "save_adapter: this model has no adapter");
  return capture([&]() -> Status {
    store::FileSystem& files = store::posix_file_system();
    PANAL_TRY(store::make_directories(files, folder));
    std::vector<tensor::NamedTensor> tensors = trainable_parameters();
    std::ranges::sort(tensors, {}, &tensor::NamedTensor::name);
    PANAL_TRY(tensor::save_tensors(files, folder / "adapter_model.safetensors", tensors,
                                   {{"format", "pt"}}));
    const Json json = detail::adapter_config_json(*state_->lora, state_->config.architecture);
    return store::write_file_atomically(files, folder / "adapter_config.json",
                                        to_pretty(json) + "\n");
  });
}

}  // namespace panal::model
