// Root may write everywhere, so that what a closed folder or file does could never be tested as
// root.
#pragma once

#include <gtest/gtest.h>
#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>

namespace panal::test {

/// While it lives, modes of files and folders bind this thread as they bind any owner, although it
/// may be root's. Other threads keep their rights.
class BoundByPermissions {
 public:
  BoundByPermissions() {
    EXPECT_EQ(syscall(SYS_capget, &header_, before_.data()), 0);
    std::array lowered = before_;
    lowered[0].effective &= ~((1u << CAP_DAC_OVERRIDE) | (1u << CAP_DAC_READ_SEARCH));
    EXPECT_EQ(syscall(SYS_capset, &header_, lowered.data()), 0);
  }
  ~BoundByPermissions() { EXPECT_EQ(syscall(SYS_capset, &header_, before_.data()), 0); }
  BoundByPermissions(const BoundByPermissions&) = delete;
  BoundByPermissions& operator=(const BoundByPermissions&) = delete;

 private:
  __user_cap_header_struct header_{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> before_{};
};

}  // namespace panal::test
