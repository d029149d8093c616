// A home of a test's own with a catalogue in it, a clock that stands still, and models made of a
// few bytes.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "base/clock.h"
#include "registry/catalogue.h"
#include "tests/store/temporary_folder.h"

namespace panal::registry {

class CatalogueTest : public ::testing::Test {
 protected:
  void SetUp() override { reopen(); }

  void reopen() {
    catalogue.reset();
    home = store::open_home(store::posix_file_system(), folder / "home").value();
    auto opened = Catalogue::open(store::posix_file_system(), home, clock);
    ASSERT_TRUE(opened.ok()) << opened.status().message();
    catalogue = std::move(opened).value();
  }

  /// A model of two files; `content` makes its bytes differ from others.
  NewModel new_model(const std::string& name, const std::string& content = "weights") {
    NewModel model{.kind = ModelKind::kBase, .name = name};
    model.files["model.gguf"] = test::write_plain(folder / "weights-source", content);
    model.files["config.json"] = test::write_plain(folder / "config-source", "{}");
    return model;
  }
  ModelVersion add(const std::string& name, const std::string& content = "weights") {
    return catalogue->add_model(new_model(name, content)).value();
  }
  ModelVersion add_adapter(const std::string& name, const std::string& parent = "") {
    NewModel model = new_model(name, "adapter " + name);
    model.kind = ModelKind::kAdapter;
    model.lineage.parent = parent;
    return catalogue->add_model(model).value();
  }
  void pass_check(const ModelVersion& model) {
    ASSERT_TRUE(
        catalogue->record_evaluation(model.id, {.check = "loads", .metric = "ok", .passed = true})
            .ok());
  }
  /// Takes a new version to ready or preferred.
  ModelVersion add_in_state(const std::string& name, Lifecycle state) {
    const ModelVersion made = add(name);
    pass_check(made);
    ModelVersion model = catalogue->move_model(made.id, Lifecycle::kReady, "test").value();
    if (state == Lifecycle::kPreferred) {
      model = catalogue->move_model(made.id, Lifecycle::kPreferred, "test").value();
    }
    return model;
  }
  Lifecycle state_of(const ModelVersion& model) {
    return catalogue->find_model(model.id).value().state;
  }

  test::TemporaryFolder folder;
  ManualClock clock;
  store::Home home;
  std::unique_ptr<Catalogue> catalogue;
};

}  // namespace panal::registry
