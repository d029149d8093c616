// Waiting for a thread that is nearly done, without taking the core from it.
#pragma once

#include "base/clock.h"

namespace panal {

/// Gives the core to another thread that waits for it, once. False when it came back late: then it
/// was no thread of ours that is nearly done, but another program, and who waits had better sleep.
bool yield_briefly(const Clock& clock);

}  // namespace panal
