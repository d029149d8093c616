#include "hub/tokenize_text.h"

#include "hub/model_source.h"
#include "tokenizer/tokenizer.h"

namespace panal::hub {

Json to_json(const TokenizedText& tokenized) {
  return Json{{"count", tokenized.ids.size()}, {"ids", tokenized.ids}};
}

Result<TokenizedText> tokenize_text(Hive& hive, const TokenizeText& request) {
  PANAL_ASSIGN(const ModelSource source, find_model_source(hive, request.model));
  PANAL_ASSIGN(const tokenizer::Tokenizer tokenizer, tokenizer::Tokenizer::load(source.core));
  PANAL_ASSIGN(const auto how, tokenizer::prompt_options(request.special));
  return TokenizedText{.ids = tokenizer.encode_prompt(request.text, how)};
}

}  // namespace panal::hub
