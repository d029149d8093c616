// All words here are folded: lower case, no accents. Spanish orders are listed without their
// pronouns; "explicame", "dime", "traduceselo" are reached by cutting those.
#include "orchestrator/detail/task_words.h"

#include <algorithm>
#include <initializer_list>
#include <set>

#include "orchestrator/detail/request_text.h"

namespace panal::orchestrator::detail {
namespace {

using WordSet = std::set<std::string, std::less<>>;

// Verbs that are hardly ever nouns: enough by themselves after "and".
const WordSet kClearVerbs = {
    "translate",  "explain",   "summarize", "summarise",  "describe",   "write",      "define",
    "calculate",  "compute",   "rewrite",   "tell",       "give",       "create",     "generate",
    "convert",    "implement", "analyze",   "analyse",    "paraphrase", "suggest",    "recommend",
    "identify",   "compose",   "solve",     "classify",   "extract",    "simplify",   "prove",
    "show",       "traduce",   "traduzca",  "traducir",   "explica",    "explique",   "explicar",
    "resume",     "resuma",    "resumir",   "describe",   "describa",   "describir",  "escribe",
    "escriba",    "escribir",  "define",    "defina",     "calcula",    "calcule",    "calcular",
    "reescribe",  "di",        "diga",      "dime",       "decir",      "da",         "dame",
    "crea",       "genera",    "convierte", "implementa", "analiza",    "sugiere",    "recomienda",
    "identifica", "compon",    "resuelve",  "clasifica",  "extrae",     "simplifica", "muestra",
    "enumera",    "redacta",   "redacte",   "redactar",   "cuenta",     "cuentame",   "corrige",
    "indica",     "inventa",   "demuestra"};
// Verbs that may be nouns or plain words: an order only at the start, or before a determiner.
const WordSet kDoubtfulVerbs = {
    "list",    "name",      "compare",   "fix",       "correct",  "code",     "draft",
    "outline", "sketch",    "review",    "check",     "plan",     "design",   "find",
    "sort",    "count",     "draw",      "plot",      "report",   "read",     "make",
    "help",    "add",       "remove",    "replace",   "print",    "complete", "continue",
    "finish",  "debug",     "refactor",  "document",  "test",     "build",    "discuss",
    "answer",  "mention",   "estimate",  "state",     "expand",   "shorten",  "format",
    "spell",   "pick",      "choose",    "contrast",  "evaluate", "lista",    "nombra",
    "compara", "compare",   "revisa",    "comprueba", "planea",   "disena",   "busca",
    "ordena",  "dibuja",    "completa",  "continua",  "termina",  "haz",      "ayuda",
    "anade",   "quita",     "programa",  "responde",  "menciona", "pon",      "elige",
    "evalua",  "contrasta", "documenta", "lee"};
const WordSet kDeterminers = {
    "the",  "a",      "an",    "this",    "that",  "these", "those", "my",    "your", "its",
    "his",  "her",    "our",   "their",   "all",   "some",  "every", "each",  "any",  "one",
    "two",  "three",  "four",  "five",    "ten",   "me",    "us",    "it",    "them", "how",
    "what", "why",    "which", "whether", "el",    "la",    "los",   "las",   "un",   "una",
    "unos", "unas",   "este",  "esta",    "estos", "estas", "ese",   "esa",   "esto", "eso",
    "mi",   "mis",    "su",    "sus",     "tu",    "todo",  "todos", "todas", "cada", "tres",
    "dos",  "cuatro", "cinco", "diez",    "como",  "que",   "cual",  "por",   "al"};
const WordSet kQuestionWords = {"what", "who", "whom", "whose", "where",
                                "when", "why", "how",  "which"};
const WordSet kAuxiliaries = {"is",  "are",   "was",  "were",  "do",     "does",  "did",
                              "can", "could", "will", "would", "should", "has",   "have",
                              "had", "may",   "must", "many",  "much",   "wrote", "invented"};
const WordSet kInstructionVerbs = {"be",       "use",   "keep",   "reply",   "respond", "avoid",
                                   "don't",    "dont",  "never",  "always",  "limit",   "usa",
                                   "use",      "evita", "manten", "se",      "sea",     "contesta",
                                   "conteste", "no",    "nunca",  "siempre", "emplea",  "limita"};
const WordSet kCourtesies = {"hi",      "hello",   "hey",    "hola",      "thanks",
                             "gracias", "thank",   "please", "greetings", "buenos",
                             "buenas",  "saludos", "cheers"};
const WordSet kStrongJoiners = {"then",    "also",     "additionally", "moreover",   "furthermore",
                                "finally", "lastly",   "next",         "afterwards", "besides",
                                "plus",    "secondly", "thirdly",      "luego",      "despues",
                                "ademas",  "tambien",  "finalmente",   "asimismo",   "igualmente"};
const WordSet kPlainJoiners = {"and",   "y",       "e",       "first",   "firstly", "second",
                               "third", "primero", "segundo", "tercero", "but",     "pero",
                               "now",   "ahora",   "so",      "well",    "ok",      "okay",
                               "bueno", "bien",    "just"};

bool has(const WordSet& set, std::string_view word) { return set.find(word) != set.end(); }

/// "explicamelo" -> "explica": an order with its pronouns cut off, when what is left is a known
/// verb.
bool is_spanish_verb_with_pronouns(std::string_view word, const WordSet& verbs) {
  static constexpr std::string_view kPronouns[] = {"melo", "mela", "selo", "sela", "me",  "lo",
                                                   "la",   "los",  "las",  "le",   "les", "nos"};
  return std::ranges::any_of(kPronouns, [&](std::string_view pronoun) {
    return word.size() > pronoun.size() + 1 && word.ends_with(pronoun) &&
           has(verbs, word.substr(0, word.size() - pronoun.size()));
  });
}

bool is_clear_verb(std::string_view word) {
  return has(kClearVerbs, word) || is_spanish_verb_with_pronouns(word, kClearVerbs);
}
bool is_doubtful_verb(std::string_view word) {
  return has(kDoubtfulVerbs, word) || is_spanish_verb_with_pronouns(word, kDoubtfulVerbs);
}

bool starts_with_words(const std::vector<std::string>& words, std::size_t from,
                       const std::vector<std::string>& wanted) {
  return from + wanted.size() <= words.size() &&
         std::equal(wanted.begin(), wanted.end(),
                    words.begin() + static_cast<std::ptrdiff_t>(from));
}

/// How many words at the start only ask politely: "could you please", "quiero que", "podrias".
std::size_t num_polite_words(const std::vector<std::string>& words) {
  static const std::vector<std::vector<std::string>> kPolite = {{"please"},
                                                                {"kindly"},
                                                                {"can", "you"},
                                                                {"could", "you"},
                                                                {"would", "you"},
                                                                {"will", "you"},
                                                                {"i", "want", "you", "to"},
                                                                {"i", "need", "you", "to"},
                                                                {"i", "would", "like", "you", "to"},
                                                                {"i'd", "like", "you", "to"},
                                                                {"i", "want", "to"},
                                                                {"help", "me"},
                                                                {"let", "us"},
                                                                {"let's"},
                                                                {"por", "favor"},
                                                                {"puedes"},
                                                                {"podrias"},
                                                                {"puede"},
                                                                {"podria"},
                                                                {"quiero", "que"},
                                                                {"necesito", "que"},
                                                                {"me", "puedes"},
                                                                {"me", "podrias"},
                                                                {"quisiera", "que"}};
  std::size_t num_words = 0;
  for (bool found = true; found;) {
    found = false;
    for (const auto& phrase : kPolite) {
      if (!starts_with_words(words, num_words, phrase)) continue;
      num_words += phrase.size();
      found = true;
      break;
    }
  }
  return num_words;
}

/// A list mark at the start: "- ", "* ", "• ", "2. ", "2) ", "(2) ", "b) ". Its length, or 0.
std::size_t list_mark_bytes(std::string_view text) {
  static constexpr std::string_view kBullets[] = {"- ", "* ", "+ ", "\xE2\x80\xA2 ",
                                                  "\xE2\x80\xA2"};
  for (const std::string_view bullet : kBullets) {
    if (text.starts_with(bullet)) return bullet.size();
  }
  std::size_t i = text.starts_with("(") ? 1 : 0;
  const std::size_t number = i;
  while (i < text.size() && i < number + 2 && text[i] >= '0' && text[i] <= '9') ++i;
  const bool is_letter =
      i == number && i + 1 < text.size() && text[i] >= 'a' && text[i] <= 'h' && text[i + 1] == ')';
  if (is_letter) ++i;
  if (i == number || i + 1 >= text.size()) return 0;
  if (text[i] != '.' && text[i] != ')') return 0;
  return text[i + 1] == ' ' ? i + 2 : 0;
}

struct Joiner {
  std::size_t bytes = 0;
  bool is_strong = false;
};

Joiner joiner_of(std::string_view clause) {
  Joiner joiner;
  while (joiner.bytes < clause.size()) {
    const std::string_view rest = clause.substr(joiner.bytes);
    if (rest.front() == ' ' || rest.front() == ',' || rest.front() == ';' || rest.front() == '\n' ||
        rest.front() == '\r' || rest.front() == '\t') {
      ++joiner.bytes;
      continue;
    }
    if (const std::size_t mark = list_mark_bytes(rest); mark > 0) {
      joiner.bytes += mark;
      continue;
    }
    std::size_t word_bytes = rest.find_first_of(" ,;:\t\r\n.?!");
    if (word_bytes == std::string_view::npos) break;
    const std::string word = fold(rest.substr(0, word_bytes));
    static constexpr std::string_view kPhrases[] = {
        "after that",     "in addition",      "as well as",    "por ultimo",
        "a continuacion", "en segundo lugar", "on top of that"};
    const std::string folded = fold(rest.substr(0, 40));
    const auto phrase =
        std::ranges::find_if(kPhrases, [&](auto p) { return folded.starts_with(p); });
    if (phrase != std::end(kPhrases)) {
      // Accents are two bytes in the original: walk as many words as the phrase has.
      for (auto n = std::ranges::count(*phrase, ' '); n > 0; --n) {
        word_bytes = rest.find_first_of(" ,;:\t\r\n.?!", word_bytes + 1);
        if (word_bytes == std::string_view::npos) return joiner;
      }
      joiner = {.bytes = joiner.bytes + word_bytes, .is_strong = true};
    } else if (has(kStrongJoiners, word)) {
      joiner = {.bytes = joiner.bytes + word_bytes, .is_strong = true};
    } else if (has(kPlainJoiners, word)) {
      joiner.bytes += word_bytes;
    } else {
      break;
    }
  }
  return joiner;
}

bool contains_any(std::string_view folded_words, std::initializer_list<std::string_view> phrases) {
  return std::ranges::any_of(phrases, [&](std::string_view phrase) {
    return folded_words.find(phrase) != std::string_view::npos;
  });
}

/// " this text is mine ": words between single blanks, so that phrases can be searched whole.
std::string spaced(std::string_view clause) {
  std::string text = " ";
  for (const std::string& word : words_of(clause)) text += word + " ";
  return text;
}

}  // namespace

std::size_t joining_prefix_bytes(std::string_view clause) { return joiner_of(clause).bytes; }
bool has_strong_joiner(std::string_view clause) { return joiner_of(clause).is_strong; }

ClauseKind kind_of_clause(std::string_view clause) {
  const std::string_view body = trim(clause.substr(joining_prefix_bytes(clause)));
  const std::vector<std::string> words = words_of(body);
  const std::size_t polite = num_polite_words(words);
  if (polite >= words.size()) return ClauseKind::kRemark;
  const std::string& first = words[polite];
  // "Answer in Spanish", "Write in simple words", "Responde en una frase": how, not what.
  const bool is_about_manner = (first == "answer" || first == "responde" || first == "write" ||
                                first == "escribe" || first == "explain") &&
                               polite + 1 < words.size() &&
                               (words[polite + 1] == "in" || words[polite + 1] == "en");
  if (is_about_manner && words.size() - polite <= 8) return ClauseKind::kInstruction;
  if (is_clear_verb(first)) return ClauseKind::kOrder;
  if (is_doubtful_verb(first)) {
    const bool has_object = polite + 1 < words.size();
    return has_object ? ClauseKind::kOrder : ClauseKind::kRemark;
  }
  const bool ends_as_question =
      body.ends_with('?') || body.ends_with("?\"") || body.ends_with("?)");
  if (ends_as_question || body.starts_with("\xC2\xBF")) return ClauseKind::kQuestion;
  if (has(kQuestionWords, first) && polite + 1 < words.size() &&
      has(kAuxiliaries, words[polite + 1])) {
    return ClauseKind::kQuestion;
  }
  if (has(kInstructionVerbs, first) && words.size() - polite <= 12) return ClauseKind::kInstruction;
  return ClauseKind::kRemark;
}

bool begins_second_task(std::string_view left, std::string_view right, bool is_strong) {
  const std::vector<std::string> words = words_of(right);
  const std::size_t polite = num_polite_words(words);
  if (polite >= words.size() || words.size() - polite < 2) return false;
  const std::string& verb = words[polite];
  const std::string& next = words[polite + 1];
  const bool is_question =
      (has(kQuestionWords, verb) && has(kAuxiliaries, next)) || trim(right).starts_with("\xC2\xBF");
  const bool is_order =
      is_clear_verb(verb) || (is_doubtful_verb(verb) && (is_strong || has(kDeterminers, next)));
  if (!is_question && !is_order) return false;
  if (is_strong || polite > 0) return true;

  // After a plain "and" the verb may belong to the clause before it: "how to read and write a
  // file".
  const std::vector<std::string> before = words_of(left);
  static const WordSet kGovernors = {"to",    "can", "could",  "should", "must", "will", "would",
                                     "may",   "i",   "you",    "we",     "they", "not",  "que",
                                     "quien", "who", "cannot", "let",    "me",   "both"};
  if (before.size() >= 2 && has(kGovernors, before[before.size() - 2]) &&
      before[before.size() - 2] != "me")
    return false;
  static const WordSet kPlainVerbs = {"read",  "open",    "load",    "parse", "save", "send",
                                      "print", "store",   "receive", "lee",   "abre", "guarda",
                                      "envia", "imprime", "recibe",  "carga"};
  if (!before.empty() && (has(kPlainVerbs, before.back()) || is_clear_verb(before.back())))
    return false;
  // An infinitive with its object: "a function to parse JSON and write it". "to" before a language
  // is no verb.
  static const WordSet kAfterTo = {
      "the",      "a",      "an",     "this",    "that",       "my",       "english",
      "spanish",  "french", "german", "italian", "portuguese", "latin",    "chinese",
      "japanese", "me",     "him",    "her",     "us",         "them",     "it",
      "celsius",  "json",   "python", "c",       "csv",        "markdown", "metric"};
  for (std::size_t i = 0; i + 1 < before.size(); ++i) {
    if (before[i] == "to" && !has(kAfterTo, before[i + 1])) return false;
    const bool is_relative = before[i] == "que" || before[i] == "which";
    if (is_relative && i > 0 && !is_clear_verb(before[i - 1])) return false;
    if (before[i] == "that" && has(kPlainVerbs, before[i + 1])) return false;
  }
  return true;
}

bool refers_to_given_text(std::string_view clause) {
  return contains_any(spaced(clause), {" this text ",      " this code ",
                                       " this function ",  " this paragraph ",
                                       " this sentence ",  " this passage ",
                                       " this program ",   " this snippet ",
                                       " this poem ",      " this quote ",
                                       " this article ",   " this email ",
                                       " this script ",    " this class ",
                                       " this document ",  " this clause ",
                                       " this letter ",    " this contract ",
                                       " the text ",       " the code ",
                                       " the function ",   " the paragraph ",
                                       " the sentence ",   " the passage ",
                                       " the program ",    " the snippet ",
                                       " the quote ",      " the article ",
                                       " the script ",     " above ",
                                       " below ",          " following ",
                                       " this ",           " it ",
                                       " este texto ",     " este codigo ",
                                       " esta funcion ",   " este parrafo ",
                                       " esta frase ",     " este programa ",
                                       " este poema ",     " este articulo ",
                                       " esta clausula ",  " el texto ",
                                       " el codigo ",      " la funcion ",
                                       " el parrafo ",     " la frase ",
                                       " el programa ",    " siguiente ",
                                       " anterior ",       " esto ",
                                       " este fragmento ", " el fragmento "});
}

bool refers_to_an_answer(std::string_view clause) {
  // "... and give an example": of what was just explained, unless it says of what.
  const std::string text = spaced(clause);
  if (contains_any(text, {" example ", " examples ", " ejemplo ", " ejemplos "}) &&
      !contains_any(text, {" of ", " de ", " for ", " para "})) {
    return words_of(clause).size() <= 6;
  }
  return contains_any(spaced(clause), {" the result ",
                                       " the results ",
                                       " the answer ",
                                       " the answers ",
                                       " your answer ",
                                       " the translation ",
                                       " your translation ",
                                       " the summary ",
                                       " your summary ",
                                       " that summary ",
                                       " that translation ",
                                       " the output ",
                                       " the same ",
                                       " both ",
                                       " the explanation ",
                                       " el resultado ",
                                       " los resultados ",
                                       " la respuesta ",
                                       " la traduccion ",
                                       " el resumen ",
                                       " tu respuesta ",
                                       " tu traduccion ",
                                       " lo mismo ",
                                       " ambos ",
                                       " ambas ",
                                       " ese resumen ",
                                       " esa traduccion "});
}

bool has_back_pointing_pronoun(std::string_view clause) {
  const std::string text = spaced(clause);
  if (contains_any(
          text,
          {" it ",          " its ",        " they ",       " them ",         " their ",
           " which one ",   " the former ", " the latter ", " he ",           " she ",
           " him ",         " his ",        " her ",        " ello ",         " ellos ",
           " ellas ",       " cual de ",    " el primero ", " el segundo ",   " that one ",
           " it's ",        " la misma ",   " el mismo ",   " otro ejemplo ", " another example ",
           " another one ", " instead "})) {
    return true;
  }
  // "traducelo", "explicala": the pronoun is part of the order.
  const std::vector<std::string> words = words_of(clause.substr(joining_prefix_bytes(clause)));
  if (words.empty()) return false;
  const std::string& verb = words[std::min(num_polite_words(words), words.size() - 1)];
  return std::ranges::any_of(
      std::initializer_list<std::string_view>{"lo", "la", "los", "las"}, [&](auto pronoun) {
        if (!verb.ends_with(pronoun) || verb.size() < pronoun.size() + 3 || has(kClearVerbs, verb))
          return false;
        const std::string_view stem =
            std::string_view(verb).substr(0, verb.size() - pronoun.size());
        return is_clear_verb(stem) || is_doubtful_verb(stem);
      });
}

bool is_list_frame(std::string_view clause) {
  const std::string text = spaced(clause);
  return words_of(clause).size() <= 10 && trim(clause).ends_with(':') &&
         contains_any(
             text, {" following ", " these ", " questions ", " tasks ", " things ", " siguiente ",
                    " siguientes ", " estas ", " preguntas ", " tareas ", " cosas "});
}

bool is_courtesy(std::string_view clause) {
  const std::vector<std::string> words = words_of(clause);
  return !words.empty() && words.size() <= 4 && has(kCourtesies, words.front());
}

}  // namespace panal::orchestrator::detail
