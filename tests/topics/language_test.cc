#include "topics/language.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "tests/store/temporary_folder.h"

namespace panal::topics {
namespace {

constexpr std::string_view kPython = R"(import os

def parse_date(text):
    """Returns the date in text."""
    year, month = text.split("-")[:2]
    if not year:
        raise ValueError("no year")
    return Date(int(year), int(month))
)";

const LanguageDetector& detector() {
  static const LanguageDetector opened = std::move(LanguageDetector::open()).value();
  return opened;
}

TEST(LanguageDetector, TellsNaturalLanguagesApart) {
  const std::pair<const char*, const char*> samples[] = {
      {"en",
       "The committee has decided that the report will be published next week, after the members "
       "have read it."},
      {"es",
       "El comité ha decidido que el informe se publicará la próxima semana, cuando los miembros "
       "lo hayan leído."},
      {"fr",
       "Le comité a décidé que le rapport sera publié la semaine prochaine, quand les membres "
       "l'auront lu."},
      {"de",
       "Der Ausschuss hat beschlossen, dass der Bericht nächste Woche erscheint, wenn ihn alle "
       "gelesen haben."},
      {"it",
       "Il comitato ha deciso che la relazione sarà pubblicata la prossima settimana, quando tutti "
       "l'avranno letta."},
      {"pt",
       "O comitê decidiu que o relatório será publicado na próxima semana, quando os membros o "
       "tiverem lido."},
      {"nl",
       "De commissie heeft besloten dat het rapport volgende week wordt gepubliceerd, als de leden "
       "het hebben gelezen."},
      {"ru",
       "Комитет решил, что доклад будет опубликован на следующей неделе, когда его прочитают все "
       "члены."},
      {"el", "Η επιτροπή αποφάσισε ότι η έκθεση θα δημοσιευθεί την επόμενη εβδομάδα."},
      {"ja", "委員会は来週報告書を公開することを決めました。"},
      {"zh", "委员会决定下周发表这份报告。"},
      {"ko", "위원회는 다음 주에 보고서를 발표하기로 결정했습니다."},
  };
  for (const auto& [language, text] : samples)
    EXPECT_EQ(detector().detect(text).language, language) << text;
}

TEST(LanguageDetector, KnowsProgramsFromProse) {
  EXPECT_EQ(detector().detect(kPython).language, "code:python");
  EXPECT_EQ(
      detector()
          .detect("#include <stdio.h>\nint main(void) {\n  printf(\"%d\\n\", 1);\n  return 0;\n}\n")
          .language,
      "code:c");
  EXPECT_EQ(
      detector()
          .detect(
              "const add = (a, b) => {\n  return a === b ? a : b;\n};\nconsole.log(add(1, 2));\n")
          .language,
      "code:javascript");
  EXPECT_LT(
      detector().detect("If you return the form (see below), we will refund you; else not.").code,
      0.3);
}

TEST(LanguageDetector, AnswersForTextThatSaysNothing) {
  for (const char* text : {"", "   \n", "12345 67", "!!!"}) {
    EXPECT_EQ(detector().detect(text).language, "und") << '"' << text << '"';
  }
}

TEST(LanguageDetector, NamesTheFolderThatIsMissing) {
  const auto missing = LanguageDetector::open("/nowhere/tables");
  EXPECT_EQ(missing.code(), Code::kNotFound);
  EXPECT_THAT(missing.status().message(), testing::HasSubstr("/nowhere/tables"));
  test::TemporaryFolder folder;
  test::write_plain(folder.path() / "fpdb.conf", "missing.lm  xx--utf8\n");
  EXPECT_EQ(LanguageDetector::open(folder.path()).code(), Code::kCorrupt);
}

TEST(LanguageDetector, GivesEveryThreadTheSameAnswer) {
  const std::string text = "Vostè sap que aquest text és en català.";
  const LanguageGuess expected = detector().detect(text);
  std::vector<LanguageGuess> answers(4);
  {
    std::vector<std::jthread> threads;
    for (auto& answer : answers) {
      threads.emplace_back([&answer, &text] {
        for (int i = 0; i < 50; ++i) answer = detector().detect(text);
      });
    }
  }
  for (const LanguageGuess& answer : answers) EXPECT_EQ(answer, expected);
}

TEST(ShortTexts, TellTheirLanguageByLittleWords) {
  const std::pair<const char*, const char*> samples[] = {{"es", "¿Quién era Sancho Panza?"},
                                                         {"en", "What is the capital of France?"},
                                                         {"es", "¿Madrid?"},
                                                         {"de", "Wer war das und warum?"},
                                                         {"fr", "Qui était-il et pourquoi ?"},
                                                         {"und", "Kubernetes"}};
  for (const auto& [language, text] : samples) {
    EXPECT_EQ(guess_short_text_language(text).language, language) << text;
  }
}

TEST(LanguageTitle, IsForPeople) {
  EXPECT_EQ(language_title("es"), "Spanish");
  EXPECT_EQ(language_title("code:cpp"), "C++");
  EXPECT_EQ(language_title("xx"), "xx");
}

}  // namespace
}  // namespace panal::topics
