// Pages are filled as their tags say, and what comes from outside cannot become HTML.
#include "report/detail/template.h"

#include <gtest/gtest.h>

namespace panal::report::detail {
namespace {

TEST(Template, EscapesValuesUnlessTheyAreHtml) {
  const Json values = {{"name", "<b>&\"x\""}, {"svg", "<svg/>"}, {"count", 3}};
  EXPECT_EQ(filled("{{name}} {{{svg}}} {{count}}", values), "&lt;b&gt;&amp;&#34;x&#34; <svg/> 3");
}

TEST(Template, RepeatsASectionForEachElement) {
  const Json values = {
      {"rows", {{{"name", "a"}, {"cells", {1, 2}}}, {{"name", "b"}, {"cells", Json::array()}}}}};
  EXPECT_EQ(filled("{{#rows}}{{name}}:{{#cells}}[{{.}}]{{/cells}};{{/rows}}", values),
            "a:[1][2];b:;");
}

TEST(Template, LeavesASectionOutForFalseAndEmpty) {
  const std::string page = "{{#is_wide}}wide {{/is_wide}}{{#note}}({{note}}){{/note}}";
  EXPECT_EQ(filled(page, {{"is_wide", true}, {"note", "x"}}), "wide (x)");
  EXPECT_EQ(filled(page, {{"is_wide", false}, {"note", ""}}), "");
}

TEST(Template, LooksForANameInTheSectionsAround) {
  EXPECT_EQ(filled("{{#rows}}{{.}}{{colour}}{{/rows}}", {{"colour", 7}, {"rows", {1, 2}}}), "1727");
  EXPECT_EQ(filled("{{#a}}{{#a}}{{x}}{{/a}}{{/a}}", {{"a", {{{"x", 1}, {"a", {{{"x", 2}}}}}}}}),
            "2");
}

TEST(Template, LeavesNoLineForATagThatStandsAlone) {
  EXPECT_EQ(filled("<ul>\n{{#rows}}\n<li>{{.}}</li>\n{{/rows}}\n</ul>\n", {{"rows", {1, 2}}}),
            "<ul>\n<li>1</li>\n<li>2</li>\n</ul>\n");
}

TEST(TemplateDeathTest, AbortsOnAPageThatAsksForWhatIsNotThere) {
  EXPECT_DEATH(filled("{{name}}", Json::object()), "name");
  EXPECT_DEATH(filled("{{#rows}}", {{"rows", true}}), "without its end");
}

}  // namespace
}  // namespace panal::report::detail
