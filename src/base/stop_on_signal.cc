#include "base/stop_on_signal.h"

#include <pthread.h>
#include <unistd.h>

#include <latch>

namespace panal {

StopOnSignal::StopOnSignal() {
  sigemptyset(&signals_);
  sigaddset(&signals_, SIGTERM);
  sigaddset(&signals_, SIGINT);
  sigaddset(&signals_, SIGUSR1);  // Ends the thread below.
  pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
  signal(SIGPIPE, SIG_IGN);
  // A thread of its own: inside a signal handler next to nothing is allowed.
  thread_ = std::jthread([this](std::stop_token ending) {
    int number = 0;
    sigwait(&signals_, &number);
    stop_.request_stop();
    while (!ending.stop_requested()) {
      sigwait(&signals_, &number);
      if (!ending.stop_requested()) _exit(130);
    }
  });
}

StopOnSignal::~StopOnSignal() {
  thread_.request_stop();
  pthread_kill(thread_.native_handle(), SIGUSR1);
  // The thread may stand between its two waits: then it still has one signal to take.
  pthread_kill(thread_.native_handle(), SIGUSR1);
}

void wait_for_stop(const std::stop_token& stop) {
  std::latch requested(1);
  const std::stop_callback tell(stop, [&] { requested.count_down(); });
  requested.wait();
}

}  // namespace panal
