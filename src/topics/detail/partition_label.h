// Names for clusters, and the words by which a question is recognised as theirs.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "topics/detail/partition_vectors.h"
#include "topics/topic_model.h"

namespace panal::topics::detail {

struct Group {
  std::string language;
  std::vector<std::size_t> documents;  // Ascending.
};

struct Label {
  std::string name = {};
  std::string title = {};
  std::string domain;
  std::vector<std::string> terms;
};

/// The domain whose lexicon covers most of the running words; "" when none covers enough, or when
/// the next domain covers more than 1 / margin of that.
std::string nearest_domain(const WordTable& table, const Group& group, double margin = 1);

/// One label per group, names unique.
std::vector<Label> label_groups(const WordTable& table, std::span<const Group> groups);

/// One topic per group, with `labels` from label_groups. A word's weight: how much likelier a
/// document here has it than a document of the group that uses it most elsewhere (in nats, at
/// most 3.4), times how usual it is here; words of the domain's lexicon weigh up to 3.4 whether the
/// documents have them or not.
std::vector<Topic> describe_topics(const WordTable& table, std::span<const Group> groups,
                                   std::span<const Label> labels);

}  // namespace panal::topics::detail
