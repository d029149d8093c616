// From blobs back to a folder that engines can load: names instead of hashes, without copying a
// byte.
#include <fmt/format.h>

#include <system_error>

#include "base/hash.h"
#include "registry/catalogue.h"

namespace panal::registry {

Status Catalogue::link_file(const ModelFile& file, const std::filesystem::path& folder) {
  const auto blob = blobs_.path_of(file.blob);
  const auto num_bytes = blobs_.num_bytes(file.blob);
  if (!blob.ok() || !num_bytes.ok()) {
    return Status(Code::kCorrupt,
                  fmt::format("the content of {} is missing: {}", file.name,
                              blob.ok() ? num_bytes.status().message() : blob.status().message()));
  }
  if (*num_bytes != file.num_bytes) {
    return Status(Code::kCorrupt,
                  fmt::format("the content of {} is damaged: expected {} bytes, found {} in {}",
                              file.name, file.num_bytes, *num_bytes, blob->string()));
  }
  const auto target = folder / file.name;
  std::error_code ignored;
  if (std::filesystem::equivalent(*blob, target, ignored)) return Status();
  const auto temporary = folder / fmt::format(".{}.partial", random_hex(8));
  const Status linked = files_.link(*blob, temporary);
  if (linked.code() == Code::kUnsupported || linked.code() == Code::kResourceExhausted) {
    std::error_code error;
    std::filesystem::create_symlink(std::filesystem::absolute(*blob), temporary, error);
    if (error) return linked;
  } else {
    PANAL_TRY(linked);
  }
  const Status renamed = files_.rename(temporary, target);
  // A rename onto another name of the same file does nothing (another caller was faster): then this
  // name is left over.
  (void)files_.remove(temporary);
  return renamed;
}

Result<std::filesystem::path> Catalogue::materialise(const ModelVersion& model) {
  const auto folder = home_.models / model.name / std::to_string(model.version);
  PANAL_TRY(store::make_directories(files_, folder, 0700));
  for (const auto& file : model.files)
    PANAL_TRY(link_file(file, folder).with_context("model " + model.label()));
  return folder;
}

Status Catalogue::verify(const ModelVersion& model) {
  for (const auto& file : model.files) {
    const Status status = blobs_.verify(file.blob);
    if (status.ok()) continue;
    const Code code = status.code() == Code::kNotFound ? Code::kCorrupt : status.code();
    return Status(code,
                  fmt::format("model {}, file {}: {}", model.label(), file.name, status.message()));
  }
  return Status();
}

}  // namespace panal::registry
