#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "data/dataset.h"
#include "data/document_reader.h"
#include "data/training_tokens.h"
#include "engine/commands/commands.h"
#include "engine/commands/loaded_model.h"
#include "evaluate/evaluate.h"
#include "model/decoder.h"
#include "store/file_system.h"

namespace panal::engine {
namespace {

constexpr std::uint64_t kMaxTextBytes = std::uint64_t{1} << 32;

struct EvaluationText {
  std::string name{};
  std::vector<std::int32_t> tokens{};
  std::vector<std::uint8_t> is_scored{};  // Of conversations; empty: all tokens are.
};

// Documents one after the other; of conversations what the assistant says is scored.
Status take_documents(const std::vector<data::Document>& documents,
                      const tokenizer::Tokenizer& tokenizer, EvaluationText& text) {
  if (std::ranges::none_of(documents, &data::Document::is_conversation)) {
    std::string joined;
    for (const data::Document& document : documents) joined += document.text + "\n\n";
    text.tokens = tokenizer.encode(joined);
    return Status();
  }
  PANAL_ASSIGN(const data::TrainingTokens made, data::encode_for_training(tokenizer, documents));
  for (const data::TokenDocument& document : made.documents) {
    text.tokens.insert(text.tokens.end(), document.tokens.begin(), document.tokens.end());
    for (std::size_t i = 0; i < document.tokens.size(); ++i) {
      text.is_scored.push_back(document.is_learned.empty() || document.is_learned[i] ? 1 : 0);
    }
  }
  return Status();
}

// A plain text as it is: a byte-order mark or CRLF is text here, so that other programs count the
// same tokens. JSON, tables and packed files as the documents in them.
Result<EvaluationText> read_text(const work::NamedText& named,
                                 const tokenizer::Tokenizer& tokenizer) {
  EvaluationText text{.name = named.name};
  const std::string path = named.path.string();
  PANAL_ASSIGN(const data::ReadReport report,
               data::read_documents(path, {.passage_bytes = 0, .max_file_bytes = kMaxTextBytes}));
  if (report.kinds.size() != 1 || report.kinds[0].kind != "text" || report.num_files != 1) {
    PANAL_TRY(take_documents(report.documents, tokenizer, text));
    return text;
  }
  PANAL_ASSIGN(const std::string content, store::read_file(path, kMaxTextBytes));
  if (content.empty())
    return Status(Code::kInvalidArgument,
                  fmt::format("{}: expected text, but the file is empty", path));
  if (const auto zero = content.find('\0'); zero != std::string::npos) {
    return Status(Code::kInvalidArgument,
                  fmt::format("{}: expected text, but byte {} is NUL: a binary file", path, zero));
  }
  text.tokens = tokenizer.encode(content);
  return text;
}

}  // namespace

Result<work::TextEvaluations> evaluate_texts(const work::EvaluateTextsJob& job,
                                             const JobContext& context) {
  if (job.texts.empty())
    return Status(Code::kInvalidArgument, "job: \"texts\" must be one at least, found none");
  const std::string path = job.model.string();
  PANAL_ASSIGN(model::Decoder decoder, model::load_decoder(path));
  PANAL_ASSIGN(const tokenizer::Tokenizer tokenizer,
               load_tokenizer_for(path, decoder.config().vocabulary_size));
  std::vector<EvaluationText> texts;
  for (const work::NamedText& named : job.texts) {
    PANAL_ASSIGN(EvaluationText text, read_text(named, tokenizer));
    texts.push_back(std::move(text));
  }
  evaluate::EvaluateOptions options{.context = job.context,
                                    .max_tokens = job.max_tokens,
                                    .tokenizer = &tokenizer,
                                    .stop = context.stop};
  work::TextEvaluations found{.context = job.context};
  const double num_cells = static_cast<double>((job.adapters.size() + 1) * texts.size());
  const auto evaluate_all = [&](const std::string& adapter) -> Status {
    for (const EvaluationText& text : texts) {
      options.is_scored = text.is_scored;
      options.on_progress = [&](double fraction) {
        const auto done = static_cast<double>(found.evaluations.size());
        context.events.write({work::JobAdvance{(done + fraction) / num_cells}});
      };
      PANAL_ASSIGN(const evaluate::Evaluation evaluation,
                   evaluate::evaluate(decoder, text.tokens, options));
      found.evaluations.push_back({.adapter = adapter,
                                   .text = text.name,
                                   .tokens = evaluation.tokens,
                                   .loss = evaluation.loss,
                                   .perplexity = evaluation.perplexity,
                                   .bits_per_byte = evaluation.bits_per_byte});
    }
    return Status();
  };
  PANAL_TRY(evaluate_all(""));
  for (const work::AdapterFolder& adapter : job.adapters) {
    PANAL_TRY(decoder.load_adapter(adapter.folder));
    PANAL_TRY(evaluate_all(adapter.name));
  }
  return found;
}

Result<work::DocumentLosses> document_losses(const work::DocumentLossesJob& job,
                                             const JobContext& context) {
  const std::string path = job.model.string();
  PANAL_ASSIGN(const model::Decoder decoder, model::load_decoder(path));
  PANAL_ASSIGN(const tokenizer::Tokenizer tokenizer,
               load_tokenizer_for(path, decoder.config().vocabulary_size));
  PANAL_ASSIGN(const auto documents, data::read_dataset(job.dataset));
  evaluate::DocumentLossOptions options{.max_tokens_per_document = job.max_tokens_per_document,
                                        .stop = context.stop};
  options.on_progress = [&](double fraction) {
    context.events.write({work::JobAdvance{fraction}});
  };
  PANAL_ASSIGN(const auto losses,
               evaluate::document_losses(decoder, tokenizer, documents, options));
  work::DocumentLosses found;
  for (const double loss : losses) {
    found.losses.push_back(std::isfinite(loss) ? std::optional(loss) : std::nullopt);
  }
  return found;
}

}  // namespace panal::engine
