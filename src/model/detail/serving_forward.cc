#include "model/detail/serving_forward.h"

#include <torch/types.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernels/compute_pool.h"
#include "kernels/cpu/attention.h"
#include "kernels/cpu/layers.h"
#include "kernels/cpu/residual.h"
#include "tensor/slices.h"

namespace panal::model::detail {
namespace {

/// Rows that share an adapter.
struct AdapterRows {
  const ServingAdapter* adapter;
  std::int64_t begin;
  std::int64_t count;
};

class Forward {
 public:
  Forward(const ServingCore& core, std::vector<RaggedStep>& steps)
      : core_(core), config_(core.config), steps_(steps) {
    std::ranges::stable_sort(steps_, std::less<>(), &RaggedStep::adapter);
    for (const RaggedStep& step : steps_) {
      const auto length = static_cast<std::int64_t>(step.tokens.size());
      const auto begin = static_cast<std::int64_t>(tokens_.size());
      begins_.push_back(begin);
      for (std::int64_t i = 0; i < length; ++i) {
        tokens_.push_back(step.tokens[static_cast<std::size_t>(i)]);
        positions_.push_back(step.cache->length() + i);
      }
      if (step.adapter == nullptr) continue;
      if (!adapters_.empty() && adapters_.back().adapter == step.adapter) {
        adapters_.back().count += length;
      } else {
        adapters_.push_back({step.adapter, begin, length});
      }
    }
    rows_ = static_cast<std::int64_t>(tokens_.size());
  }

  void run(std::span<float> logits) {
    at::Tensor x = embed();
    for (std::int64_t layer = 0; layer < config_.layers; ++layer) run_layer(layer, x);
    write_logits(x, logits);
  }

 private:
  bool is_llama() const { return config_.architecture == recipe::Architecture::kLlama; }

  at::Tensor embed() const {
    const std::int64_t width = config_.width;
    at::Tensor x = at::empty({rows_, width}, at::kFloat);
    float* to = x.data_ptr<float>();
    const float* from = core_.token_embedding.const_data_ptr<float>();
    for (std::int64_t row = 0; row < rows_; ++row) {
      std::memcpy(to + row * width, from + tokens_[static_cast<std::size_t>(row)] * width,
                  static_cast<std::size_t>(width) * sizeof(float));
    }
    if (!is_llama())
      x.add_(core_.position_embedding.index_select(0, at::tensor(positions_, at::kLong)));
    return x;
  }

  at::Tensor normed(const at::Tensor& x, const Norm& norm) const {
    const std::int64_t rows = x.size(0), width = x.size(1);
    at::Tensor y = at::empty_like(x);
    const at::Tensor means = at::empty({rows}, at::kFloat),
                     inverses = at::empty({rows}, at::kFloat);
    const kernels::cpu::NormPlan whole{
        .rows = rows,
        .width = width,
        .epsilon = static_cast<float>(config_.norm_epsilon),
        .weight = norm.weight.const_data_ptr<float>(),
        .bias = norm.bias.defined() ? norm.bias.const_data_ptr<float>() : nullptr,
        .is_centered = !is_llama()};
    kernels::for_rows(rows, width, [&](std::int64_t begin, std::int64_t end) {
      kernels::cpu::NormPlan part = whole;
      part.rows = end - begin;
      const float* const nothing_added = nullptr;
      kernels::cpu::add_norm(part, x.const_data_ptr<float>() + begin * width, nothing_added,
                             nullptr, y.data_ptr<float>() + begin * width,
                             means.data_ptr<float>() + begin, inverses.data_ptr<float>() + begin);
    });
    return y;
  }

  at::Tensor linear(const FusedLinear& layer, std::size_t adapter_index,
                    const at::Tensor& x) const {
    at::Tensor y = layer.weight->multiply(x);
    if (layer.bias.defined()) y.add_(layer.bias);
    for (const AdapterRows& rows : adapters_) {
      add_adapter(rows.adapter->linears[adapter_index], x, y, rows.begin, rows.count);
    }
    return y;
  }

  void run_layer(std::int64_t index, at::Tensor& x) const {
    const ServingLayer& layer = core_.layers[static_cast<std::size_t>(index)];
    const auto adapter = static_cast<std::size_t>(index) * 4;
    at::Tensor qkv = linear(layer.qkv, adapter, normed(x, layer.attention_norm));
    if (config_.qk_norm) norm_heads(layer, qkv);
    if (is_llama()) rotate(qkv);
    append_to_caches(index, qkv);
    x.add_(linear(layer.o, adapter + 1, attend(index, qkv)));
    const at::Tensor up = linear(layer.up, adapter + 2, normed(x, layer.feed_forward_norm));
    x.add_(linear(layer.down, adapter + 3, config_.is_gated() ? gated(up) : activated(up)));
  }

  // In place: a row's heads lie one after another, so that they are rows to the kernel.
  void norm_heads(const ServingLayer& layer, at::Tensor& qkv) const {
    const std::int64_t stride = qkv.size(1), width = config_.head_width;
    const std::int64_t heads = config_.heads, key_heads = config_.key_value_heads;
    const auto epsilon = static_cast<float>(config_.norm_epsilon);
    float* data = qkv.data_ptr<float>();
    kernels::for_rows(rows_, stride, [&](std::int64_t begin, std::int64_t end) {
      std::vector<float> scratch(static_cast<std::size_t>(heads));
      for (float* row = data + begin * stride; row < data + end * stride; row += stride) {
        kernels::cpu::rms_norm(row, layer.q_norm.weight.const_data_ptr<float>(), epsilon, heads,
                               width, row, scratch.data());
        float* keys = row + heads * width;
        kernels::cpu::rms_norm(keys, layer.k_norm.weight.const_data_ptr<float>(), epsilon,
                               key_heads, width, keys, scratch.data());
      }
    });
  }

  // Queries and keys lie side by side and turn by the same angle: one call for both.
  void rotate(at::Tensor& qkv) const {
    const std::int64_t stride = qkv.size(1), heads = config_.heads + config_.key_value_heads;
    float* data = qkv.data_ptr<float>();
    kernels::for_rows(rows_, stride, [&](std::int64_t begin, std::int64_t end) {
      kernels::cpu::rotate(data + begin * stride, stride, data + begin * stride, stride,
                           positions_.data() + begin, end - begin, heads, config_.head_width,
                           core_.rotary.cosine.const_data_ptr<float>(),
                           core_.rotary.sine.const_data_ptr<float>(), 1.0f);
    });
  }

  void append_to_caches(std::int64_t layer, const at::Tensor& qkv) const {
    const std::int64_t stride = qkv.size(1), width = config_.head_width;
    const std::int64_t keys = config_.heads * width,
                       values = keys + config_.key_value_heads * width;
    const auto bytes = static_cast<std::size_t>(width) * sizeof(float);
    for (std::size_t i = 0; i < steps_.size(); ++i) {
      const float* row = qkv.const_data_ptr<float>() + begins_[i] * stride;
      KeyValueCache& cache = *steps_[i].cache;
      for (std::size_t t = 0; t < steps_[i].tokens.size(); ++t, row += stride) {
        const std::int64_t to = (cache.length() + static_cast<std::int64_t>(t)) * width;
        for (std::int64_t head = 0; head < config_.key_value_heads; ++head) {
          std::memcpy(cache.keys(layer, head) + to, row + keys + head * width, bytes);
          std::memcpy(cache.values(layer, head) + to, row + values + head * width, bytes);
        }
      }
    }
  }

  at::Tensor attend(std::int64_t layer, const at::Tensor& qkv) const {
    at::Tensor out = at::empty({rows_, config_.heads * config_.head_width}, at::kFloat);
    std::vector<std::size_t> single;
    for (std::size_t i = 0; i < steps_.size(); ++i) {
      if (steps_[i].tokens.size() == 1) {
        single.push_back(i);
      } else {
        attend_many(layer, i, qkv, out);
      }
    }
    attend_single(layer, single, qkv, out);
    return out;
  }

  // Steps of one token, one job per sequence and key-value head.
  void attend_single(std::int64_t layer, const std::vector<std::size_t>& single,
                     const at::Tensor& qkv, at::Tensor& out) const {
    const std::int64_t heads = config_.key_value_heads, group = config_.heads / heads;
    const std::int64_t width = config_.head_width, stride = qkv.size(1);
    const float scale = 1.0f / std::sqrt(static_cast<float>(width));
    std::int64_t longest = 1;
    for (const std::size_t i : single) longest = std::max(longest, steps_[i].cache->length() + 1);
    const auto jobs = static_cast<std::int64_t>(single.size()) * heads;
    kernels::for_rows(jobs, longest * width * group, [&](std::int64_t begin, std::int64_t end) {
      std::vector<float> scores(static_cast<std::size_t>(group * longest));
      for (std::int64_t job = begin; job < end; ++job) {
        const std::size_t i = single[static_cast<std::size_t>(job / heads)];
        const std::int64_t head = job % heads, row = begins_[i];
        KeyValueCache& cache = *steps_[i].cache;
        kernels::cpu::attend_one(qkv.const_data_ptr<float>() + row * stride + head * group * width,
                                 cache.keys(layer, head), cache.values(layer, head), group,
                                 cache.length() + 1, width, scale, scores.data(),
                                 out.data_ptr<float>() + row * out.size(1) + head * group * width);
      }
    });
  }

  void attend_many(std::int64_t layer, std::size_t i, const at::Tensor& qkv,
                   at::Tensor& out) const {
    const KeyValueCache& cache = *steps_[i].cache;
    const auto T = static_cast<std::int64_t>(steps_[i].tokens.size());
    const std::int64_t past = cache.length(), width = config_.head_width;
    const std::int64_t heads = config_.heads, group = heads / config_.key_value_heads;
    const auto by_heads = [&](const at::Tensor& rows) {  // -> [heads, T, width]
      return rows.narrow(0, begins_[i], T)
          .narrow(1, 0, heads * width)
          .view({T, heads, width})
          .transpose(0, 1);
    };
    const at::Tensor q = by_heads(qkv), y = by_heads(out);
    const at::Tensor k = cache.view(layer, 0, past + T), v = cache.view(layer, 1, past + T);
    std::optional<at::Tensor> mask;
    if (past > 0) mask = at::ones({T, past + T}, at::kBool).tril(past);
    tensor::for_library_chunks(heads, 1, [&](std::int64_t head, std::int64_t) {
      const auto of_one = [](const at::Tensor& x, std::int64_t index) {
        return x.narrow(0, index, 1).unsqueeze(0);
      };
      y[head].copy_(at::scaled_dot_product_attention(of_one(q, head), of_one(k, head / group),
                                                     of_one(v, head / group), mask, 0.0,
                                                     past == 0)[0][0]);
    });
  }

  at::Tensor gated(const at::Tensor& gate_up) const {
    const std::int64_t width = config_.feed_forward_width;
    at::Tensor y = at::empty({rows_, width}, at::kFloat);
    kernels::for_rows(rows_, width, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t row = begin; row < end; ++row) {
        const float* gate = gate_up.const_data_ptr<float>() + row * 2 * width;
        kernels::cpu::swiglu(gate, gate + width, width, y.data_ptr<float>() + row * width);
      }
    });
    return y;
  }

  at::Tensor activated(const at::Tensor& up) const {
    const bool is_gelu = config_.actual_activation() == recipe::Activation::kGelu;
    at::Tensor y = at::empty_like(up);
    kernels::for_elements(up.numel(), [&](std::int64_t begin, std::int64_t end) {
      const float* from = up.const_data_ptr<float>() + begin;
      float* to = y.data_ptr<float>() + begin;
      if (is_gelu) {
        kernels::cpu::gelu(from, end - begin, to);
      } else {
        kernels::cpu::relu_squared(from, end - begin, to);
      }
    });
    return y;
  }

  void write_logits(const at::Tensor& x, std::span<float> logits) const {
    const auto count = static_cast<std::int64_t>(steps_.size());
    const std::int64_t width = config_.width, vocabulary = config_.vocabulary_size;
    at::Tensor last = at::empty({count, width}, at::kFloat);
    for (std::int64_t i = 0; i < count; ++i) {
      const auto step = static_cast<std::size_t>(i);
      const std::int64_t row =
          begins_[step] + static_cast<std::int64_t>(steps_[step].tokens.size()) - 1;
      std::memcpy(last.data_ptr<float>() + i * width, x.const_data_ptr<float>() + row * width,
                  static_cast<std::size_t>(width) * sizeof(float));
    }
    at::Tensor all = core_.head->multiply(normed(last, core_.final_norm));
    const double cap = config_.logit_soft_cap;
    if (cap > 0) all.div_(cap).tanh_().mul_(cap);
    for (std::int64_t i = 0; i < count; ++i) {
      const std::size_t row = steps_[static_cast<std::size_t>(i)].output_row;
      std::memcpy(logits.data() + row * static_cast<std::size_t>(vocabulary),
                  all.const_data_ptr<float>() + i * vocabulary,
                  static_cast<std::size_t>(vocabulary) * sizeof(float));
    }
  }

  const ServingCore& core_;
  const recipe::ModelConfig& config_;
  std::vector<RaggedStep>& steps_;
  std::vector<std::int64_t> tokens_, positions_, begins_;
  std::vector<AdapterRows> adapters_;
  std::int64_t rows_ = 0;
};

}  // namespace

void run_forward(const ServingCore& core, std::vector<RaggedStep>& steps, std::span<float> logits) {
  Forward(core, steps).run(logits);
}

}  // namespace panal::model::detail
