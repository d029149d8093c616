#include "cli/demo_conversations.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <utility>

namespace panal::cli {
namespace {

constexpr std::size_t kShortestAnswer = 60;  // Bytes, as all lengths here.
constexpr std::size_t kLicenceAnswer = 480;
// A small model's Spanish holds for a sentence, not for a paragraph.
constexpr std::size_t kNovelAnswer = 180;
constexpr std::size_t kLongestFunction = 800;
constexpr std::string_view kSpace = " \t\r\n";

bool is_lower(char byte) { return byte >= 'a' && byte <= 'z'; }
bool is_upper(char byte) { return byte >= 'A' && byte <= 'Z'; }
bool is_digit(char byte) { return byte >= '0' && byte <= '9'; }
char lower(char byte) { return is_upper(byte) ? static_cast<char>(byte + 32) : byte; }

std::string lower_case(std::string_view text) {
  std::string result(text);
  std::ranges::transform(result, result.begin(), lower);
  return result;
}

std::string_view trimmed(std::string_view text) {
  const auto begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) + 1 - begin);
}

// Runs of white space become one space.
std::string unwrapped(std::string_view text) {
  std::string result;
  for (const char byte : trimmed(text)) {
    const bool is_space = kSpace.find(byte) != std::string_view::npos;
    if (!is_space) result += byte;
    if (is_space && result.back() != ' ') result += ' ';
  }
  return result;
}

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    lines.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

// What stands between blank lines, each on one line.
std::vector<std::string> paragraphs_of(std::string_view text) {
  std::vector<std::string> paragraphs;
  std::string paragraph;
  const auto finish = [&] {
    if (!paragraph.empty()) paragraphs.push_back(unwrapped(paragraph));
    paragraph.clear();
  };
  for (const std::string_view line : lines_of(text)) {
    if (trimmed(line).empty()) {
      finish();
    } else {
      paragraph.append(line).append("\n");
    }
  }
  finish();
  return paragraphs;
}

// "i.e. the" is no end, "License. You" is one.
std::vector<std::string_view> sentences_of(std::string_view paragraph, std::string_view ends) {
  std::vector<std::string_view> sentences;
  std::size_t begin = 0;
  for (std::size_t i = 0; i + 2 < paragraph.size(); ++i) {
    if (ends.find(paragraph[i]) == std::string_view::npos || paragraph[i + 1] != ' ') continue;
    if (paragraph[i] != ';' && (is_lower(paragraph[i + 2]) || is_digit(paragraph[i + 2]))) continue;
    sentences.push_back(paragraph.substr(begin, i + 1 - begin));
    begin = i + 2;
  }
  sentences.push_back(paragraph.substr(begin));
  return sentences;
}

// As many sentences from `first` on as fit, at least that one; moves `first` behind them.
std::string take_sentences(const std::vector<std::string_view>& sentences, std::size_t& first,
                           std::size_t max_bytes) {
  std::string taken(sentences[first++]);
  while (first < sentences.size() && taken.size() + 1 + sentences[first].size() <= max_bytes) {
    taken.append(" ").append(sentences[first++]);
  }
  return taken;
}

// ---- Licences.

// "GNU GENERAL PUBLIC LICENSE" -> "GNU General Public License".
std::string title_case(std::string_view title) {
  std::string result;
  for (std::size_t begin = 0; begin < title.size();) {
    const auto end = std::min(title.find(' ', begin), title.size());
    std::string word(title.substr(begin, end - begin));
    if (word != "GNU" && std::ranges::none_of(word, is_lower)) {
      word = lower_case(word);
      word[0] = static_cast<char>(std::toupper(word[0]));
    }
    result += (result.empty() ? "" : " ") + word;
    begin = end + 1;
  }
  return result;
}

// The first short line that calls itself a licence, with its version.
std::string title_of(std::string_view text, std::string_view name) {
  std::string title = fmt::format("{} licence", name);
  for (const std::string_view raw : lines_of(text.substr(0, 600))) {
    const std::string_view line = trimmed(raw);
    if (line.size() > 50 || !lower_case(line).ends_with("license")) continue;
    if (line.find_first_of("/\".,") != std::string_view::npos) continue;
    title = title_case(line);
    break;
  }
  constexpr std::string_view kVersion = "Version ";
  const auto at = text.substr(0, 600).find(kVersion);
  if (at == std::string_view::npos) return title;
  std::string_view number = text.substr(at + kVersion.size());
  number = number.substr(0, number.find_first_not_of("0123456789."));
  while (number.ends_with('.')) number.remove_suffix(1);
  return number.empty() ? title : fmt::format("{}, version {},", title, number);
}

struct Section {
  std::string number;   // "" before the first one.
  std::string heading;  // "" where there is none.
};

bool is_shouted(std::string_view paragraph) {
  return paragraph.size() >= 6 && paragraph.size() <= 60 &&
         std::ranges::none_of(paragraph, is_lower) &&
         std::ranges::all_of(paragraph, [](char byte) { return is_upper(byte) || byte == ' '; });
}

// Where a paragraph opens a section ("15. Disclaimer of Warranty.") the section is taken and left
// out of the paragraph.
bool open_section(std::string& paragraph, Section& section) {
  if (is_shouted(paragraph) || paragraph == "Preamble") {
    const bool ends = paragraph.starts_with("END OF");
    section = {.number = "", .heading = ends ? "" : lower_case(paragraph)};
    paragraph.clear();
    return true;
  }
  const auto digits = paragraph.find_first_not_of("0123456789");
  if (digits == 0 || digits == std::string::npos || !paragraph.substr(digits).starts_with(". "))
    return false;
  const bool keeps_heading = section.number.empty() && section.heading == "no warranty";
  section.number = paragraph.substr(0, digits);
  if (!keeps_heading) section.heading.clear();
  paragraph.erase(0, digits + 2);
  // A heading is a few words, alone or with more behind its full stop.
  const auto stop = std::min(paragraph.find_first_of(".:"), paragraph.size());
  const bool is_heading = stop <= 60 && std::ranges::count(paragraph.substr(0, stop), ' ') < 8 &&
                          (stop + 1 >= paragraph.size() || paragraph[stop] == '.');
  if (!is_heading) return true;
  section.heading = lower_case(paragraph.substr(0, stop));
  paragraph.erase(0, stop + 1);
  paragraph = trimmed(paragraph);
  return true;
}

std::string question_about(const std::string& title, const Section& section, bool is_first) {
  const char* more = is_first ? "" : "else ";
  if (section.heading == "preamble") return fmt::format("What {}is the {} for?", more, title);
  if (!section.heading.empty())
    return fmt::format("What {}does the {} say about {}?", more, title, section.heading);
  return fmt::format("What {}does section {} of the {} say?", more, section.number, title);
}

// ---- Python.

// "Return" -> "returns"; nothing for what is not known to be a verb.
std::optional<std::string> third_person(std::string_view word) {
  constexpr auto kVerbs = std::to_array<std::string_view>(
      {"add",     "build",   "calculate", "call",    "change",    "check",  "clear",    "close",
       "compare", "compile", "compute",   "convert", "copy",      "create", "decode",   "delete",
       "dump",    "encode",  "expand",    "extract", "find",      "format", "generate", "get",
       "give",    "guess",   "insert",    "iterate", "join",      "list",   "load",     "locate",
       "make",    "match",   "move",      "open",    "parse",     "print",  "produce",  "read",
       "remove",  "replace", "return",    "run",     "search",    "send",   "set",      "show",
       "split",   "start",   "stop",      "test",    "transform", "write"});
  std::string verb = lower_case(word);
  if (verb.ends_with('s') && std::ranges::count(kVerbs, verb.substr(0, verb.size() - 1)) > 0)
    return verb;
  if (std::ranges::count(kVerbs, verb) == 0) return std::nullopt;
  const bool hisses = verb.ends_with("ch") || verb.ends_with("sh") || verb.ends_with("ss");
  if (verb == "copy") return "copies";
  return verb + (hisses ? "es" : "s");
}

// The first sentence of the docstring that a function begins with; empty where it has none.
std::string first_sentence_of_docstring(std::string_view function) {
  std::string_view body = trimmed(function.substr(std::min(function.find('\n'), function.size())));
  if (body.starts_with('r')) body.remove_prefix(1);
  const std::string_view quotes = body.substr(0, 3);
  if (quotes != "\"\"\"" && quotes != "'''") return "";
  body.remove_prefix(3);
  const auto end = body.find(quotes);
  if (end == std::string_view::npos) return "";
  const auto paragraphs = paragraphs_of(body.substr(0, end));
  if (paragraphs.empty()) return "";
  std::string sentence(sentences_of(paragraphs.front(), ".").front());
  while (sentence.ends_with('.')) sentence.pop_back();
  if (sentence.ends_with("e.g") || sentence.ends_with("i.e")) return "";
  return sentence;
}

std::string question_for(const std::string& task) {
  const auto space = std::min(task.find(' '), task.size());
  if (const auto verb = third_person(std::string_view(task).substr(0, space)))
    return fmt::format("Write a Python function that {}{}.", *verb, task.substr(space));
  return fmt::format("Write a Python function: {}.", task);
}

// ---- A novel.

struct Word {
  std::string_view text;    // Without punctuation.
  bool is_capital = false;  // Begins with a capital and goes on in small letters.
  char after = ' ';         // The first byte of punctuation behind it.
};

std::vector<Word> words_of(std::string_view sentence) {
  constexpr std::string_view kMarks = "-.,;:!?()\"'[]";
  // Latin letters beyond ASCII have the first byte C3 in UTF-8; capitals have a second below 9F.
  const auto is_capital = [](std::string_view word) {
    if (word.size() < 3) return false;
    if (is_upper(word[0])) return !is_upper(word[1]);
    return word[0] == '\xC3' && static_cast<unsigned char>(word[1]) < 0x9F && !is_upper(word[2]);
  };
  std::vector<Word> words;
  while (!sentence.empty()) {
    const auto end = std::min(sentence.find(' '), sentence.size());
    std::string_view text = sentence.substr(0, end);
    sentence.remove_prefix(std::min(end + 1, sentence.size()));
    while (!text.empty() && kMarks.find(text.front()) != std::string_view::npos)
      text.remove_prefix(1);
    const auto last = text.find_last_not_of(kMarks);
    Word word{.text = text.substr(0, last == std::string_view::npos ? 0 : last + 1)};
    if (word.text.size() < text.size()) word.after = text[word.text.size()];
    word.is_capital = is_capital(word.text);
    words.push_back(word);
  }
  return words;
}

struct Mention {
  std::string name;
  std::size_t first = 0;  // Words.
  std::size_t end = 0;
};

// "don Quijote", "Sancho Panza": capitalised words side by side, with the title before them.
std::vector<Mention> mentions_in(const std::vector<Word>& words) {
  std::vector<Mention> mentions;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string title = lower_case(words[i].text);
    const bool is_title = title == "don" || title == "doña";
    Mention mention{.name = is_title ? title : "", .first = i, .end = i + (is_title ? 1 : 0)};
    while (mention.end < words.size() && words[mention.end].is_capital) {
      mention.name += (mention.name.empty() ? "" : " ") + std::string(words[mention.end].text);
      if (words[mention.end++].after != ' ') break;
    }
    if (mention.end == i + (is_title ? 1 : 0)) continue;
    i = mention.end - 1;
    mentions.push_back(std::move(mention));
  }
  return mentions;
}

// Names as they stand inside of sentences, where a capital is no accident.
std::map<std::string, int> count_names(const std::vector<std::string>& paragraphs) {
  std::map<std::string, int> counts;
  for (const std::string& paragraph : paragraphs) {
    const auto words = words_of(paragraph);
    for (const Mention& mention : mentions_in(words)) {
      if (mention.first == 0) continue;
      const Word& before = words[mention.first - 1];
      const bool goes_on = before.after == ' ' || before.after == ',';
      if (goes_on && !before.text.empty() && is_lower(before.text.back())) {
        ++counts[mention.name];
      }
    }
  }
  return counts;
}

// What the sentence says that the person did.
std::optional<std::string> question_by_verb(const std::vector<Word>& words,
                                            const Mention& mention) {
  constexpr auto kVerbs = std::to_array<std::string_view>(
      {"quería", "quiso", "deseaba", "pensaba", "pensó", "dijo", "respondió", "pidió", "mandó",
       "vio", "oyó", "hizo", "halló", "preguntó"});
  for (std::size_t i = mention.end; i < std::min(mention.end + 3, words.size()); ++i) {
    if (words[i].text == "era") return fmt::format("¿Quién era {}?", mention.name);
    if (std::ranges::count(kVerbs, words[i].text) > 0)
      return fmt::format("¿Qué {} {}?", words[i].text, mention.name);
  }
  return std::nullopt;
}

// The person a passage is about: named often in the book and within the first words.
std::optional<Mention> subject_of(const std::vector<Word>& words,
                                  const std::map<std::string, int>& names) {
  constexpr std::size_t kFirstWords = 8;
  constexpr int kOften = 12;
  constexpr auto kBeforePlaces =
      std::to_array<std::string_view>({"la", "el", "del", "al", "en", "por", "desde"});
  const auto is_known = [&](const std::string& name) {
    const auto count = names.find(name);
    return count != names.end() && count->second >= kOften;
  };
  for (Mention& mention : mentions_in(words)) {
    if (mention.first > kFirstWords) break;
    const bool is_place =
        mention.first > 0 && std::ranges::count(kBeforePlaces, words[mention.first - 1].text) > 0;
    // "Estaba Sancho Panza": the capital of a sentence's first word may be its own.
    const auto space = mention.name.find(' ');
    if (mention.first == 0 && !is_known(mention.name) && space != std::string::npos)
      mention.name.erase(0, space + 1);
    if (!is_place && is_known(mention.name)) return std::move(mention);
  }
  return std::nullopt;
}

class NovelQuestions {
 public:
  explicit NovelQuestions(std::map<std::string, int> names) : names_(std::move(names)) {}

  void add(const std::string& paragraph) {
    const auto sentences = sentences_of(paragraph, ".!?;");
    for (std::size_t i = 0; i < sentences.size();) {
      const auto words = words_of(sentences[i]);
      const auto subject = subject_of(words, names_);
      if (!subject) {
        ++i;
        continue;
      }
      std::string answer = take_sentences(sentences, i, kNovelAnswer);
      while (!answer.empty() && (answer.back() == ';' || answer.back() == ',')) answer.pop_back();
      // What ends with a colon announces a speech; what has a dash holds one.
      if (answer.size() < kShortestAnswer || answer.size() > kNovelAnswer) continue;
      if (answer.back() == ':' || answer.find("—") != std::string::npos) continue;
      if (answer.back() != '.' && answer.back() != '!' && answer.back() != '?') answer += '.';
      answer[0] = static_cast<char>(std::toupper(answer[0]));
      pairs_.push_back({question(words, *subject), std::move(answer)});
    }
  }
  std::vector<QuestionAndAnswer> take() { return std::move(pairs_); }

 private:
  // Where somebody first appears a story says who that is.
  std::string question(const std::vector<Word>& words, const Mention& subject) {
    constexpr std::array<const char*, 4> kOpen = {"¿Qué se cuenta de {}?", "Háblame de {}.",
                                                  "Cuéntame algo de {}.", "¿Qué le pasó a {}?"};
    if (++asked_[subject.name] <= 2) return fmt::format("¿Quién era {}?", subject.name);
    if (auto by_verb = question_by_verb(words, subject)) return *by_verb;
    return fmt::format(fmt::runtime(kOpen[pairs_.size() % kOpen.size()]), subject.name);
  }

  const std::map<std::string, int> names_;
  std::map<std::string, int> asked_;
  std::vector<QuestionAndAnswer> pairs_;
};

}  // namespace

std::vector<QuestionAndAnswer> ask_about_licence(std::string_view text, std::string_view name) {
  const std::string title = title_of(text, name);
  std::vector<QuestionAndAnswer> pairs;
  Section section;
  bool is_first = true;
  for (std::string& paragraph : paragraphs_of(text)) {
    if (open_section(paragraph, section)) is_first = true;
    if (section.number.empty() && section.heading.empty()) continue;
    const auto sentences = sentences_of(paragraph, ".");
    for (std::size_t i = 0; i < sentences.size();) {
      std::string answer = take_sentences(sentences, i, kLicenceAnswer);
      if (answer.size() < kShortestAnswer || answer.size() > kLicenceAnswer + 160) continue;
      if (!answer.ends_with('.')) continue;
      pairs.push_back({question_about(title, section, is_first), std::move(answer)});
      is_first = false;
    }
  }
  return pairs;
}

std::vector<QuestionAndAnswer> ask_about_functions(std::string_view python) {
  std::vector<QuestionAndAnswer> pairs;
  const auto lines = lines_of(python);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (!lines[i].starts_with("def ") || lines[i].starts_with("def _") || !lines[i].ends_with(':'))
      continue;
    std::string function(lines[i]);
    while (i + 1 < lines.size() && (trimmed(lines[i + 1]).empty() || lines[i + 1][0] == ' '))
      function.append("\n").append(lines[++i]);
    function.resize(function.find_last_not_of(kSpace) + 1);
    const std::string task = first_sentence_of_docstring(function);
    if (function.size() > kLongestFunction || task.size() < 12 || task.size() > 140) continue;
    pairs.push_back({question_for(task), fmt::format("```python\n{}\n```", function)});
  }
  return pairs;
}

std::vector<QuestionAndAnswer> ask_about_persons(std::string_view spanish) {
  const auto paragraphs = paragraphs_of(spanish);
  NovelQuestions questions(count_names(paragraphs));
  for (const std::string& paragraph : paragraphs) {
    const bool is_speech = paragraph.starts_with("—") || paragraph.starts_with('-');
    if (!is_speech) questions.add(paragraph);
  }
  return questions.take();
}

Json to_chat_record(const QuestionAndAnswer& pair, std::string_view source) {
  return {{"messages", Json::array({{{"role", "user"}, {"content", pair.question}},
                                    {{"role", "assistant"}, {"content", pair.answer}}})},
          {"source", source}};
}

}  // namespace panal::cli
