// Writing a core as the folder transformers loads: weights first, config.json last, so that a
// folder with a config is a whole one.
#include <torch/types.h>

#include <algorithm>

#include "base/error.h"
#include "model/decoder.h"
#include "model/detail/decoder_state.h"
#include "store/file_system.h"
#include "tensor/named_tensor.h"
#include "tensor/tensor_file.h"

namespace panal::model {
namespace {

Json generation_config(const recipe::ModelConfig& config) {
  Json json = {{"_from_model_config", true}};
  if (config.bos_id) json["bos_token_id"] = *config.bos_id;
  if (config.eos_id) json["eos_token_id"] = *config.eos_id;
  return json;
}

}  // namespace

Status save_generation_config(const std::filesystem::path& folder,
                              const recipe::ModelConfig& config, const Json& existing,
                              std::span<const std::int32_t> stop_ids) {
  Json json = generation_config(config);
  if (existing.is_object()) json.update(existing);
  // The end of a text goes first: readers that know only one id take it.
  std::vector<std::int64_t> ids;
  if (config.eos_id) ids.push_back(*config.eos_id);
  for (const std::int32_t id : stop_ids) {
    if (std::ranges::find(ids, id) == ids.end()) ids.push_back(id);
  }
  if (ids.size() == 1) json["eos_token_id"] = ids[0];
  if (ids.size() > 1) json["eos_token_id"] = ids;
  return store::write_file_atomically(store::posix_file_system(), folder / "generation_config.json",
                                      to_pretty(json) + "\n");
}

Status Decoder::save_hugging_face(const std::filesystem::path& folder, SaveType type) const {
  return capture([&]() -> Status {
    store::FileSystem& files = store::posix_file_system();
    PANAL_TRY(store::make_directories(files, folder));
    std::vector<tensor::NamedTensor> tensors = parameters();
    const bool is_rounded =
        type == SaveType::kBFloat16 ||
        (type == SaveType::kAsKept && state_->head.scalar_type() == at::kBFloat16);
    if (type != SaveType::kAsKept) {
      for (tensor::NamedTensor& tensor : tensors)
        tensor.value = tensor.value.detach().to(is_rounded ? at::kBFloat16 : at::kFloat);
    }
    std::ranges::sort(tensors, {}, &tensor::NamedTensor::name);
    PANAL_TRY(
        tensor::save_tensors(files, folder / "model.safetensors", tensors, {{"format", "pt"}}));
    const auto write = [&](const char* name, const Json& json) {
      return store::write_file_atomically(files, folder / name, to_pretty(json) + "\n");
    };
    PANAL_TRY(write("generation_config.json", generation_config(state_->config)));
    return write("config.json", recipe::config_to_hugging_face(
                                    state_->config, is_rounded ? "bfloat16" : "float32"));
  });
}

}  // namespace panal::model
