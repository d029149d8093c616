// What clients may write into "model".
#include "hub/endpoint_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace panal::hub {
namespace {

using ::testing::ElementsAre;

EndpointTable table_of(const std::string& name, const std::string& core,
                       const std::vector<std::string>& experts) {
  auto served = std::make_shared<ServedEndpoint>();
  served->is_default = true;
  served->endpoint.name = name;
  served->endpoint.core = core;
  for (const auto& expert : experts) {
    served->endpoint.experts.push_back(
        {.name = expert, .label = expert, .partition = "", .version = ""});
  }
  return EndpointTable({served});
}

std::vector<std::string> listed(const EndpointTable& table) {
  std::vector<std::string> ids;
  for (const ModelEntry& entry : table.models()) ids.push_back(entry.id);
  return ids;
}

// Clients that take the first of what is listed, or want it to be one, see the model as it is.
TEST(EndpointTable, OneModelAloneIsListedOnceAndAnswersToAuto) {
  const EndpointTable table = table_of("bee", "bee", {});
  EXPECT_THAT(listed(table), ElementsAre("bee"));
  for (const char* model : {"auto", "bee", ""}) EXPECT_TRUE(table.find(model).ok()) << model;
}

TEST(EndpointTable, ListsAutoWhereItHasSomethingToChoose) {
  EXPECT_THAT(listed(table_of("home", "bee", {})), ElementsAre("auto", "home", "bee"));
  EXPECT_THAT(listed(table_of("team/wax", "core", {"team/wax"})),
              ElementsAre("auto", "team/wax", "core"));
}

}  // namespace
}  // namespace panal::hub
