// Small steps that every table of the catalogue shares: JSON columns, references, and walking
// through rows.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "store/database.h"

namespace panal::registry::detail {

/// A JSON column. Errors: kCorrupt names the column.
Result<Json> json_column(const store::Statement& row, int column, std::string_view what);

/// "name@3" taken apart; no version when there is no '@'.
struct Reference {
  std::string name;
  std::optional<std::int64_t> version;
};
/// Errors: kInvalidArgument when what follows '@' is no positive number.
Result<Reference> parse_reference(std::string_view text);

/// That nothing has the name: kNotFound, with the nearest text of the query's first column. `what`
/// is a word for the reader: "model". Errors: those of the query.
Status unknown_name(store::Database& database, std::string_view what, std::string_view names_sql,
                    std::string_view name);
/// That the name lacks the reference's version: kNotFound with its newest. Ok when nothing has the
/// name. `table` has the columns name and version. Errors: those of the query.
Status missing_version(store::Database& database, std::string_view what, std::string_view table,
                       const Reference& reference);

/// Calls `take` (Status(Statement& row)) for each row.
template <typename Take>
Status for_each_row(store::Statement& statement, Take&& take) {
  for (;;) {
    PANAL_ASSIGN(const bool has_row, statement.step());
    if (!has_row) return Status();
    PANAL_TRY(take(statement));
  }
}

/// The first column of each row.
Result<std::vector<std::int64_t>> integers(store::Statement& statement);

/// Runs `attempt` again, once, when a sweep of unreferenced blobs removed what it relied on between
/// putting the blobs and naming them (kNotFound).
template <typename Attempt>
auto again_if_swept(Attempt&& attempt) {
  auto result = attempt();
  return result.code() == Code::kNotFound ? attempt() : result;
}

}  // namespace panal::registry::detail
