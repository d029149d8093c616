#include "store/mapped_file.h"

#include <sys/mman.h>

#include <cerrno>
#include <utility>

#include "store/detail/descriptor.h"

namespace panal::store {

Result<MappedFile> MappedFile::open(const std::filesystem::path& path) {
  PANAL_ASSIGN(const detail::OpenedFile opened, detail::open_for_reading(path));
  if (opened.num_bytes == 0) return MappedFile();
  void* start =
      ::mmap(nullptr, opened.num_bytes, PROT_READ, MAP_SHARED, opened.descriptor.get(), 0);
  if (start == MAP_FAILED) return detail::errno_status(errno, "map", path);
  return MappedFile(std::span(static_cast<const std::byte*>(start), opened.num_bytes));
}

MappedFile::MappedFile(MappedFile&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(bytes_, other.bytes_);
  return *this;
}

MappedFile::~MappedFile() {
  if (!bytes_.empty()) ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

}  // namespace panal::store
