// Output that leaves panal's own folders: to a path that a person named, and to standard output.
// Both go where they were told: a device or a pipe is written to and never replaced, a link is
// followed, and what could not be written is an error however short it was.
#pragma once

#include <filesystem>
#include <memory>
#include <string_view>

#include "base/result.h"
#include "store/file_system.h"

namespace panal::store {

/// Writes all of `bytes` to what `path` means, as a shell's `>` would:
/// - nothing there: a new file, complete or not there at all;
/// - a file, also through links: its new content in one step, under its owner, group and mode. A
/// file
///   with several names or an access list, or in a folder where nothing can be made, is written in
///   place instead, and then not in one step;
/// - a device or a named pipe: the bytes, one after the other (waits for the pipe's reader);
/// - /dev/stdout, /dev/fd/N: the open descriptor itself, after what it wrote before. Only
/// descriptors
///   that this process was given, not those it opened.
///
/// Errors: kInvalidArgument for a folder; kNotFound when the folder of `path` is missing or a
/// descriptor is not open; kResourceExhausted; kUnavailable with the system's reason (no
/// permission, no reader any more).
Status write_output(FileSystem& files, const std::filesystem::path& path, std::string_view bytes);

/// This program's standard output, without a buffer: what write() accepted has left the program.
/// Errors of writing name "standard output".
std::unique_ptr<OutputFile> standard_output();

/// Call first in main. A standard descriptor that was closed (`panal ... >&-`) is taken, so that no
/// file which is opened later gets its number and with it everything that is printed; writing to it
/// then fails as it should.
void occupy_standard_descriptors();

}  // namespace panal::store
