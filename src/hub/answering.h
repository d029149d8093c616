// Answers requests: finds what a request's model means, asks the process that serves it, and lets
// the orchestrator put several experts' words together.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "energy/carbon.h"
#include "fleet/model_servers.h"
#include "hub/answer_service.h"
#include "hub/endpoint_table.h"
#include "hub/hive.h"
#include "orchestrator/orchestrator.h"

namespace panal::hub {

/// Thread-safe. An answer in progress costs no thread.
class Answering final : public AnswerService {
 public:
  struct Options {
    fleet::ModelServers::Start start_server;  // Gives a running process for a spec.
    std::filesystem::path run_folder;         // Where processes keep sockets and logs.
    energy::CarbonOptions carbon{};
  };
  /// The clock outlives it.
  Answering(std::unique_ptr<Endpoints> endpoints, Options options, Clock& clock);
  ~Answering() override;

  std::vector<ModelEntry> models() override;
  /// Ok only when the default endpoint's process has given a real token. One that was not asked yet
  /// is asked for it, in the background.
  Status ready() override;
  void answer(work::Generation request, std::shared_ptr<AnswerSink> sink,
              std::stop_token stop) override;

  /// Starts the default endpoint's process and has it generate one token; waits for it. Errors:
  /// kUnavailable with the reason, kNotFound when nothing is deployed.
  Status prove();

 private:
  class Caller;
  using Proof = std::function<void(const Status&)>;
  fleet::ServerSpec spec_of(const ServedEndpoint& endpoint) const;
  void begin_proof(const std::shared_ptr<const ServedEndpoint>& served, Proof then);
  void complete(work::Generation request, const EndpointTable::Target& target,
                std::shared_ptr<AnswerSink> sink, std::stop_token stop);

  Clock& clock_;
  const Options options_;
  const std::unique_ptr<Endpoints> endpoints_;
  const orchestrator::Orchestrator orchestrator_;
  /// Shared with the proofs under way.
  struct Proven {
    Mutex mutex;
    std::string revision PANAL_GUARDED_BY(mutex);  // Of the default endpoint, as below.
    std::string being_proven PANAL_GUARDED_BY(mutex);
  };
  const std::shared_ptr<Proven> proven_ = std::make_shared<Proven>();
  // Last: its end waits for the answers in progress, which use all of the above.
  const std::unique_ptr<fleet::ModelServers> servers_;
};

/// How a hive of this machine answers: processes of panal-engine, sockets and logs in its home's
/// run folder, carbon by the environment's grid zone.
Answering::Options answering_options(Hive& hive);

}  // namespace panal::hub
