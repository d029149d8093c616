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
  std::string name;
  std::vector<std::int32_t> tokens;
  std::vector<std::uint8_t> is_scored;  // Of conversations; empty: all tokens are.
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
Result<EvaluationText> read_text(const Json& entry, const tokenizer::Tokenizer& tokenizer) {
  EvaluationText text;
  PANAL_ASSIGN(text.name, json_string(entry, "name", "job: texts"));
  PANAL_ASSIGN(const std::string path, json_string(entry, "path", "job: texts"));
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

Result<Json> evaluate(const JobContext& job) {
  PANAL_ASSIGN(const std::string path, json_string(job.spec, "model", "job"));
  PANAL_ASSIGN(auto adapters, read_adapters(job.spec));
  evaluate::EvaluateOptions options;
  PANAL_ASSIGN(options.context, json_integer(job.spec, "context", "job", 2, 1 << 24));
  PANAL_ASSIGN(options.max_tokens, json_integer(job.spec, "max_tokens", "job", 0, INT64_MAX));
  options.stop = job.stop;
  PANAL_ASSIGN(model::Decoder decoder, model::load_decoder(path));
  PANAL_ASSIGN(const tokenizer::Tokenizer tokenizer,
               load_tokenizer_for(path, decoder.config().vocabulary_size));
  if (!json_has(job.spec, "texts") || !job.spec.at("texts").is_array() ||
      job.spec.at("texts").empty()) {
    return Status(Code::kInvalidArgument, "job: \"texts\" must be a list of {name, path}");
  }
  options.tokenizer = &tokenizer;
  std::vector<EvaluationText> texts;
  for (const Json& entry : job.spec.at("texts")) {
    PANAL_ASSIGN(EvaluationText text, read_text(entry, tokenizer));
    texts.push_back(std::move(text));
  }

  Json evaluations = Json::array();
  const double num_cells = static_cast<double>((adapters.size() + 1) * texts.size());
  const auto evaluate_all = [&](const std::string& adapter) -> Status {
    for (const EvaluationText& text : texts) {
      options.is_scored = text.is_scored;
      options.on_progress = [&](double fraction) {
        job.events.write(
            {work::JobAdvance{(static_cast<double>(evaluations.size()) + fraction) / num_cells}});
      };
      PANAL_ASSIGN(const evaluate::Evaluation evaluation,
                   evaluate::evaluate(decoder, text.tokens, options));
      evaluations.push_back(
          {{"adapter", adapter},
           {"text", text.name},
           {"tokens", evaluation.tokens},
           {"loss", evaluation.loss},
           {"perplexity", evaluation.perplexity},
           {"bits_per_byte",
            evaluation.bits_per_byte ? Json(*evaluation.bits_per_byte) : Json(nullptr)}});
    }
    return Status();
  };
  PANAL_TRY(evaluate_all(""));
  for (const model::AdapterSource& adapter : adapters) {
    PANAL_TRY(decoder.load_adapter(adapter.folder));
    PANAL_TRY(evaluate_all(adapter.name));
  }
  return Json{{"context", options.context}, {"evaluations", evaluations}};
}

Result<Json> document_losses(const JobContext& job) {
  PANAL_ASSIGN(const std::string path, json_string(job.spec, "model", "job"));
  PANAL_ASSIGN(const std::string dataset, json_string(job.spec, "dataset", "job"));
  evaluate::DocumentLossOptions options;
  PANAL_ASSIGN(options.max_tokens_per_document,
               json_integer(job.spec, "max_tokens_per_document", "job", 2, 1 << 24));
  options.stop = job.stop;
  options.on_progress = [&](double fraction) { job.events.write({work::JobAdvance{fraction}}); };
  PANAL_ASSIGN(const model::Decoder decoder, model::load_decoder(path));
  PANAL_ASSIGN(const tokenizer::Tokenizer tokenizer,
               load_tokenizer_for(path, decoder.config().vocabulary_size));
  PANAL_ASSIGN(const auto documents, data::read_dataset(dataset));
  PANAL_ASSIGN(const auto losses,
               evaluate::document_losses(decoder, tokenizer, documents, options));
  Json values = Json::array();
  for (const double loss : losses)
    values.push_back(std::isfinite(loss) ? Json(loss) : Json(nullptr));
  return Json{{"losses", values}};
}

}  // namespace panal::engine
