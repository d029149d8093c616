// Three passes: cut the text into units (sentences, list items, code blocks, given texts), cut
// sentences where a second order begins, then gather the units around the tasks. Whenever a pass is
// in doubt, the text stays together.
#include "orchestrator/detail/splitter.h"

#include <algorithm>
#include <optional>

#include "orchestrator/detail/request_text.h"
#include "orchestrator/detail/task_words.h"
#include "topics/language.h"

namespace panal::orchestrator::detail {
namespace {

constexpr std::size_t kMaxSplitBytes = 16 * 1024;
// The beginning of a clause says what it is; and longer clauses are never cut. Both keep hostile
// texts linear.
constexpr std::size_t kPeekBytes = 200;
constexpr std::size_t kMaxCutBytes = 600;
constexpr std::size_t kMaxQuestionParts = 64;

enum class UnitKind { kTask, kRemark, kInstruction, kGiven };
struct Unit {
  UnitKind kind = UnitKind::kRemark;
  std::string text;
  bool is_item = false;  // Of a list: it stands for itself.
};

/// The text with its protected spans: where a rule may look and where not.
class Source {
 public:
  explicit Source(std::string_view text) : text_(text), spans_(protected_spans(text)) {}
  std::string_view text() const { return text_; }
  const ProtectedSpan* span_at(std::size_t index) const {
    const auto after = std::ranges::upper_bound(spans_, index, {}, &ProtectedSpan::begin);
    if (after == spans_.begin()) return nullptr;
    const ProtectedSpan& span = *std::prev(after);
    return index < span.end ? &span : nullptr;
  }
  bool is_protected(std::size_t index) const { return span_at(index) != nullptr; }
  std::string_view slice(std::size_t begin, std::size_t end) const {
    return text_.substr(begin, end - begin);
  }

 private:
  std::string_view text_;
  std::vector<ProtectedSpan> spans_;
};

bool is_blank(char byte) { return byte == ' ' || byte == '\n' || byte == '\t' || byte == '\r'; }

/// "e.g.", "Dr.", "p. 5", "3.": a full stop that ends no sentence.
bool is_abbreviation(std::string_view before) {
  static constexpr std::string_view kAbbreviations[] = {
      "e.g", "i.e", "dr",  "mr", "mrs", "ms",   "sr", "sra", "vs",  "no",  "fig",   "p",
      "pp",  "ej",  "art", "cf", "etc", "prof", "st", "ud",  "num", "vol", "approx"};
  const std::size_t begin = before.find_last_of(" \n\t(");
  const std::string word =
      fold(begin == std::string_view::npos ? before : before.substr(begin + 1));
  const bool is_number = !word.empty() && word.size() <= 2 &&
                         std::ranges::all_of(word, [](char c) { return c >= '0' && c <= '9'; });
  return is_number || std::ranges::find(kAbbreviations, word) != std::end(kAbbreviations);
}

bool line_begins_item(std::string_view rest) {
  const std::string_view line = rest.substr(0, rest.find('\n'));
  const std::size_t indent = line.find_first_not_of(" \t");
  if (indent == std::string_view::npos) return false;
  const std::string_view body = line.substr(indent);
  // A joining prefix that starts with a mark, not with a word.
  const char first = body.front();
  const bool has_mark = first == '-' || first == '*' || first == '+' || first == '(' ||
                        (first >= '0' && first <= '9') || body.starts_with("\xE2\x80\xA2") ||
                        (body.size() > 1 && body[1] == ')');
  return has_mark && joining_prefix_bytes(body) > 0;
}

/// One after the end of the sentence that starts at `begin`, not beyond `limit`.
std::size_t end_of_sentence(const Source& source, std::size_t begin, std::size_t limit) {
  const std::string_view text = source.text();
  for (std::size_t i = begin; i < limit; ++i) {
    if (const ProtectedSpan* span = source.span_at(i)) {
      if (span->kind == SpanKind::kFence) return i > begin ? i : span->end;
      i = span->end - 1;
      // A quote that ends with its own full stop ends the sentence when a new one follows.
      continue;
    }
    const char byte = text[i];
    if (byte == '\n') {
      const std::string_view rest = text.substr(i + 1);
      const std::string_view line = trim(rest.substr(0, rest.find('\n')));
      if (line.empty() || line_begins_item(rest) || is_task(kind_of_clause(line))) return i + 1;
      continue;
    }
    const bool ends = byte == '.' || byte == '?' || byte == '!';
    if (!ends || i + 1 >= limit) continue;
    std::size_t next = i + 1;
    while (next < limit && (text[next] == '.' || text[next] == '?' || text[next] == '!' ||
                            text[next] == ')' || text[next] == '"')) {
      ++next;
    }
    if (next < limit && !is_blank(text[next])) continue;
    if (byte == '.' && is_abbreviation(source.slice(begin, i))) continue;
    while (next < limit && is_blank(text[next])) ++next;
    const bool goes_on =
        byte == '.' && next < limit && text[next] >= 'a' && text[next] <= 'z' &&
        !has_strong_joiner(source.slice(next, std::min(limit, next + kPeekBytes))) &&
        !is_task(kind_of_clause(source.slice(next, std::min(limit, next + kPeekBytes))));
    if (!goes_on) return next;
  }
  return limit;
}

/// Cuts one sentence where a second order begins: after "and", "y", a comma or a semicolon.
std::vector<std::string_view> cut_clauses(const Source& source, std::size_t begin,
                                          std::size_t end) {
  static constexpr std::string_view kCuts[] = {", ",  "; ",     " and ",  " y ",
                                               " e ", " then ", " luego "};
  std::vector<std::string_view> clauses;
  const std::string_view text = source.text();
  std::size_t start = begin;
  for (std::size_t i = begin; i < end; ++i) {
    if (const ProtectedSpan* span = source.span_at(i)) {
      i = span->end - 1;
      continue;
    }
    const std::string_view rest = source.slice(i, end);
    const auto cut = std::ranges::find_if(kCuts, [&](auto mark) { return rest.starts_with(mark); });
    if (cut == std::end(kCuts)) continue;
    const std::string_view left = source.slice(start, i);
    if (left.size() > kMaxCutBytes) break;
    const std::string_view ahead = rest.substr(0, kPeekBytes);
    const std::size_t joiner = joining_prefix_bytes(ahead);
    const std::string_view right = ahead.substr(joiner);
    // ", and" says more than ",": the second verb does not belong to the first one's object.
    const bool is_strong =
        has_strong_joiner(ahead) || rest.front() == ';' || (rest.front() == ',' && joiner > 2);
    if (!is_task(kind_of_clause(left)) || !begins_second_task(left, right, is_strong)) continue;
    clauses.push_back(left);
    start = i + joiner;
    i = start > i ? start - 1 : i;
  }
  clauses.push_back(text.substr(start, end - start));
  return clauses;
}

bool has_joiner(std::string_view clause) {
  return !line_begins_item(clause) && joining_prefix_bytes(clause) > 0;
}

/// Is this sentence, after a given text, the person's own next order? "Then explain ..." and "And
/// explain ..." are; an order without such a word is one when it is in the language of the order
/// before, and the given text is in another.
bool leaves_given(std::string_view order, std::string_view given, std::string_view sentence) {
  const ClauseKind kind = kind_of_clause(sentence);
  if (has_strong_joiner(sentence.substr(0, kPeekBytes)) && is_task(kind)) return true;
  if (kind != ClauseKind::kOrder) return false;
  if (has_joiner(sentence)) return true;
  constexpr std::string_view kUnknown = "und";
  const std::string own = topics::guess_short_text_language(order).language;
  const std::string other = topics::guess_short_text_language(given).language;
  return own != kUnknown && other != kUnknown && own != other &&
         topics::guess_short_text_language(sentence).language == own;
}

/// Where a text given to `order` after a colon ends: at the end of its quote or paragraph, or where
/// the next order begins.
std::size_t end_of_given(const Source& source, std::string_view order, std::size_t begin) {
  const std::string_view text = source.text();
  if (const ProtectedSpan* span = source.span_at(begin)) return span->end;
  std::size_t i = begin;
  while (i < text.size()) {
    const std::size_t next = end_of_sentence(source, i, text.size());
    const std::size_t paragraph = text.find("\n\n", i);
    if (paragraph != std::string_view::npos && paragraph < next) return paragraph;
    i = next;
    if (leaves_given(order, source.slice(begin, i).substr(0, kMaxCutBytes),
                     source.slice(i, end_of_sentence(source, i, text.size())))) {
      return i;
    }
    if (const ProtectedSpan* span = source.span_at(i);
        span != nullptr && span->kind == SpanKind::kFence)
      return i;
    if (i > begin && text.substr(0, i).ends_with("\n\n")) return i;
  }
  return text.size();
}

/// The colon of "Translate this: ..." in a sentence, when something follows it; npos without one.
std::size_t colon_of(const Source& source, std::size_t begin, std::size_t end) {
  for (std::size_t i = begin; i < end; ++i) {
    if (source.is_protected(i) || source.text()[i] != ':') continue;
    if (i + 1 >= source.text().size() || is_blank(source.text()[i + 1])) return i;
  }
  return std::string_view::npos;
}

/// The first pass: text into units.
class UnitReader {
 public:
  explicit UnitReader(std::string_view text) : source_(text) {}

  std::vector<Unit> read() {
    const std::string_view text = source_.text();
    std::size_t i = 0;
    while (i < text.size()) {
      if (is_blank(text[i])) {
        ++i;
      } else if (const ProtectedSpan* span = source_.span_at(i);
                 span != nullptr && span->kind == SpanKind::kFence) {
        add(UnitKind::kGiven, source_.slice(i, span->end));
        i = span->end;
      } else {
        i = read_sentence(i);
      }
    }
    return std::move(units_);
  }

 private:
  void add(UnitKind kind, std::string_view text, bool is_item = false) {
    text = trim(text);
    if (!text.empty())
      units_.push_back({.kind = kind, .text = std::string(text), .is_item = is_item});
  }

  static UnitKind unit_kind(std::string_view clause) {
    const ClauseKind kind = kind_of_clause(clause);
    if (is_task(kind) && !is_list_frame(clause)) return UnitKind::kTask;
    return kind == ClauseKind::kInstruction ? UnitKind::kInstruction : UnitKind::kRemark;
  }

  std::size_t read_sentence(std::size_t begin) {
    const std::string_view text = source_.text();
    std::size_t end = end_of_sentence(source_, begin, text.size());
    const bool is_item = line_begins_item(text.substr(begin)) && (begin == 0 || !units_.empty());
    const std::size_t colon = colon_of(source_, begin, end);
    if (colon != std::string_view::npos) {
      const std::string_view left = source_.slice(begin, colon + 1);
      const std::size_t given = text.find_first_not_of(" \t\r\n", colon + 1);
      const bool is_list = given != std::string_view::npos && line_begins_item(text.substr(given));
      if (is_task(kind_of_clause(left)) && given != std::string_view::npos && !is_list) {
        add_clauses(begin, colon + 1, is_item);
        const ProtectedSpan* span = source_.span_at(given);
        if (span != nullptr && span->kind == SpanKind::kFence) return given;
        const std::size_t given_end = end_of_given(source_, left, given);
        add(UnitKind::kGiven, source_.slice(given, given_end));
        return given_end;
      }
      if (!is_task(kind_of_clause(left))) {
        // "Two things: ...": what stands before the colon is a remark, what follows is read by
        // itself.
        add(UnitKind::kRemark, left);
        return colon + 1;
      }
    }
    add_clauses(begin, end, is_item);
    return end;
  }

  void add_clauses(std::size_t begin, std::size_t end, bool is_item) {
    if (is_item)
      return add(unit_kind(trim(source_.slice(begin, end))), source_.slice(begin, end), true);
    for (const std::string_view clause : cut_clauses(source_, begin, end)) {
      add(unit_kind(trim(clause)), clause);
    }
  }

  const Source source_;
  std::vector<Unit> units_;
};

struct Draft {
  std::vector<std::string> lines;  // The task first, then the remarks that belong to it.
  std::vector<std::string> given;  // Its own texts and code.
  std::string text() const {
    std::string joined;
    for (const std::string& line : lines) joined += (joined.empty() ? "" : " ") + line;
    return joined;
  }
};

struct Drafts {
  std::vector<Draft> parts;
  std::vector<std::string> remarks;       // Before the first task: for every part.
  std::vector<std::string> instructions;  // How to answer: for every part.
  std::vector<std::string> unclaimed;     // Texts and code before the first task.
};

std::string without_joiner(const std::string& task) {
  const std::string rest(trim(std::string_view(task).substr(joining_prefix_bytes(task))));
  return rest.empty() ? task : rest;
}

/// Is the task about the answer to the one before it?
bool depends(const Drafts& drafts, const std::string& task, bool is_item) {
  if (words_of(without_joiner(task)).size() < 2) return true;
  if (refers_to_an_answer(task)) return true;
  if (is_item || !has_back_pointing_pronoun(task)) return false;
  // "it" may mean a text that was given to both: then the tasks are independent.
  const Draft& previous = drafts.parts.back();
  const bool has_given = !previous.given.empty() || !drafts.unclaimed.empty();
  return !has_given || !refers_to_given_text(previous.text());
}

/// The second pass: units around tasks.
Drafts gather(const std::vector<Unit>& units) {
  Drafts drafts;
  for (const Unit& unit : units) {
    switch (unit.kind) {
      case UnitKind::kTask:
        if (!drafts.parts.empty() && depends(drafts, unit.text, unit.is_item)) {
          drafts.parts.back().lines.push_back(unit.text);
        } else {
          drafts.parts.push_back({.lines = {unit.text}, .given = {}});
        }
        break;
      case UnitKind::kInstruction:
        drafts.instructions.push_back(unit.text);
        break;
      case UnitKind::kGiven:
        if (drafts.parts.empty()) {
          drafts.unclaimed.push_back(unit.text);
        } else {
          drafts.parts.back().given.push_back(unit.text);
        }
        break;
      case UnitKind::kRemark:
        if (!drafts.parts.empty()) {
          drafts.parts.back().lines.push_back(unit.text);
        } else if (!is_courtesy(unit.text) && !is_list_frame(unit.text)) {
          drafts.remarks.push_back(unit.text);
        }
        break;
    }
  }
  return drafts;
}

/// Quotes inside a part's own words, for later parts that speak of "this sentence".
std::vector<std::string> quotes_in(const std::string& text) {
  std::vector<std::string> quotes;
  for (const ProtectedSpan& span : protected_spans(text)) {
    if (span.kind == SpanKind::kQuote)
      quotes.push_back(text.substr(span.begin, span.end - span.begin));
  }
  return quotes;
}

/// Gives the texts to the parts that are about them.
void share_given(Drafts& drafts) {
  const auto refers = [](const Draft& part) { return refers_to_given_text(part.text()); };
  if (!drafts.unclaimed.empty()) {
    const bool nobody_refers = std::ranges::none_of(drafts.parts, refers);
    for (Draft& part : drafts.parts) {
      if (!nobody_refers && !refers(part)) continue;
      part.given.insert(part.given.begin(), drafts.unclaimed.begin(), drafts.unclaimed.end());
    }
  }
  for (std::size_t i = 0; i < drafts.parts.size(); ++i) {
    Draft& part = drafts.parts[i];
    if (!part.given.empty() || !refers(part) || !quotes_in(part.text()).empty()) continue;
    // The text of the nearest part before it; else of the one right after it ("Translate this and
    // explain that: ...").
    for (std::size_t j = i; j-- > 0 && part.given.empty();) {
      part.given =
          drafts.parts[j].given.empty() ? quotes_in(drafts.parts[j].text()) : drafts.parts[j].given;
    }
    if (part.given.empty() && i + 1 < drafts.parts.size()) part.given = drafts.parts[i + 1].given;
  }
}

void append_paragraph(std::string& text, std::string_view paragraph) {
  if (paragraph.empty()) return;
  if (!text.empty()) text += "\n\n";
  text += paragraph;
}

std::string joined(const std::vector<std::string>& pieces, std::string_view between) {
  std::string text;
  for (const std::string& piece : pieces) {
    if (!text.empty()) text += between;
    text += piece;
  }
  return text;
}

RequestPart finished(const Drafts& drafts, const Draft& draft) {
  RequestPart part;
  part.text = without_joiner(draft.text());
  // A clause cut before ", and" keeps no comma at its end.
  while (part.text.ends_with(',') || part.text.ends_with(';')) part.text.pop_back();
  part.given = joined(draft.given, "\n\n");
  append_paragraph(part.prompt, joined(drafts.remarks, " "));
  append_paragraph(part.prompt, part.text);
  append_paragraph(part.prompt, part.given);
  append_paragraph(part.prompt, joined(drafts.instructions, " "));
  return part;
}

RequestPart whole(std::string_view text) {
  return {.text = std::string(text), .given = "", .prompt = std::string(text)};
}

/// A list whose items are not all tasks is one task's material: "Translate:\n- hello\n- bye".
bool has_list_of_things(const std::vector<Unit>& units) {
  std::size_t num_items = 0;
  std::size_t num_tasks = 0;
  for (const Unit& unit : units) {
    num_items += unit.is_item ? 1 : 0;
    num_tasks += unit.is_item && unit.kind == UnitKind::kTask ? 1 : 0;
  }
  return num_items > 1 && num_tasks < num_items;
}

}  // namespace

std::vector<RequestPart> split_request(std::string_view text, std::size_t max_parts) {
  if (text.size() > kMaxSplitBytes || max_parts < 2) return {whole(text)};
  const std::vector<Unit> units = UnitReader(text).read();
  if (has_list_of_things(units)) return {whole(text)};
  Drafts drafts = gather(units);
  // Dozens of "tasks" are a questionnaire or a text full of questions, not a request with parts.
  if (drafts.parts.size() < 2 || drafts.parts.size() > kMaxQuestionParts) return {whole(text)};
  share_given(drafts);
  while (drafts.parts.size() > max_parts) {
    const Draft last = std::move(drafts.parts.back());
    drafts.parts.pop_back();
    Draft& keeper = drafts.parts.back();
    keeper.lines.insert(keeper.lines.end(), last.lines.begin(), last.lines.end());
    for (const std::string& given : last.given) {
      if (std::ranges::find(keeper.given, given) == keeper.given.end())
        keeper.given.push_back(given);
    }
  }
  std::vector<RequestPart> parts;
  for (const Draft& draft : drafts.parts) parts.push_back(finished(drafts, draft));
  return parts;
}

}  // namespace panal::orchestrator::detail
