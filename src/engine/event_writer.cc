#include "engine/event_writer.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <string>

namespace panal::engine {

EventWriter::EventWriter() : output_(fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3)) {
  dup2(STDERR_FILENO, STDOUT_FILENO);
}

EventWriter::~EventWriter() {
  if (output_ >= 0) close(output_);
}

void EventWriter::write(const work::JobEvent& event) {
  const std::string line = to_line(work::encode(event)) + "\n";
  const MutexLock lock(mutex_);
  for (std::size_t done = 0; done < line.size();) {
    const ssize_t count = ::write(output_, line.data() + done, line.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return;
    done += static_cast<std::size_t>(count);
  }
}

}  // namespace panal::engine
