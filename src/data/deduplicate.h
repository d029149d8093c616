// What a model has read twice it learns by heart: documents that repeat an earlier one are found
// and left out, the first stays. Exact: the same text up to case and white space. Near: the sets of
// five-word shingles overlap (Broder, "On the resemblance and containment of documents", 1997; for
// training text, Lee et al., "Deduplicating Training Data Makes Language Models Better", 2022).
#pragma once

#include <cstdint>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "data/document.h"

namespace panal::data {

enum class Deduplication { kOff, kExact, kNear };
/// "off", "exact" or "near".
std::string_view deduplication_name(Deduplication mode);

struct DeduplicateOptions {
  Deduplication mode = Deduplication::kNear;  // kNear finds what kExact finds, too.
  double threshold = 0.8;  // Jaccard similarity from which kNear removes; 0.5 to 1.
  int threads = 0;         // 0: as many as the machine has; at most 256.
  std::stop_token stop = {};
};

struct Duplicate {
  std::size_t index = 0;    // Of the document that goes.
  std::size_t of = 0;       // The earlier one that stays.
  double similarity = 1.0;  // Jaccard similarity of the shingles, exact; 1 for the same text.
};

struct DeduplicateReport {
  std::vector<std::size_t> kept;   // Ascending.
  std::vector<Duplicate> removed;  // Ascending by index.
  std::int64_t removed_bytes = 0;
  /// "removed 3 of 90 documents, 12 KB of 340 KB; 0.93 like a.txt: b.txt, ..." with up to three
  /// examples. `documents` are those the report is about.
  std::string summary(std::span<const Document> documents) const;
};

/// Goes through the documents in order and removes each that is a duplicate of one kept before it.
/// The result is the same for any number of threads. Candidates come from MinHash signatures of 128
/// values (one permutation hashing, Li, Owen and Zhang, 2012, with Shrivastava's optimal
/// densification, 2017) in bands chosen so that a pair at the threshold is found with a probability
/// of 0.999 or more; each candidate's similarity is then computed exactly, so nothing below the
/// threshold is removed. Of one document at most 64 candidates are looked at, those that share the
/// most bands.
///
/// Errors   kInvalidArgument: threshold or threads out of range; kResourceExhausted: more than 2^32
///          - 2 documents; kCancelled.
/// Memory   beside the documents, up to about 600 bytes per kept one (24 for kExact).
Result<DeduplicateReport> deduplicate(std::span<const Document> documents,
                                      const DeduplicateOptions& options = {});

struct RemovedDuplicates {
  std::int64_t documents = 0;
  std::int64_t bytes = 0;
  std::string summary;  // DeduplicateReport::summary() of all groups together.
};
/// deduplicate() of several groups laid one after the other, removed in place: what stands in an
/// earlier group stays. Groups may become empty.
Result<RemovedDuplicates> remove_duplicates(std::span<std::vector<Document>* const> groups,
                                            const DeduplicateOptions& options = {});

/// Jaccard similarity of two texts' shingles, as deduplicate() computes it: five words in a row,
/// folded to one case; fewer words are one shingle. A word is a run of letters, digits and marks,
/// and in scripts without spaces each character. 0 when neither text has a word.
double shingle_similarity(std::string_view a, std::string_view b);

}  // namespace panal::data
