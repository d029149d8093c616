// Several ranks of a run in one process, a thread each, and a stream of batches for them.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/hash.h"
#include "data/token_mixture.h"
#include "data/token_shard.h"
#include "recipe/run_config.h"
#include "store/file_system.h"
#include "swarm/group.h"
#include "tests/train/toy_run.h"
#include "train/run.h"

namespace panal::train {

/// Runs `work` on every rank of a group, each in a thread of its own. What one of them throws is
/// thrown when all have ended.
inline void on_all_ranks(int num_ranks, const std::function<void(swarm::Group&)>& work) {
  auto groups = swarm::simulated_groups(num_ranks, std::chrono::seconds(60)).value();
  std::vector<Status> outcomes(groups.size());
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < groups.size(); ++i) {
    threads.emplace_back([&, i, group = std::move(groups[i])]() mutable {
      outcomes[i] = capture([&] { work(group); });
    });
  }
  for (auto& thread : threads) thread.join();
  for (const Status& outcome : outcomes) ok_or_throw(outcome);
}

/// A run by as many ranks as its config wants, each in a thread of its own: how each one ended. The
/// events are rank 0's.
inline std::vector<Status> run_on_ranks(
    const recipe::RunConfig& config, RecordingEvents& events,
    std::chrono::milliseconds deadline = std::chrono::seconds(60)) {
  const int size = static_cast<int>(config.parallel.processes);
  auto groups = swarm::simulated_groups(size, deadline).value();
  std::vector<Status> outcomes(groups.size());
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < groups.size(); ++i) {
    threads.emplace_back([&, i, group = std::move(groups[i])]() mutable {
      RecordingEvents others;
      RecordingEvents& own = i == 0 ? events : others;
      outcomes[i] = run(config, own, own.stop.get_token(), &group).status();
    });
  }
  for (auto& thread : threads) thread.join();
  return outcomes;
}

/// Tokens of a vocabulary, for every call once.
inline data::TokenShard toy_shard(const std::filesystem::path& folder, std::int32_t vocabulary) {
  std::vector<std::vector<std::int32_t>> documents(1);
  for (std::int32_t i = 0; i < 20'000; ++i) documents[0].push_back(i % 1000 * i % vocabulary);
  const auto path = folder / ("toy" + random_hex(4) + ".tokens");
  ok_or_throw(data::write_token_shard(store::posix_file_system(), path, vocabulary, documents));
  return value_or_throw(data::TokenShard::open(path));
}

inline data::TokenMixture toy_stream(data::TokenShard shard, const recipe::RunConfig& config) {
  return value_or_throw(
      data::TokenMixture::open({{.name = "toy", .weight = 1, .shards = {std::move(shard)}}},
                               {.batch = config.batch.sequences,
                                .context = config.batch.context,
                                .end_of_text = 0,
                                .seed = 1,
                                .packing = data::Packing::kAcrossDocuments}));
}

}  // namespace panal::train
