#include "base/html.h"

#include <gtest/gtest.h>

namespace panal {
namespace {

TEST(Html, EscapesWhatEndsTextOrAttributesAndKeepsTheRest) {
  EXPECT_EQ(escaped_html("<a href=\"x\" title='y'>1 & 2</a>"),
            "&lt;a href=&#34;x&#34; title=&#39;y&#39;&gt;1 &amp; 2&lt;/a&gt;");
  EXPECT_EQ(escaped_html("día\n\t&amp;"), "día\n\t&amp;amp;");
  EXPECT_EQ(escaped_html(""), "");
}

}  // namespace
}  // namespace panal
