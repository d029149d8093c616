// Rows become questions, questions become prompts, prompts become tokens.
#include "data/choice_task.h"
#include "base/utf8.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/json.h"
#include "data/detail/python_string.h"
#include "data/document.h"
#include "store/file_system.h"
#include "tokenizer/tokenizer.h"

namespace panal::data {
namespace {

constexpr std::uint64_t kMaxFileBytes = std::uint64_t{1} << 30;
constexpr std::array<std::pair<std::string_view, ChoiceFormat>, 4> kFormats = {
    {{"hellaswag", ChoiceFormat::kHellaswag},
     {"arc", ChoiceFormat::kArc},
     {"mmlu", ChoiceFormat::kMmlu},
     {"choices", ChoiceFormat::kChoices}}};

// A row without the examples that may come before it.
using Question = ChoiceItem;

Status wrong(std::string_view where, std::string_view field, std::string_view wanted,
             const Json& found) {
  return Status(Code::kInvalidArgument, fmt::format("{}: \"{}\" must be {}, found {}", where, field,
                                                    wanted, json_shown(found)));
}

Result<std::vector<std::string>> texts(const Json& row, std::string_view field,
                                       std::string_view where) {
  if (!json_has(row, field) || !row.at(field).is_array() || row.at(field).size() < 2) {
    return wrong(where, field, "a list of two or more texts",
                 json_has(row, field) ? row.at(field) : Json());
  }
  std::vector<std::string> found;
  for (const Json& value : row.at(field)) {
    const std::string name = fmt::format("{}[{}]", field, found.size());
    if (!value.is_string()) return wrong(where, name, "a text", value);
    if (value.get_ref<const std::string&>().empty()) {
      return wrong(where, name, "a text that is not empty", value);
    }
    found.push_back(value.get<std::string>());
  }
  return found;
}

// An index as a number or as digits, which is how some data sets store it.
Result<std::int64_t> index_of(const Json& row, std::string_view field, std::size_t num_choices,
                              std::string_view where) {
  const Json value = json_has(row, field) ? row.at(field) : Json();
  std::int64_t index = -1;
  if (value.is_number_integer()) index = value.get<std::int64_t>();
  if (value.is_string()) {
    const std::string& digits = value.get_ref<const std::string&>();
    if (digits.size() == 1 && digits[0] >= '0' && digits[0] <= '9') index = digits[0] - '0';
  }
  if (index < 0 || index >= static_cast<std::int64_t>(num_choices)) {
    return wrong(where, field, fmt::format("the right choice's index, 0 to {}", num_choices - 1),
                 value);
  }
  return index;
}

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (std::size_t at = text.find(from); at != std::string::npos;
       at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
}

// The harness's cleaning of WikiHow's marks: re.sub("\[.*?\]", "") where "." is any character but
// a line feed.
std::string without_brackets(std::string_view text) {
  std::string kept;
  while (true) {
    const std::size_t open = text.find('[');
    const std::size_t close = open == text.npos ? text.npos : text.find_first_of("]\n", open);
    if (open == text.npos) return kept += text;
    const bool is_pair = close != text.npos && text[close] == ']';
    kept += text.substr(0, is_pair ? open : open + 1);
    text.remove_prefix(is_pair ? close + 1 : open + 1);
  }
}

std::string cleaned(std::string_view text) {
  std::string kept(detail::stripped(text));
  replace_all(kept, " [title]", ". ");
  kept = without_brackets(kept);
  replace_all(kept, "  ", " ");
  return kept;
}

Result<Question> hellaswag_question(const Json& row, std::string_view where) {
  Question question;
  PANAL_ASSIGN(const std::string scene, json_string(row, "ctx_a", where));
  PANAL_ASSIGN(const std::string begun, json_string(row, "ctx_b", where));
  PANAL_ASSIGN(const std::string activity, json_string(row, "activity_label", where));
  PANAL_ASSIGN(question.choices, texts(row, "endings", where));
  for (std::string& ending : question.choices) {
    ending = cleaned(ending);
    if (!ending.empty()) continue;
    const auto index = &ending - question.choices.data();
    return wrong(where, fmt::format("endings[{}]", index),
                 "a text that is not empty without its [marks]",
                 row.at("endings").at(static_cast<std::size_t>(index)));
  }
  PANAL_ASSIGN(question.gold, index_of(row, "label", question.choices.size(), where));
  question.context = cleaned(activity + ": " + scene + " " + detail::capitalized(begun));
  return question;
}

Result<Question> arc_question(const Json& row, std::string_view where) {
  Question question;
  PANAL_ASSIGN(const std::string asked, json_string(row, "question", where));
  if (!json_has(row, "choices") || !row.at("choices").is_object()) {
    return wrong(where, "choices", "an object of the lists \"text\" and \"label\"",
                 json_has(row, "choices") ? row.at("choices") : Json());
  }
  const std::string inside = fmt::format("{}: choices", where);
  PANAL_ASSIGN(question.choices, texts(row.at("choices"), "text", inside));
  PANAL_ASSIGN(const std::vector<std::string> labels, texts(row.at("choices"), "label", inside));
  if (labels.size() != question.choices.size()) {
    return wrong(inside, "label", fmt::format("a list of {} labels", question.choices.size()),
                 row.at("choices").at("label"));
  }
  PANAL_ASSIGN(const std::string key, json_string(row, "answerKey", where));
  const auto found = std::ranges::find(labels, key);
  if (found == labels.end()) {
    return wrong(where, "answerKey",
                 fmt::format("one of the labels {}", row.at("choices").at("label").dump()), key);
  }
  question.gold = found - labels.begin();
  question.context = fmt::format("Question: {}\nAnswer:", asked);
  return question;
}

Result<Question> mmlu_question(const Json& row, std::string_view where) {
  Question question;
  PANAL_ASSIGN(const std::string asked, json_string(row, "question", where));
  PANAL_ASSIGN(question.subject, json_string(row, "subject", where));
  PANAL_ASSIGN(const std::vector<std::string> answers, texts(row, "choices", where));
  question.choices = {"A", "B", "C", "D"};
  if (answers.size() != question.choices.size())
    return wrong(where, "choices", "a list of 4 texts", row.at("choices"));
  PANAL_ASSIGN(question.gold, index_of(row, "answer", question.choices.size(), where));
  question.context = fmt::format("{}\nA. {}\nB. {}\nC. {}\nD. {}\nAnswer:", detail::stripped(asked),
                                 answers[0], answers[1], answers[2], answers[3]);
  return question;
}

Result<Question> neutral_question(const Json& row, std::string_view where) {
  Question question;
  const bool has_query = json_has(row, "query");
  if (has_query && json_has(row, "context")) {
    return Status(Code::kInvalidArgument,
                  fmt::format("{}: either \"context\" or \"query\" is wanted, found both", where));
  }
  PANAL_ASSIGN(question.context, json_string(row, has_query ? "query" : "context", where));
  PANAL_ASSIGN(question.choices, texts(row, "choices", where));
  PANAL_ASSIGN(question.gold, index_of(row, "gold", question.choices.size(), where));
  if (json_has(row, "subject")) {
    PANAL_ASSIGN(question.subject, json_string(row, "subject", where));
  }
  return question;
}

Result<Question> question_of(const Json& row, ChoiceFormat format, std::string_view where) {
  if (!row.is_object()) {
    return Status(Code::kInvalidArgument,
                  fmt::format("{}: a row must be an object, found {}", where, json_shown(row)));
  }
  switch (format) {
    case ChoiceFormat::kHellaswag:
      return hellaswag_question(row, where);
    case ChoiceFormat::kArc:
      return arc_question(row, where);
    case ChoiceFormat::kMmlu:
      return mmlu_question(row, where);
    case ChoiceFormat::kChoices:
      return neutral_question(row, where);
  }
  return Status(Code::kInternal, "unknown format of a choice task");
}

Result<std::vector<Question>> read_questions(const std::filesystem::path& path,
                                             ChoiceFormat format) {
  PANAL_ASSIGN(const std::string bytes, store::read_file(path, kMaxFileBytes));
  if (const std::size_t at = first_invalid_utf8(bytes); at != std::string_view::npos) {
    return Status(
        Code::kInvalidArgument,
        fmt::format("{}: expected UTF-8, found another byte at offset {}", path.string(), at));
  }
  std::vector<Question> questions;
  std::int64_t line_number = 0;
  for (std::string_view rest = bytes; !rest.empty();) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    ++line_number;
    if (line.find_first_not_of(" \t\r") == line.npos) continue;
    const std::string where = fmt::format("{}, line {}", path.string(), line_number);
    PANAL_ASSIGN(const Json row, parse_json(line, where));
    PANAL_ASSIGN(Question question, question_of(row, format, where));
    question.line = line_number;
    questions.push_back(std::move(question));
  }
  if (questions.empty()) {
    return Status(Code::kInvalidArgument,
                  fmt::format("{}: expected at least one question, found none", path.string()));
  }
  return questions;
}

bool is_same(const Question& a, const Question& b) {
  return a.context == b.context && a.choices == b.choices && a.gold == b.gold &&
         a.subject == b.subject;
}

Result<std::string> examples_for(const Question& question, const std::vector<Question>& pool,
                                 const std::filesystem::path& pool_path, bool is_same_file,
                                 std::int64_t shots) {
  std::string text;
  std::int64_t found = 0;
  for (const Question& example : pool) {
    if (found == shots) break;
    if (example.subject != question.subject || (is_same_file && is_same(example, question)))
      continue;
    text +=
        example.context + " " + example.choices[static_cast<std::size_t>(example.gold)] + "\n\n";
    ++found;
  }
  if (found == shots) return text;
  return Status(
      Code::kInvalidArgument,
      fmt::format("{}: {} examples are wanted before the question of line {}{}, found {}",
                  pool_path.string(), shots, question.line,
                  question.subject.empty() ? "" : " of subject \"" + question.subject + "\"",
                  found));
}

}  // namespace

std::optional<ChoiceFormat> choice_format(std::string_view name) {
  for (const auto& [known, format] : kFormats) {
    if (known == name) return format;
  }
  return std::nullopt;
}

std::string_view choice_format_name(ChoiceFormat format) {
  return std::ranges::find(kFormats, format, &decltype(kFormats)::value_type::second)->first;
}

Result<std::vector<ChoiceItem>> read_choice_task(const std::filesystem::path& path,
                                                 ChoiceFormat format,
                                                 const ChoiceTaskOptions& options) {
  if (options.shots < 0 || options.shots > 1000 || options.limit < 0) {
    return Status(Code::kInvalidArgument,
                  fmt::format("choice task: wanted 0 to 1000 examples and a limit of 0 or more, "
                              "found {} and {}",
                              options.shots, options.limit));
  }
  PANAL_ASSIGN(std::vector<ChoiceItem> items, read_questions(path, format));
  const bool is_same_file = options.shots_path.empty();
  std::vector<Question> pool;
  if (options.shots > 0 && is_same_file) pool = items;
  if (options.shots > 0 && !is_same_file) {
    PANAL_ASSIGN(pool, read_questions(options.shots_path, format));
  }
  if (options.limit > 0 && static_cast<std::size_t>(options.limit) < items.size())
    items.resize(static_cast<std::size_t>(options.limit));
  for (ChoiceItem& item : items) {
    std::string before;
    if (format == ChoiceFormat::kMmlu) {
      std::string subject = item.subject;
      replace_all(subject, "_", " ");
      before = fmt::format(
          "The following are multiple choice questions (with answers) about {}.\n\n", subject);
    }
    PANAL_ASSIGN(const std::string examples,
                 examples_for(item, pool, is_same_file ? path : options.shots_path, is_same_file,
                              options.shots));
    item.context = before + examples + item.context;
  }
  return items;
}

Result<std::vector<EncodedChoice>> encode_choices(const tokenizer::Tokenizer& tokenizer,
                                                  const ChoiceItem& item, std::string_view where) {
  std::string_view context = item.context;
  const std::string_view moved =
      context.substr(context.size() - detail::trailing_space_bytes(context));
  context.remove_suffix(moved.size());
  const auto refused = [&](std::string_view what) {
    return Status(Code::kInvalidArgument, fmt::format("{}, line {}: {}", where, item.line, what));
  };
  if (context.empty() && !moved.empty())
    return refused("the prompt must have more than white space, or be empty");
  std::vector<std::int32_t> head = tokenizer.encode(context, tokenizer::SpecialTokens::kParse);
  if (context.empty()) {
    const auto prefix = tokenizer.bos_id() ? tokenizer.bos_id() : tokenizer.eos_id();
    if (!prefix) {
      return refused("the prompt must not be empty: the tokenizer has no BOS or EOS to begin with");
    }
    head = {*prefix};
  }
  std::vector<EncodedChoice> encoded;
  for (const std::string& choice : item.choices) {
    EncodedChoice made;
    made.tokens = tokenizer.encode(fmt::format("{}{} {}", context, moved, choice),
                                   tokenizer::SpecialTokens::kParse);
    if (context.empty() && (made.tokens.empty() || made.tokens.front() != head.front()))
      made.tokens.insert(made.tokens.begin(), head.front());
    if (made.tokens.size() <= head.size()) {
      return refused(
          fmt::format("choice {} must add at least one token to the prompt's {}, found "
                      "none",
                      encoded.size(), head.size()));
    }
    made.scored = made.tokens.size() - head.size();
    // A prompt may end in other tokens alone than before the choice; alone is what the harness
    // feeds.
    std::ranges::copy(head, made.tokens.begin());
    encoded.push_back(std::move(made));
  }
  return encoded;
}

}  // namespace panal::data
