// Many matrices at once end where one after the other does, however they are cut into groups.
#include "optim/detail/orthogonal_rule.h"

#include <gtest/gtest.h>
#include <torch/types.h>

#include <memory>
#include <string>
#include <vector>

#include "tensor/step_sizes.h"

namespace panal::optim::detail {
namespace {

struct Pupil {
  at::Tensor value{};
  std::unique_ptr<UpdateRule> rule{};
};

// Three of a shape that fits twice, one of another shape between them.
std::vector<Pupil> make_pupils() {
  at::manual_seed(5);
  const std::int64_t columns = tensor::kElementsTogether / 2 / 4;
  std::vector<Pupil> pupils;
  for (const std::int64_t rows : {4, 3, 4, 4}) {
    Pupil pupil{.value = at::randn({rows, columns}).mul_(0.1)};
    const std::string name = "layers." + std::to_string(pupils.size()) + ".up_proj.weight";
    pupil.rule = make_muon({.muon = {.newton_schulz_steps = 2}}, {name, {pupil.value}});
    pupils.push_back(std::move(pupil));
  }
  return pupils;
}

TEST(UpdateOrthogonal, EqualsOneAfterTheOtherInGroupsAndKinds) {
  const auto one_by_one = make_pupils(), together = make_pupils();
  std::vector<OrthogonalUpdate> updates;
  for (std::size_t i = 0; i < together.size(); ++i) {
    const at::Tensor gradient = at::randn(together[i].value.sizes());
    one_by_one[i].rule->update(gradient, {});
    updates.push_back({together[i].rule->orthogonal(), gradient});
  }
  Waiting waiting;
  Now now;
  now.waiting = &waiting;
  update_orthogonal(updates, now);
  EXPECT_TRUE(waiting.changes.empty());
  for (std::size_t i = 0; i < together.size(); ++i) {
    EXPECT_TRUE(together[i].value.equal(one_by_one[i].value)) << "parameter " << i;
  }
}

}  // namespace
}  // namespace panal::optim::detail
