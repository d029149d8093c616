#include "registry/detail/rows.h"

#include <fmt/format.h>

#include <charconv>
#include <vector>

#include "base/config.h"

namespace panal::registry::detail {

Result<Json> json_column(const store::Statement& row, int column, std::string_view what) {
  auto parsed = parse_json(row.text(column), what);
  if (!parsed.ok())
    return Status(Code::kCorrupt, "the catalogue is damaged: " + parsed.status().message());
  return parsed;
}

Result<Reference> parse_reference(std::string_view text) {
  const std::size_t at = text.rfind('@');
  if (at == std::string_view::npos) return Reference{std::string(text), std::nullopt};
  const std::string_view digits = text.substr(at + 1);
  std::int64_t version = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), version);
  if (error != std::errc() || end != digits.data() + digits.size() || version < 1) {
    return Status(
        Code::kInvalidArgument,
        fmt::format(
            "\"{}\": expected NAME or NAME@VERSION with a version from 1, found \"{}\" after @",
            text.substr(0, 200), digits.substr(0, 40)));
  }
  return Reference{std::string(text.substr(0, at)), version};
}

Result<std::vector<std::int64_t>> integers(store::Statement& statement) {
  std::vector<std::int64_t> found;
  PANAL_TRY(for_each_row(statement, [&](const store::Statement& row) {
    found.push_back(row.integer(0));
    return Status();
  }));
  return found;
}

Status unknown_name(store::Database& database, std::string_view what, std::string_view names_sql,
                    std::string_view name) {
  name = name.substr(0, 200);
  PANAL_ASSIGN(store::Statement rows, database.query(names_sql));
  std::vector<std::string> names;
  PANAL_TRY(for_each_row(rows, [&](const store::Statement& row) {
    names.push_back(row.text(0));
    return Status();
  }));
  const std::string near = nearest_word(name, names);
  return Status(Code::kNotFound,
                fmt::format("there is no {} \"{}\"{}", what, name,
                            near.empty() ? "" : fmt::format("; did you mean \"{}\"?", near)));
}

Status missing_version(store::Database& database, std::string_view what, std::string_view table,
                       const Reference& reference) {
  PANAL_ASSIGN(store::Statement newest,
               database.query(fmt::format("SELECT max(version) FROM {} WHERE name = ?", table),
                              reference.name));
  PANAL_TRY(newest.step().status());
  if (newest.is_null(0)) return Status();
  return Status(Code::kNotFound,
                fmt::format("{} \"{}\" has no version {}; its newest is {}", what, reference.name,
                            *reference.version, newest.integer(0)));
}

}  // namespace panal::registry::detail
