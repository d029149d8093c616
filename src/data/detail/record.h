// What one record of a file says, by the forms in use: a text, or a conversation as OpenAI
// ("messages"), ShareGPT ("conversations") and Alpaca ("instruction") write it. All become
// documents; a conversation keeps its turns, so that a model's template can render them.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"
#include "data/document.h"

namespace panal::data::detail {

/// `text_column`, when not empty, is the member that holds the text, whatever else is there; else,
/// the first that fits of: "messages" (or "conversations", "conversation") as a list of turns,
/// "instruction" with "output" (or "response"), "text", "content". A list stands for its turns and
/// a string for itself. In a table's row a list may stand as JSON in its cell. The document's text
/// is not cut and may be blank; its source is the record's "source", or empty.
///
/// Errors: kInvalidArgument, naming the place: none of the forms (with the members that are there),
/// a turn without role or content, content that is no text (a picture), an unknown speaker, a NUL.
Result<Document> read_record(const Json& record, std::string_view text_column,
                             std::string_view place);

/// Whether a table with these columns can be read. Errors: kInvalidArgument listing them.
Status check_columns(std::span<const std::string> columns, std::string_view text_column);

}  // namespace panal::data::detail
