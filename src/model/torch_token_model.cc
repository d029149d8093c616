#include "model/torch_token_model.h"

#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>
#include <fmt/core.h>
#include <fmt/ranges.h>
#include <torch/types.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/error.h"
#include "model/detail/key_value_cache.h"
#include "model/detail/read_weights.h"
#include "model/detail/serving_core.h"
#include "model/detail/serving_forward.h"

namespace panal::model {
namespace {

using detail::KeyValueCache;
using detail::RaggedStep;
using detail::ServingAdapter;
using detail::ServingCore;

struct Sequence {
  const ServingAdapter* adapter = nullptr;  // Null: the core.
  KeyValueCache cache;
};

// Memory that torch could not get arrives as a c10::Error like any other; its text is all there is
// to tell it by.
Status status_of_forward_exception() {
  try {
    throw;
  } catch (const c10::Error& error) {
    const std::string what = error.what_without_backtrace();
    if (what.find("allocat") != std::string::npos || what.find("memory") != std::string::npos) {
      return Status(Code::kResourceExhausted, "model: out of memory");
    }
    return Status(Code::kInternal, "model: " + what);
  } catch (const std::bad_alloc&) {
    return Status(Code::kResourceExhausted, "model: out of memory");
  } catch (...) {
    return status_of_current_exception();
  }
}

class TorchTokenModel final : public TokenModel {
 public:
  TorchTokenModel(ServingCore core, std::vector<ServingAdapter> adapters, std::int64_t context,
                  std::int64_t max_sequences)
      : core_(std::move(core)),
        adapters_(std::move(adapters)),
        context_length_(context),
        max_sequences_(max_sequences) {}

  std::int32_t vocabulary_size() const override {
    return static_cast<std::int32_t>(core_.config.vocabulary_size);
  }
  std::int64_t context_length() const override { return context_length_; }
  std::vector<std::string> adapters() const override {
    std::vector<std::string> names;
    for (const ServingAdapter& adapter : adapters_) names.push_back(adapter.name);
    return names;
  }

  Result<std::int64_t> open_sequence(std::string_view adapter, std::int64_t max_tokens) override {
    const auto found = std::ranges::find(adapters_, adapter, &ServingAdapter::name);
    if (!adapter.empty() && found == adapters_.end()) {
      return Status(Code::kNotFound, fmt::format("no adapter named \"{}\"; there are: {}", adapter,
                                                 fmt::join(adapters(), ", ")));
    }
    if (max_tokens < 1 || max_tokens > context_length_) {
      return Status(Code::kInvalidArgument,
                    fmt::format("a sequence holds 1 to {} tokens, asked for {}", context_length_,
                                max_tokens));
    }
    if (static_cast<std::int64_t>(sequences_.size()) >= max_sequences_) {
      return Status(Code::kResourceExhausted,
                    fmt::format("{} sequences are open, which is the most", sequences_.size()));
    }
    const std::int64_t number = next_sequence_++;
    sequences_.emplace(number, Sequence{adapter.empty() ? nullptr : &*found,
                                        KeyValueCache(core_.config, max_tokens)});
    return number;
  }

  void close_sequence(std::int64_t sequence) override { sequences_.erase(sequence); }

  std::int64_t sequence_length(std::int64_t sequence) const override {
    const auto found = sequences_.find(sequence);
    return found == sequences_.end() ? 0 : found->second.cache.length();
  }

  Status forward(std::span<const SequenceStep> steps, std::span<float> logits) override {
    try {
      PANAL_TRY(check(steps, logits));
      if (steps.empty()) return Status();
      const c10::InferenceMode inference;
      std::vector<RaggedStep> ragged;
      for (std::size_t i = 0; i < steps.size(); ++i) {
        Sequence& sequence = sequences_.at(steps[i].sequence);
        sequence.cache.reserve(sequence.cache.length() +
                               static_cast<std::int64_t>(steps[i].tokens.size()));
        ragged.push_back({.tokens = steps[i].tokens,
                          .cache = &sequence.cache,
                          .adapter = sequence.adapter,
                          .output_row = i});
      }
      detail::run_forward(core_, ragged, logits);
      for (const RaggedStep& step : ragged) {
        step.cache->set_length(step.cache->length() +
                               static_cast<std::int64_t>(step.tokens.size()));
      }
      return Status();
    } catch (...) {
      return status_of_forward_exception();
    }
  }

 private:
  Status check(std::span<const SequenceStep> steps, std::span<float> logits) const {
    const std::size_t wanted = steps.size() * static_cast<std::size_t>(vocabulary_size());
    if (logits.size() != wanted) {
      return Status(Code::kInvalidArgument,
                    fmt::format("logits: wanted room for {}, found {}", wanted, logits.size()));
    }
    std::set<std::int64_t> seen;
    for (const SequenceStep& step : steps) {
      const auto found = sequences_.find(step.sequence);
      if (found == sequences_.end()) {
        return Status(Code::kNotFound, fmt::format("no open sequence {}", step.sequence));
      }
      if (!seen.insert(step.sequence).second) {
        return Status(Code::kInvalidArgument,
                      fmt::format("sequence {} has two steps in one batch", step.sequence));
      }
      PANAL_TRY(check_step(step, found->second.cache));
    }
    return Status();
  }

  Status check_step(const SequenceStep& step, const KeyValueCache& cache) const {
    if (step.tokens.empty()) {
      return Status(Code::kInvalidArgument,
                    fmt::format("sequence {}: a step without tokens", step.sequence));
    }
    for (const std::int32_t token : step.tokens) {
      if (token >= 0 && token < vocabulary_size()) continue;
      return Status(Code::kInvalidArgument,
                    fmt::format("sequence {}: tokens are 0 to {}, found {}", step.sequence,
                                vocabulary_size() - 1, token));
    }
    const std::int64_t room = cache.max_tokens() - cache.length();
    if (static_cast<std::int64_t>(step.tokens.size()) <= room) return Status();
    return Status(
        Code::kResourceExhausted,
        fmt::format("sequence {}: {} tokens do not fit, {} of {} are taken", step.sequence,
                    step.tokens.size(), cache.length(), cache.max_tokens()));
  }

  const ServingCore core_;
  const std::vector<ServingAdapter> adapters_;
  const std::int64_t context_length_;
  const std::int64_t max_sequences_;
  std::map<std::int64_t, Sequence> sequences_;
  std::int64_t next_sequence_ = 1;
};

Result<std::vector<ServingAdapter>> read_adapters(const ServingCore& core,
                                                  const std::vector<AdapterSource>& sources) {
  std::vector<ServingAdapter> adapters;
  std::set<std::string> names;
  const std::vector<detail::LinearShape> shapes = core.linear_shapes();
  for (const AdapterSource& source : sources) {
    if (source.name.empty() || !names.insert(source.name).second) {
      return Status(Code::kInvalidArgument, source.name.empty()
                                                ? "an adapter needs a name"
                                                : "two adapters are named \"" + source.name + "\"");
    }
    PANAL_ASSIGN(const detail::Adapter adapter, detail::read_adapter(source.folder, shapes));
    adapters.push_back(detail::make_serving_adapter(core, source.name, adapter));
  }
  return adapters;
}

}  // namespace

Result<std::unique_ptr<TokenModel>> open_token_model(const std::filesystem::path& core_path,
                                                     const std::vector<AdapterSource>& sources,
                                                     const TokenModelOptions& options) {
  return capture([&]() -> Result<std::unique_ptr<TokenModel>> {
    const c10::InferenceMode inference;
    PANAL_ASSIGN(const weights::WeightSource source, weights::open_weights(core_path));
    PANAL_ASSIGN(recipe::ModelConfig config, detail::config_of(source, core_path));
    std::int64_t context = config.context_length;
    if (options.max_context > 0) context = std::min(context, options.max_context);
    PANAL_ASSIGN(ServingCore core, detail::load_serving_core(source, std::move(config)));
    PANAL_ASSIGN(std::vector<ServingAdapter> adapters, read_adapters(core, sources));
    return std::unique_ptr<TokenModel>(std::make_unique<TorchTokenModel>(
        std::move(core), std::move(adapters), context, options.max_sequences));
  });
}

}  // namespace panal::model
