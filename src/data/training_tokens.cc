#include "data/training_tokens.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "data/detail/parallel_documents.h"

namespace panal::data {
namespace {

Result<chat::ChatTemplate> template_of(const tokenizer::Tokenizer& tokenizer,
                                       std::int64_t conversations) {
  if (tokenizer.chat_template().empty()) {
    return Status(
        Code::kUnsupported,
        fmt::format("{} of the documents are conversations, but the tokenizer has no chat "
                    "template to lay them out with: train over a chat model, or give "
                    "texts",
                    conversations));
  }
  auto parsed = chat::ChatTemplate::parse(tokenizer.chat_template());
  if (parsed.ok()) return parsed;
  return Status(Code::kUnsupported,
                "the tokenizer's chat template cannot be read: " + parsed.status().message());
}

std::int64_t learned_in(const TokenDocument& document) {
  return document.is_learned.empty() ? static_cast<std::int64_t>(document.tokens.size())
                                     : std::ranges::count(document.is_learned, true);
}

}  // namespace

std::string TrainingTokens::left_out_summary() const {
  if (left_out == 0) return "";
  return fmt::format("; {} {} left out, the first: {}", left_out,
                     left_out == 1 ? "conversation" : "conversations", why_left_out);
}

Result<TrainingTokens> encode_for_training(const tokenizer::Tokenizer& tokenizer,
                                           std::span<const Document> documents,
                                           const TrainingTokensOptions& options) {
  if (options.threads < 0 || options.threads > detail::kMostThreads) {
    return Status(Code::kInvalidArgument, fmt::format("threads must be from 0 to {}, found {}",
                                                      detail::kMostThreads, options.threads));
  }
  TrainingTokens made;
  made.conversations = std::ranges::count_if(documents, &Document::is_conversation);
  std::optional<chat::ChatTemplate> chat_template;
  std::optional<ChatEncoder> encoder;
  if (made.conversations > 0) {
    PANAL_ASSIGN(chat_template, template_of(tokenizer, made.conversations));
    encoder.emplace(tokenizer, *chat_template);
  }
  std::vector<Result<TokenDocument>> encoded(documents.size(), TokenDocument{});
  detail::for_each_document(documents.size(), options.threads, options.stop, [&](std::size_t i) {
    const Document& document = documents[i];
    if (document.is_conversation()) {
      encoded[i] = encoder->conversation(document.conversation, options.train_on);
      return;
    }
    const tokenizer::SpecialTokens own = document.reads_special_tokens
                                             ? tokenizer::SpecialTokens::kParse
                                             : tokenizer::SpecialTokens::kAsText;
    encoded[i] = TokenDocument{
        .tokens = tokenizer.encode(document.text, options.special_tokens.value_or(own))};
  });
  if (options.stop.stop_requested()) {
    return Status(Code::kCancelled, "stopped while documents were being encoded");
  }
  for (std::size_t i = 0; i < encoded.size(); ++i) {
    if (encoded[i].ok()) {
      made.learned_tokens += learned_in(*encoded[i]);
      made.documents.push_back(std::move(*encoded[i]));
    } else if (made.left_out++ == 0) {
      made.why_left_out = fmt::format("{}: {}", documents[i].source, encoded[i].status().message());
    }
  }
  made.conversations -= made.left_out;
  if (!made.documents.empty() || documents.empty()) return made;
  return Status(Code::kInvalidArgument,
                fmt::format("none of the {} conversations can be laid out by the chat template; "
                            "the first: {}",
                            documents.size(), made.why_left_out));
}

}  // namespace panal::data
