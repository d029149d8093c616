#include "report/detail/template.h"

#include "base/check.h"
#include "report/chart.h"

namespace panal::report::detail {
namespace {

struct Scope {
  const Json& value;
  const Scope* outer = nullptr;
};

// One {{...}} and where it stands, a section's whole line included when it has one to itself.
struct Tag {
  char kind = ' ';  // '#', '/', '{' or ' ' for a plain name.
  std::string_view name;
  std::size_t begin = std::string_view::npos;
  std::size_t end = 0;
};

const Json& find(std::string_view name, const Scope& scope) {
  if (name == ".") return scope.value;
  for (const Scope* here = &scope; here != nullptr; here = here->outer) {
    if (here->value.is_object() && here->value.contains(name))
      return here->value.at(std::string(name));
  }
  check_failed("a page's value", name, __FILE__, __LINE__);
}

void take_line(std::string_view page, Tag& tag) {
  const std::size_t line = tag.begin == 0 ? 0 : page.rfind('\n', tag.begin - 1) + 1;
  const bool is_alone =
      page.substr(line, tag.begin - line).find_first_not_of(' ') == std::string_view::npos &&
      page.substr(tag.end).starts_with('\n');
  if (!is_alone) return;
  tag.begin = line;
  ++tag.end;
}

Tag next_tag(std::string_view page, std::size_t from) {
  Tag tag;
  tag.begin = page.find("{{", from);
  if (tag.begin == std::string_view::npos) return tag;
  const bool is_raw = page.substr(tag.begin).starts_with("{{{");
  const std::string_view closing = is_raw ? "}}}" : "}}";
  const std::size_t open = tag.begin + closing.size();
  const std::size_t close = page.find(closing, open);
  PANAL_CHECK(close != std::string_view::npos, "a page's {{ without }}");
  tag.name = page.substr(open, close - open);
  tag.end = close + closing.size();
  if (is_raw) tag.kind = '{';
  if (!tag.name.starts_with('#') && !tag.name.starts_with('/')) return tag;
  tag.kind = tag.name.front();
  tag.name.remove_prefix(1);
  take_line(page, tag);
  return tag;
}

Tag end_of_section(std::string_view page, const Tag& start) {
  int depth = 1;
  for (Tag tag = next_tag(page, start.end);; tag = next_tag(page, tag.end)) {
    PANAL_CHECK(tag.begin != std::string_view::npos, "a page's section without its end");
    if (tag.name != start.name) continue;
    depth += tag.kind == '#' ? 1 : tag.kind == '/' ? -1 : 0;
    if (depth == 0) return tag;
  }
}

std::string text_of(const Json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump();
}

void fill(std::string_view page, const Scope& scope, std::string& out);

void fill_section(std::string_view body, const Json& value, const Scope& outer, std::string& out) {
  const bool is_left_out = value.is_null() || value == false || value == "";
  if (is_left_out) return;
  if (!value.is_array()) return fill(body, {value, &outer}, out);
  for (const Json& element : value) fill(body, {element, &outer}, out);
}

void fill(std::string_view page, const Scope& scope, std::string& out) {
  std::size_t done = 0;
  for (;;) {
    const Tag tag = next_tag(page, done);
    out += page.substr(done, tag.begin == std::string_view::npos ? tag.begin : tag.begin - done);
    if (tag.begin == std::string_view::npos) return;
    const Json& value = find(tag.name, scope);
    done = tag.end;
    if (tag.kind == '#') {
      const Tag end = end_of_section(page, tag);
      fill_section(page.substr(tag.end, end.begin - tag.end), value, scope, out);
      done = end.end;
    } else {
      out += tag.kind == '{' ? text_of(value) : escaped(text_of(value));
    }
  }
}

}  // namespace

std::string filled(std::string_view page, const Json& values) {
  std::string out;
  fill(page, {values}, out);
  return out;
}

}  // namespace panal::report::detail
