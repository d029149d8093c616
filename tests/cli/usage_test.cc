// A wrong command line is answered with the word that was wrong and what it could have been.
#include "cli/usage.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <CLI/CLI.hpp>

namespace panal::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

// "" when the words are accepted.
std::string told(const std::vector<std::string>& words) {
  CLI::App app("", "panal");
  app.require_subcommand(1);
  app.fallthrough();
  bool json = false;
  app.add_flag("--json", json);
  int last = 0;
  std::string model, state;
  std::vector<std::string> paths;
  CLI::App* models = app.add_subcommand("models");
  models->require_subcommand(1);
  models->add_subcommand("show")->add_option("model", model)->required();
  models->add_subcommand("promote")->add_option("--to", state)->required();
  CLI::App* jobs = app.add_subcommand("jobs");
  jobs->add_option("--last", last)->check(CLI::PositiveNumber);
  CLI::App* data = app.add_subcommand("data");
  data->add_option("--files", paths);
  data->add_flag("--quick", json);
  try {
    app.parse(std::vector<std::string>(words.rbegin(), words.rend()));
  } catch (const CLI::ParseError& error) {
    return usage_message(app, words, error);
  }
  return "";
}

TEST(Usage, NamesTheCommandThatIsNotThereAndTheNearestOne) {
  EXPECT_THAT(told({"modles"}),
              StartsWith("panal has no command \"modles\"; did you mean \"models\"?"));
  EXPECT_THAT(told({"--json", "modles", "show"}), HasSubstr("did you mean \"models\"?"));
  EXPECT_THAT(told({"models", "shwo", "x"}),
              StartsWith("panal models has no command \"shwo\"; did you mean \"show\"?"));
  EXPECT_THAT(told({"nothing"}), HasSubstr("; there are: models, jobs, data"));
}

TEST(Usage, NamesTheOptionThatIsNotThereAndTheNearestOne) {
  EXPECT_THAT(told({"jobs", "--lats", "3"}),
              StartsWith("panal jobs has no option \"--lats\"; did you mean \"--last\"?"));
  EXPECT_THAT(told({"jobs", "--lats=3"}), HasSubstr("did you mean \"--last\"?"));
  EXPECT_THAT(told({"jobs", "--last", "3", "--jsno"}), HasSubstr("did you mean \"--json\"?"));
}

TEST(Usage, TakesNoValueForAWrongWord) {
  EXPECT_EQ(told({"data", "--files", "a", "models", "--quick"}), "");
  EXPECT_THAT(told({"data", "--files", "a", "b", "--quikc"}), HasSubstr("\"--quikc\""));
  EXPECT_THAT(told({"jobs", "--last", "modles"}), HasSubstr("--last"));
  EXPECT_THAT(told({"models", "show", "modles", "--jsno"}), HasSubstr("\"--jsno\""));
}

TEST(Usage, SaysWhatIsMissing) {
  EXPECT_THAT(told({}), StartsWith("panal needs a command: models, jobs, data"));
  EXPECT_THAT(told({"models"}), StartsWith("panal models needs a command: show, promote"));
  EXPECT_THAT(told({"models", "promote"}), StartsWith("panal models promote: --to is required"));
  EXPECT_THAT(told({"jobs", "extra"}), StartsWith("panal jobs does not take \"extra\""));
}

TEST(Usage, EndsWithWhereToReadMore) {
  EXPECT_THAT(told({"models", "shwo"}), HasSubstr("\npanal models --help tells what it takes"));
}

TEST(Usage, AcceptsWhatTheProgramAccepts) {
  EXPECT_EQ(told({"jobs", "--last", "3", "--json"}), "");
}

}  // namespace
}  // namespace panal::cli
