// One request, or several in one? Cuts only where a second task surely begins, and gives every part
// the quoted text, code and remarks it needs to be answered alone.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace panal::orchestrator::detail {

struct RequestPart {
  std::string text;    // The task in the person's words.
  std::string given;   // Text or code the task is about, when it stands elsewhere in the request.
  std::string prompt;  // Everything its expert gets: remarks, task, given text, instructions.
};

/// One part (the whole text, verbatim) unless there are at least two tasks that do not need each
/// other's answers. At most max_parts (1 or more): what is left over stays in the last one. English
/// and Spanish. Texts over 16 KiB are documents and stay whole. Linear in the text, but for a few
/// list look-ups per word.
std::vector<RequestPart> split_request(std::string_view text, std::size_t max_parts);

}  // namespace panal::orchestrator::detail
