#include "model/detail/serving_core.h"

#include <fmt/core.h>

#include <map>

#include "base/error.h"
#include "kernels/cpu/matvec.h"
#include "model/detail/read_weights.h"
#include "tensor/linear.h"

namespace panal::model::detail {
namespace {

using tensor::PackedWeight;

constexpr std::int64_t kFewRows = 8;

PackedWeight::Blocks blocks_of(weights::DataType type) {
  if (type == weights::DataType::kQ4_0) return PackedWeight::Blocks::kQ4_0;
  if (type == weights::DataType::kQ4_1) return PackedWeight::Blocks::kQ4_1;
  if (type == weights::DataType::kQ8_0) return PackedWeight::Blocks::kQ8_0;
  return PackedWeight::Blocks::kNone;
}

class Loader {
 public:
  Loader(const weights::WeightSource& source, std::vector<FoundParameter> found) : source_(source) {
    for (FoundParameter& parameter : found) {
      std::string name = parameter.spec.name;
      found_.emplace(std::move(name), std::move(parameter));
    }
  }

  at::Tensor read(const std::string& name) const {
    return value_or_throw(read_parameter(source_, found_.at(name)));
  }

  // The weights of `names` one over the other, as floats and, where the file has them all in one
  // kind of blocks, as blocks too.
  PackedWeight packed(const std::vector<std::string>& names) const {
    std::vector<at::Tensor> floats;
    for (const std::string& name : names) {
      const at::Tensor value = read(name);
      floats.push_back(found_.at(name).spec.is_in_out ? value.t() : value);
    }
    PackedWeight weight(floats.size() == 1 ? floats[0].contiguous() : at::cat(floats, 0));
    floats.clear();
    const PackedWeight::Blocks kind = common_blocks(names);
    if (kind == PackedWeight::Blocks::kNone || weight.in_width() % 32 != 0) return weight;
    std::vector<std::byte> rows;
    for (const std::string& name : names) append_rows(found_.at(name), rows);
    weight.add_blocks(kind, rows);
    return weight;
  }

  FusedLinear fused(const std::vector<std::string>& modules, bool has_bias) const {
    FusedLinear linear;
    std::vector<std::string> names;
    std::vector<at::Tensor> biases;
    std::int64_t begin = 0;
    for (const std::string& module : modules) {
      const recipe::ParameterSpec& spec = found_.at(module + ".weight").spec;
      const std::int64_t width = spec.shape[spec.is_in_out ? 1 : 0];
      linear.parts.push_back({module, begin, width});
      names.push_back(module + ".weight");
      begin += width;
      if (has_bias) biases.push_back(read(module + ".bias"));
    }
    linear.weight = packed(names);
    if (has_bias) linear.bias = at::cat(biases, 0);
    return linear;
  }

 private:
  PackedWeight::Blocks common_blocks(const std::vector<std::string>& names) const {
    const auto kind_of = [&](const std::string& name) {
      return blocks_of(source_.find(found_.at(name).file_name)->type);
    };
    for (const std::string& name : names) {
      if (kind_of(name) != kind_of(names[0])) return PackedWeight::Blocks::kNone;
    }
    return kind_of(names[0]);
  }

  void append_rows(const FoundParameter& parameter, std::vector<std::byte>& rows) const {
    const auto bytes = value_or_throw(source_.raw_bytes(parameter.file_name));
    const std::vector<std::int64_t> order = row_order(source_, parameter.spec);
    if (order.empty()) {
      rows.insert(rows.end(), bytes.begin(), bytes.end());
      return;
    }
    const std::size_t row_bytes = bytes.size() / order.size();
    for (const std::int64_t row : order) {
      const auto part = bytes.subspan(static_cast<std::size_t>(row) * row_bytes, row_bytes);
      rows.insert(rows.end(), part.begin(), part.end());
    }
  }

  const weights::WeightSource& source_;  // Outlives the loader.
  std::map<std::string, FoundParameter> found_;
};

ServingLayer load_llama_layer(const Loader& loader, const recipe::ModelConfig& config,
                              std::int64_t index) {
  const std::string name = fmt::format("model.layers.{}.", index);
  ServingLayer layer;
  layer.attention_norm.weight = loader.read(name + "input_layernorm.weight");
  layer.feed_forward_norm.weight = loader.read(name + "post_attention_layernorm.weight");
  const std::string attention = name + "self_attn.";
  layer.qkv = loader.fused({attention + "q_proj", attention + "k_proj", attention + "v_proj"},
                           config.attention_bias);
  if (config.qk_norm) {
    layer.q_norm.weight = loader.read(attention + "q_norm.weight");
    layer.k_norm.weight = loader.read(attention + "k_norm.weight");
  }
  layer.o = loader.fused({attention + "o_proj"}, config.attention_output_bias);
  const std::string gate = name + "mlp.gate_proj", up = name + "mlp.up_proj";
  layer.up = config.is_gated() ? loader.fused({gate, up}, false) : loader.fused({up}, false);
  layer.down = loader.fused({name + "mlp.down_proj"}, false);
  return layer;
}

ServingLayer load_gpt2_layer(const Loader& loader, std::int64_t index) {
  const std::string name = fmt::format("transformer.h.{}.", index);
  ServingLayer layer;
  layer.attention_norm = {loader.read(name + "ln_1.weight"), loader.read(name + "ln_1.bias")};
  layer.feed_forward_norm = {loader.read(name + "ln_2.weight"), loader.read(name + "ln_2.bias")};
  layer.qkv = loader.fused({name + "attn.c_attn"}, true);
  layer.o = loader.fused({name + "attn.c_proj"}, true);
  layer.up = loader.fused({name + "mlp.c_fc"}, true);
  layer.down = loader.fused({name + "mlp.c_proj"}, true);
  return layer;
}

}  // namespace

std::vector<LinearShape> ServingCore::linear_shapes() const {
  std::vector<LinearShape> shapes;
  for (const ServingLayer& layer : layers) {
    for (const FusedLinear* linear : {&layer.qkv, &layer.o, &layer.up, &layer.down}) {
      for (const FusedLinear::Part& part : linear->parts) {
        shapes.push_back({part.module, linear->weight->in_width(), part.width});
      }
    }
  }
  return shapes;
}

Result<ServingCore> load_serving_core(const weights::WeightSource& source,
                                      recipe::ModelConfig config) {
  PANAL_ASSIGN(std::vector<FoundParameter> found, match_parameters(source, config));
  const Loader loader(source, std::move(found));
  const bool llama = config.architecture == recipe::Architecture::kLlama;
  ServingCore core;
  for (std::int64_t i = 0; i < config.layers; ++i) {
    core.layers.push_back(llama ? load_llama_layer(loader, config, i) : load_gpt2_layer(loader, i));
  }
  const std::string embedding = llama ? "model.embed_tokens.weight" : "transformer.wte.weight";
  core.final_norm.weight = loader.read(llama ? "model.norm.weight" : "transformer.ln_f.weight");
  if (!llama) {
    core.final_norm.bias = loader.read("transformer.ln_f.bias");
    core.position_embedding = loader.read("transformer.wpe.weight");
  }
  core.head = loader.packed({config.tied_embeddings ? embedding : "lm_head.weight"});
  core.token_embedding = config.tied_embeddings ? core.head->floats() : loader.read(embedding);
  core.rotary = rotary_table(config);
  core.config = std::move(config);
  return core;
}

ServingAdapter make_serving_adapter(const ServingCore& core, std::string name,
                                    const Adapter& adapter) {
  ServingAdapter made{.name = std::move(name), .linears = {}};
  const double scale = adapter.lora.scale();
  for (const ServingLayer& layer : core.layers) {
    for (const FusedLinear* linear : {&layer.qkv, &layer.o, &layer.up, &layer.down}) {
      FusedAdapter fused;
      std::vector<at::Tensor> downs;
      for (const FusedLinear::Part& part : linear->parts) {
        const auto found = adapter.matrices.find(part.module);
        if (found == adapter.matrices.end()) continue;
        const auto low_begin = static_cast<std::int64_t>(downs.size()) * adapter.lora.rank;
        fused.parts.push_back({part.begin, low_begin, (found->second.up * scale).t().contiguous()});
        downs.push_back(found->second.down);
      }
      if (!downs.empty()) fused.down = at::cat(downs, 0).contiguous();
      made.linears.push_back(std::move(fused));
    }
  }
  return made;
}

void add_adapter(const FusedAdapter& adapter, const at::Tensor& x, at::Tensor& y,
                 std::int64_t begin, std::int64_t count) {
  if (adapter.parts.empty() || count == 0) return;
  const std::int64_t low_width = adapter.down.size(0), in = x.size(1), out = y.size(1);
  if (count > kFewRows) {
    const at::Tensor low = tensor::product_nt(x.narrow(0, begin, count), adapter.down);
    for (const FusedAdapter::Part& part : adapter.parts) {
      y.narrow(0, begin, count)
          .narrow(1, part.begin, part.up.size(1))
          .addmm_(low.narrow(1, part.low_begin, part.up.size(0)), part.up);
    }
    return;
  }
  std::vector<float> low(static_cast<std::size_t>(count * low_width));
  kernels::cpu::matvec_float(adapter.down.const_data_ptr<float>(),
                             x.const_data_ptr<float>() + begin * in, count, in, 0, low_width,
                             low.data(), low_width);
  for (const FusedAdapter::Part& part : adapter.parts) {
    kernels::cpu::add_low_rank(
        low.data() + part.low_begin, low_width, part.up.const_data_ptr<float>(), count,
        part.up.size(0), part.up.size(1), y.data_ptr<float>() + begin * out + part.begin, out);
  }
}

}  // namespace panal::model::detail
