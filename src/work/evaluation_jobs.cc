#include "work/evaluation_jobs.h"

#include "work/detail/describe.h"

namespace panal::work {
namespace {

constexpr detail::Range<std::int64_t> kWindow{2, 1 << 24};
constexpr detail::Range<std::int64_t> kShots{0, 1000};

template <typename Members>
void describe_accuracy(Members& members, const char* mean, const char* standard_error,
                       auto& accuracy) {
  members.required(mean, accuracy.mean, detail::kShare);
  members.optional(standard_error, accuracy.standard_error, detail::kShare);
}

}  // namespace

template <typename Members>
void describe(Members& members, detail::Is<NamedText> auto& self) {
  members.required("name", self.name);
  members.required("path", self.path);
}

template <typename Members>
void describe(Members& members, detail::Is<TextEvaluation> auto& self) {
  members.required("adapter", self.adapter);
  members.required("text", self.text);
  members.required("tokens", self.tokens, detail::kPositive);
  members.optional("loss", self.loss);
  members.optional("perplexity", self.perplexity, detail::kNotNegative);
  members.optional("bits_per_byte", self.bits_per_byte, detail::kNotNegative);
}

template <typename Members>
void describe(Members& members, detail::Is<TextEvaluations> auto& self) {
  members.required("context", self.context, kWindow);
  members.required("evaluations", self.evaluations);
}

template <typename Members>
void describe(Members& members, detail::Is<EvaluateTextsJob> auto& self) {
  members.required("model", self.model);
  members.defaulted("adapters", self.adapters);
  members.required("texts", self.texts);
  members.required("context", self.context, kWindow);
  members.required("max_tokens", self.max_tokens, detail::kCount);
}

template <typename Members>
void describe(Members& members, detail::Is<ChoiceAccuracies> auto& self) {
  members.required("items", self.items, detail::kPositive);
  describe_accuracy(members, "acc", "acc_stderr", self.acc);
  describe_accuracy(members, "acc_norm", "acc_norm_stderr", self.acc_norm);
  describe_accuracy(members, "acc_bytes", "acc_bytes_stderr", self.acc_bytes);
}

template <typename Members>
void describe(Members& members, detail::Is<ChoiceSummary> auto& self) {
  members.inlined(self.all);
  members.wish("macro_acc", self.macro_acc, detail::kShare);
  members.wish("macro_acc_norm", self.macro_acc_norm, detail::kShare);
  if (!self.subjects.empty() || std::same_as<Members, detail::Decoder>) {
    members.defaulted("subjects", self.subjects);
  }
}

template <typename Members>
void describe(Members& members, detail::Is<ChoiceTask> auto& self) {
  members.required("path", self.path);
  members.required("format", self.format);
  members.required("shots", self.shots, kShots);
  members.wish("shots_path", self.shots_path);
  members.required("limit", self.limit, detail::kCount);
}

template <typename Members>
void describe(Members& members, detail::Is<EvaluateChoicesJob> auto& self) {
  members.required("model", self.model);
  members.wish("adapter", self.adapter);
  members.required("task", self.task);
  members.required("context", self.context, detail::kCount);
  members.wish("details", self.details);
}

template <typename Members>
void describe(Members& members, detail::Is<DocumentLosses> auto& self) {
  members.required("losses", self.losses);
}

template <typename Members>
void describe(Members& members, detail::Is<DocumentLossesJob> auto& self) {
  members.required("model", self.model);
  members.required("dataset", self.dataset);
  members.required("max_tokens_per_document", self.max_tokens_per_document, kWindow);
}

PANAL_WORK_CODEC(EvaluateTextsJob)
PANAL_WORK_CODEC(TextEvaluations)
PANAL_WORK_PART(TextEvaluation)
PANAL_WORK_CODEC(EvaluateChoicesJob)
PANAL_WORK_CODEC(ChoiceSummary)
PANAL_WORK_PART(ChoiceSummary)
PANAL_WORK_CODEC(DocumentLossesJob)
PANAL_WORK_CODEC(DocumentLosses)

}  // namespace panal::work
