#include "work/job_event.h"

#include <array>

#include "work/detail/describe.h"
#include "work/detail/describe_training.h"

namespace panal::work {
namespace {

// The names of the alternatives of JobEvent, in their order.
constexpr std::array<std::string_view, 10> kNames = {
    "message",    "text",       "sample", "advance", "progress",
    "evaluation", "checkpoint", "ready",  "result",  "error"};
static_assert(kNames.size() == std::variant_size_v<decltype(JobEvent::event)>);

}  // namespace

template <typename Members>
void describe(Members& members, detail::Is<JobMessage> auto& self) {
  members.required("text", self.text);
}
template <typename Members>
void describe(Members& members, detail::Is<JobText> auto& self) {
  members.required("text", self.text);
}
template <typename Members>
void describe(Members& members, detail::Is<JobSample> auto& self) {
  members.required("text", self.text);
}
template <typename Members>
void describe(Members& members, detail::Is<JobAdvance> auto& self) {
  members.required("fraction", self.fraction, detail::kShare);
}
template <typename Members>
void describe(Members& members, detail::Is<CheckpointWritten> auto& self) {
  members.required("step", self.step, detail::kCount);
  members.required("folder", self.folder);
}
template <typename Members>
void describe(Members& members, detail::Is<JobDone> auto& self) {
  members.required("result", self.result);
}

namespace {

void describe_event(detail::Encoder& members, const JobEvent& self) {
  members.required("event", std::string(kNames[self.event.index()]));
  std::visit([&](const auto& event) { members.inlined(event); }, self.event);
}

template <std::size_t index = 0>
void read_event(detail::Decoder& members, const std::string& name, JobEvent& self) {
  if constexpr (index < kNames.size()) {
    if (name != kNames[index]) return read_event<index + 1>(members, name, self);
    members.inlined(self.event.emplace<index>());
  } else {
    members.fail(fmt::format("{}: unknown event \"{:.60}\"", members.where(), name));
  }
}

void describe_event(detail::Decoder& members, JobEvent& self) {
  std::string name;
  members.required("event", name);
  if (members.status().ok()) read_event(members, name, self);
}

}  // namespace

template <typename Members>
void describe(Members& members, detail::Is<JobEvent> auto& self) {
  describe_event(members, self);
}

template <typename Members>
void describe(Members& members, detail::Is<ToldEvent> auto& self) {
  members.required("activity", self.activity);
  members.required("event", self.event);
}

PANAL_WORK_CODEC(JobEvent)
PANAL_WORK_CODEC(ToldEvent)

}  // namespace panal::work
