#include "work/job.h"

#include "work/detail/members.h"

namespace panal::work {
namespace {

constexpr detail::Range<std::int64_t> kRanks{0, 65'535};
constexpr detail::Range<std::int64_t> kSizes{1, 65'536};

}  // namespace

template <typename Members>
void describe(Members& members, detail::Is<GroupPlace> auto& self) {
  members.required("rank", self.rank, kRanks);
  members.required("size", self.size, kSizes);
  members.required("address", self.address);
  members.required("token", self.token);
}

template <typename Members>
void describe(Members& members, detail::Is<JobFile> auto& self) {
  members.required("kind", self.kind);
  members.required("spec", self.spec);
  members.wish("group", self.group);
}

PANAL_WORK_CODEC(JobFile)

}  // namespace panal::work
