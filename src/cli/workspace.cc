#include "cli/workspace.h"

#include <fmt/format.h>

#include <variant>

#include "store/home.h"

namespace panal::cli {
namespace {

std::string shown(const std::optional<double>& figure, int digits) {
  return figure ? fmt::format("{:.{}f}", *figure, digits) : "unknown";
}

// What a terminal does with each kind of event.
struct Showing {
  const std::string& activity;
  Terminal& terminal;

  void operator()(const work::JobMessage& message) const { terminal.note(message.text); }
  void operator()(const work::JobSample& sample) const {
    terminal.note(fmt::format("sample: {}", sample.text));
  }
  void operator()(const work::JobAdvance& advance) const {
    terminal.progress(advance.fraction, activity);
  }
  void operator()(const work::TrainingProgress& at) const {
    const bool has_end = at.steps > 0;
    terminal.progress(
        has_end ? static_cast<double>(at.step) / static_cast<double>(at.steps) : -1,
        fmt::format("{}  step {}{}  loss {}  {} tokens/s  {} s left", activity, at.step,
                    has_end ? fmt::format("/{}", at.steps) : "", shown(at.loss, 3),
                    shown(at.tokens_per_s, 0), shown(at.seconds_left, 0)));
  }
  void operator()(const work::EvaluationPoint& look) const {
    std::string line = fmt::format("step {}: held-out loss {:.3f}, perplexity {}", look.step,
                                   look.loss, shown(look.perplexity, 2));
    for (const auto& [name, task] : look.tasks)
      line += fmt::format(", {} acc {:.3f}", name, task.acc);
    terminal.note(line);
  }
  // What a person need not see, and the end, which comes as the call's result.
  void operator()(const auto&) const {}
};

}  // namespace

void show_event(const hub::Event& event, Terminal& terminal) {
  std::visit(Showing{event.activity, terminal}, event.what);
}

Result<hub::Hive*> Workspace::hive() {
  if (!hive_) {
    PANAL_ASSIGN(const store::Home home, store::open_home());
    PANAL_ASSIGN(hive_, hub::Hive::open(home, clock_, runner_));
  }
  return hive_.get();
}

hub::Watch Workspace::watch() {
  return {.on_event = [this](const hub::Event& event) { show_event(event, terminal_); },
          .stop = stop_};
}

Result<registry::Catalogue*> Workspace::catalogue() {
  PANAL_ASSIGN(hub::Hive * hive, this->hive());
  return &hive->catalogue();
}

}  // namespace panal::cli
