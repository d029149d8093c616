// Choices become rows of tokens; rows that are the beginning of another are dropped; the rest are
// batched with those of their item, by length, because the model computes what rows have in common
// once, and the head runs only where a choice's token is looked for.
#include "evaluate/choices.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/full.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <map>

#include "base/error.h"
#include "base/utf8.h"
#include "model/decoder.h"
#include "tokenizer/tokenizer.h"

namespace panal::evaluate {
namespace {

// A choice whose tokens are looked for in a row of inputs.
struct Wanted {
  std::size_t item = 0, choice = 0;
  std::span<const std::int32_t> targets;
  std::int64_t first = 0;  // The position in the row whose output is compared with targets[0].
};
struct Row {
  std::span<const std::int32_t> inputs;
  std::vector<Wanted> wanted;
};

std::size_t length_of(const Row& row) { return row.inputs.size(); }

struct Work {
  std::vector<std::vector<data::EncodedChoice>> encoded;  // Owns what the rows' spans look at.
  std::vector<Row> rows;  // Of one item side by side, items with the longest first.
};

Status check_choice(const data::EncodedChoice& choice, std::int64_t context,
                    std::int64_t vocabulary_size, std::string_view place) {
  if (static_cast<std::int64_t>(choice.scored) > context) {
    return Status(Code::kInvalidArgument,
                  fmt::format("{} must have at most {} tokens (the context), found {}", place,
                              context, choice.scored));
  }
  const auto wrong = std::ranges::find_if(
      choice.tokens, [&](std::int32_t token) { return token < 0 || token >= vocabulary_size; });
  if (wrong == choice.tokens.end()) return Status();
  return Status(Code::kInvalidArgument,
                fmt::format("{}: token ids must be below the model's vocabulary of {}, found {}: "
                            "does the tokenizer belong to the model?",
                            place, vocabulary_size, *wrong));
}

// The rows of one item. In lexicographic order a row that is the beginning of another stands before
// it, with only such rows in between; its choices move to the longer one.
void add_rows(std::size_t item, std::span<const data::EncodedChoice> choices, std::int64_t context,
              std::vector<Row>& rows) {
  std::vector<Row> own;
  for (std::size_t i = 0; i < choices.size(); ++i) {
    std::span<const std::int32_t> tokens = choices[i].tokens;
    tokens = tokens.last(std::min(tokens.size(), static_cast<std::size_t>(context) + 1));
    const auto targets = tokens.last(choices[i].scored);
    const auto inputs = tokens.first(tokens.size() - 1);
    const auto first = static_cast<std::int64_t>(inputs.size() - targets.size());
    // Output `first` of the row predicts targets[0]; output inputs.size() - 1 the last one.
    own.push_back({inputs, {{item, i, targets, first}}});
  }
  std::ranges::stable_sort(own, [](const Row& a, const Row& b) {
    return std::ranges::lexicographical_compare(a.inputs, b.inputs);
  });
  for (std::size_t i = 0; i < own.size(); ++i) {
    const bool begins_next =
        i + 1 < own.size() && own[i + 1].inputs.size() >= own[i].inputs.size() &&
        std::ranges::equal(own[i].inputs, own[i + 1].inputs.first(own[i].inputs.size()));
    if (begins_next) {
      auto& next = own[i + 1].wanted;
      next.insert(next.end(), own[i].wanted.begin(), own[i].wanted.end());
    } else {
      rows.push_back(std::move(own[i]));
    }
  }
}

Result<Work> make_work(const model::Decoder& decoder, const tokenizer::Tokenizer& tokenizer,
                       std::span<const data::ChoiceItem> items, std::int64_t context,
                       const ChoiceOptions& options) {
  Work work;
  for (const data::ChoiceItem& item : items) {
    if (options.stop.stop_requested())
      return Status(Code::kCancelled, "evaluation: stopped on request");
    PANAL_ASSIGN(auto encoded, data::encode_choices(tokenizer, item, options.where));
    for (std::size_t i = 0; i < encoded.size(); ++i) {
      PANAL_TRY(check_choice(encoded[i], context, decoder.config().vocabulary_size,
                             fmt::format("{}, line {}: choice {}", options.where, item.line, i)));
    }
    work.encoded.push_back(std::move(encoded));
  }
  std::vector<std::vector<Row>> by_item(items.size());
  for (std::size_t i = 0; i < items.size(); ++i) {
    add_rows(i, work.encoded[i], context, by_item[i]);
    std::ranges::stable_sort(by_item[i], std::ranges::greater(), length_of);
  }
  std::ranges::stable_sort(by_item, std::ranges::greater(), [](const std::vector<Row>& rows) {
    return rows.empty() ? 0 : length_of(rows.front());
  });
  for (auto& rows : by_item) std::ranges::move(rows, std::back_inserter(work.rows));
  return work;
}

void score_batch(const model::Decoder& decoder, std::span<const Row> rows,
                 std::vector<ChoiceScores>& scores) {
  const auto length =
      static_cast<std::int64_t>(std::ranges::max(rows, {}, length_of).inputs.size());
  const at::Tensor inputs =
      at::full({static_cast<std::int64_t>(rows.size()), length}, 0, at::kLong);
  std::vector<std::int64_t> positions, targets;
  auto* input = inputs.data_ptr<std::int64_t>();
  for (std::size_t r = 0; r < rows.size(); ++r) {
    const std::int64_t begin = static_cast<std::int64_t>(r) * length;
    std::ranges::copy(rows[r].inputs, input + begin);
    for (const Wanted& wanted : rows[r].wanted) {
      for (std::size_t i = 0; i < wanted.targets.size(); ++i) {
        positions.push_back(begin + wanted.first + static_cast<std::int64_t>(i));
        targets.push_back(wanted.targets[i]);
      }
    }
  }
  const at::Tensor losses = decoder.losses_at(inputs, positions, targets);  // [targets]
  const float* loss = losses.const_data_ptr<float>();
  for (const Row& row : rows) {
    for (const Wanted& wanted : row.wanted) {
      double sum = 0;
      for (std::size_t i = 0; i < wanted.targets.size(); ++i) sum -= *loss++;
      scores[wanted.item].log_likelihoods[wanted.choice] = sum;
      scores[wanted.item].tokens[wanted.choice] = static_cast<std::int64_t>(wanted.targets.size());
    }
  }
}

// As many of the first rows as make a batch, padded to the longest: one at least.
std::size_t num_at_once(std::span<const Row> rows, std::int64_t batch_tokens) {
  const auto most = static_cast<std::size_t>(batch_tokens);
  std::size_t count = 1, length = length_of(rows.front());
  for (; count < rows.size(); ++count) {
    const std::size_t longer = std::max(length, length_of(rows[count]));
    if ((count + 1) * longer > most) break;
    length = longer;
  }
  return count;
}

std::int64_t first_largest(const std::vector<double>& values) {
  return std::ranges::max_element(values) - values.begin();
}

class Tally {
 public:
  void add(const data::ChoiceItem& item, const ChoiceScores& scores) {
    const Chosen found = chosen(item, scores);
    ++items_;
    plain_ += found.plain == item.gold;
    norm_ += found.norm == item.gold;
    byte_norm_ += found.byte_norm == item.gold;
  }
  work::ChoiceAccuracies accuracies() const {
    return {items_, accuracy(plain_), accuracy(norm_), accuracy(byte_norm_)};
  }

 private:
  // The sample's deviation over the root of the count; for zeros and ones the sum of squared
  // deviations is right (1 - mean).
  work::Accuracy accuracy(std::int64_t right) const {
    const auto count = static_cast<double>(items_);
    const double mean = static_cast<double>(right) / count;
    if (items_ < 2) return {mean, std::nullopt};
    return {mean, std::sqrt(static_cast<double>(right) * (1 - mean) / (count - 1) / count)};
  }
  std::int64_t items_ = 0, plain_ = 0, norm_ = 0, byte_norm_ = 0;
};

}  // namespace

Result<std::vector<ChoiceScores>> score_choices(const model::Decoder& decoder,
                                                const tokenizer::Tokenizer& tokenizer,
                                                std::span<const data::ChoiceItem> items,
                                                const ChoiceOptions& options) {
  const std::int64_t longest = decoder.config().context_length;
  const std::int64_t context = options.context == 0 ? longest : options.context;
  if (context < 2 || context > longest || options.batch_tokens < 1) {
    return Status(Code::kInvalidArgument,
                  fmt::format("evaluation: wanted a context of 2 to {} tokens (the model's) and a "
                              "batch of 1 token or more, found {} and {}",
                              longest, context, options.batch_tokens));
  }
  PANAL_ASSIGN(const Work work, make_work(decoder, tokenizer, items, context, options));
  std::vector<ChoiceScores> scores;
  for (const data::ChoiceItem& item : items) {
    scores.push_back(
        {std::vector<double>(item.choices.size()), std::vector<std::int64_t>(item.choices.size())});
  }
  return capture([&]() -> Result<std::vector<ChoiceScores>> {
    const at::NoGradGuard no_gradients;
    for (std::size_t begin = 0; begin < work.rows.size();) {
      if (options.stop.stop_requested())
        return Status(Code::kCancelled, "evaluation: stopped on request");
      const std::size_t count =
          num_at_once(std::span(work.rows).subspan(begin), options.batch_tokens);
      score_batch(decoder, std::span(work.rows).subspan(begin, count), scores);
      begin += count;
      if (options.on_progress)
        options.on_progress(static_cast<double>(begin) / static_cast<double>(work.rows.size()));
    }
    return std::move(scores);
  });
}

Chosen chosen(const data::ChoiceItem& item, const ChoiceScores& scores) {
  std::vector<double> by_character, by_byte;
  for (std::size_t i = 0; i < item.choices.size(); ++i) {
    const double value = scores.log_likelihoods[i];
    by_character.push_back(value / static_cast<double>(count_characters(item.choices[i])));
    by_byte.push_back(value / static_cast<double>(item.choices[i].size()));
  }
  return {first_largest(scores.log_likelihoods), first_largest(by_character),
          first_largest(by_byte)};
}

work::ChoiceSummary summarise_choices(std::span<const data::ChoiceItem> items,
                                      std::span<const ChoiceScores> scores) {
  Tally all;
  std::map<std::string, Tally> subjects;
  for (std::size_t i = 0; i < items.size(); ++i) {
    all.add(items[i], scores[i]);
    if (!items[i].subject.empty()) subjects[items[i].subject].add(items[i], scores[i]);
  }
  work::ChoiceSummary summary{.all = all.accuracies()};
  if (subjects.empty()) return summary;
  double acc = 0, acc_norm = 0;
  for (const auto& [name, tally] : subjects) {
    const work::ChoiceAccuracies& found = summary.subjects[name] = tally.accuracies();
    acc += found.acc.mean;
    acc_norm += found.acc_norm.mean;
  }
  summary.macro_acc = acc / static_cast<double>(subjects.size());
  summary.macro_acc_norm = acc_norm / static_cast<double>(subjects.size());
  return summary;
}

Json choice_details(const data::ChoiceItem& item, const ChoiceScores& scores) {
  const Chosen found = chosen(item, scores);
  Json json = {{"line", item.line}};
  if (!item.subject.empty()) json["subject"] = item.subject;
  json["gold"] = item.gold;
  json["log_likelihoods"] = scores.log_likelihoods;
  json["tokens"] = scores.tokens;
  json["chosen"] = found.plain;
  json["chosen_norm"] = found.norm;
  json["chosen_bytes"] = found.byte_norm;
  return json;
}

}  // namespace panal::evaluate
