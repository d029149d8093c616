#include "hub/add_dataset.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "data/dataset.h"
#include "data/deduplicate.h"
#include "hub/detail/scratch_folder.h"
#include "store/file_system.h"

namespace panal::hub {
namespace {

// Whole texts first, because cutting hides what a text repeats of another; then their passages.
Status remove_duplicates(const AddDataset& request, std::vector<data::Document>& documents,
                         std::int64_t passage_bytes, AddedDataset& added, const Watch& watch) {
  const data::DeduplicateOptions how{.mode = request.deduplicate == "near"
                                                 ? data::Deduplication::kNear
                                                 : data::Deduplication::kExact,
                                     .threshold = request.near_threshold,
                                     .stop = watch.stop};
  std::vector<data::Document>* const group[] = {&documents};
  const auto pass = [&](const char* of_what) -> Status {
    PANAL_ASSIGN(const data::RemovedDuplicates removed, data::remove_duplicates(group, how));
    added.duplicates.push_back(of_what + removed.summary);
    added.duplicate_documents += removed.documents;
    added.duplicate_bytes += removed.bytes;
    return Status();
  };
  PANAL_TRY(pass("of whole texts: "));
  data::cut_documents(documents, passage_bytes);
  return pass("of passages: ");
}

// Writes what is read to `file` as it comes, or, when duplicates are to go, all of it at the end.
Status read_into(const std::filesystem::path& file, const AddDataset& request, AddedDataset& added,
                 const Watch& watch) {
  const std::vector<std::filesystem::path> paths(request.paths.begin(), request.paths.end());
  data::ReadOptions reading{.text_column = request.text_column,
                            .reads_special_tokens = request.special_tokens == "read"};
  store::FileSystem& files = store::posix_file_system();
  if (request.deduplicate != "off") {
    const std::int64_t passage_bytes = std::exchange(reading.passage_bytes, 0);
    PANAL_ASSIGN(added.read, data::read_documents(paths, reading));
    std::vector<data::Document> documents = std::exchange(added.read.documents, {});
    PANAL_TRY(remove_duplicates(request, documents, passage_bytes, added, watch));
    added.read.num_documents = static_cast<std::int64_t>(documents.size());
    added.read.num_conversations =
        std::ranges::count_if(documents, &data::Document::is_conversation);
    return data::write_dataset(files, file, documents);
  }
  reading.max_total_bytes = 1ULL << 50;  // The disk's free space is the bound.
  PANAL_ASSIGN(data::DatasetWriter writer, data::DatasetWriter::create(files, file));
  PANAL_ASSIGN(added.read,
               data::read_documents(paths, reading, [&](const data::Document& document) {
                 return watch.stop.stop_requested()
                            ? Status(Code::kCancelled, "stopped while files were being read")
                            : writer.write(document);
               }));
  return writer.finish();
}

}  // namespace

Json to_json(const AddedDataset& added) {
  Json json = registry::to_json(added.dataset);
  json["duplicate_documents"] = added.duplicate_documents;
  json["duplicate_bytes"] = added.duplicate_bytes;
  const Json read = added.read.to_json();
  json["read"] = read.at("read");
  json["skipped"] = read.at("skipped");
  return json;
}

Result<AddedDataset> add_dataset(Hive& hive, const AddDataset& request, const Watch& watch) {
  PANAL_TRY(registry::check_name(request.name, "a dataset"));
  const detail::ScratchFolder scratch(hive.home());
  const auto file = scratch.path() / "dataset.jsonl";
  AddedDataset added;
  PANAL_TRY(read_into(file, request, added, watch));
  PANAL_ASSIGN(added.dataset,
               hive.catalogue().add_dataset(
                   {.name = request.name,
                    .file = file,
                    .num_documents = static_cast<std::uint64_t>(added.read.num_documents),
                    .num_conversations = static_cast<std::uint64_t>(added.read.num_conversations),
                    .licence = request.licence,
                    .source = request.source}));
  return added;
}

}  // namespace panal::hub
