#include <fmt/format.h>

#include "hub/hive.h"
#include "panal_version.h"

namespace panal::hub {

std::string code_version() { return fmt::format("{} ({})", PANAL_VERSION, PANAL_COMMIT); }

}  // namespace panal::hub
