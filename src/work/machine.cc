#include "work/machine.h"

#include "work/detail/describe_machine.h"

namespace panal::work {

bool Machine::is_like(const Machine& other) const {
  return device == other.device && cpu == other.cpu && cores == other.cores &&
         threads == other.threads && memory_bytes == other.memory_bytes &&
         precision == other.precision;
}

PANAL_WORK_PART(Machine)
PANAL_WORK_PART(MeasuredFacts)
PANAL_WORK_CODEC(MeasuredFacts)

}  // namespace panal::work
