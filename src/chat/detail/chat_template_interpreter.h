// Runs a parsed chat template. Filters, tests and methods live in chat_template_builtins.cc.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "chat/detail/chat_template_syntax.h"

namespace panal::chat::detail {

struct TemplateArguments {
  std::vector<TemplateValue> values;
  std::vector<std::pair<std::string, TemplateValue>> named;
  /// The argument called `name` or at `position`; nullptr when it was not given.
  const TemplateValue* find(std::size_t position, std::string_view name) const;
};

/// One rendering. Throws Error; not thread-safe.
class TemplateInterpreter {
 public:
  using Scope = std::unordered_map<std::string, TemplateValue>;

  explicit TemplateInterpreter(Scope variables);
  std::string run(const TemplateProgram& program);

  /// Counts work against the bound; called with the size of whatever is made or looked through.
  void charge(std::size_t steps);
  TemplateValue make_text(std::string text);
  TemplateValue make_list(std::vector<TemplateValue> items);
  /// The items that `for` goes through: of a list, the keys of a mapping, the characters of a
  /// string.
  std::vector<TemplateValue> items_of(const TemplateValue& value);
  TemplateValue attribute(const TemplateValue& object, std::string_view name);
  std::string printed(const TemplateValue& value);

  TemplateValue apply_filter(std::string_view name, const TemplateValue& value,
                             const TemplateArguments& arguments);
  bool apply_test(std::string_view name, const TemplateValue& value,
                  const TemplateArguments& arguments);
  TemplateValue call_method(const TemplateValue& object, std::string_view name,
                            const TemplateArguments& arguments);

 private:
  enum class Flow { kNormal, kBreak, kContinue };

  Flow run_block(const Block& block, std::string& out);
  Flow run_statement(const Statement& statement, std::string& out);
  Flow run_for(const Statement& statement, std::string& out);
  Flow run_if(const Statement& statement, std::string& out);
  void run_set(const Statement& statement);
  void run_set_block(const Statement& statement);
  void bind(const std::vector<std::string>& names, const TemplateValue& value, Scope& scope);
  void append(std::string_view text, std::string& out);

  TemplateValue evaluate(const Expression& expression);
  TemplateValue evaluate_kind(const Expression& expression);
  std::vector<TemplateValue> evaluate_children(const Expression& expression, std::size_t first);
  TemplateArguments evaluate_arguments(const Expression& expression);
  TemplateValue evaluate_mapping(const Expression& expression);
  TemplateValue evaluate_binary(const Expression& expression);
  TemplateValue evaluate_compare(const Expression& expression);
  TemplateValue evaluate_slice(const Expression& expression);
  TemplateValue evaluate_call(const Expression& expression);
  TemplateValue evaluate_test(const Expression& expression);
  TemplateValue apply_filter_method(std::string_view name, const TemplateValue& object,
                                    const TemplateArguments& arguments);
  TemplateValue call_function(const std::string& name, const TemplateArguments& arguments);
  TemplateValue call_macro(const Statement& macro, const TemplateArguments& arguments);
  TemplateValue index(const TemplateValue& object, const TemplateValue& key);
  bool contains(const TemplateValue& container, const TemplateValue& item);
  const TemplateValue* lookup(const std::string& name) const;

  std::vector<Scope>
      scopes_;  // 0: the caller's variables; 1: the template's own; then loops and macros.
  std::uint64_t steps_ = 0;
  std::size_t output_bytes_ = 0;
  int depth_ = 0;
  int line_ = 0;
};

}  // namespace panal::chat::detail
