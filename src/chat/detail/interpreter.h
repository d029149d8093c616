// Runs a parsed chat template: statements in interpreter.cc, expressions in evaluate.cc, what can
// be reached from a value in access.cc, calls in calls.cc. Filters, tests and methods are tables
// (builtins.h).
#pragma once

#include <cstdint>
#include <ctime>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/error.h"
#include "chat/detail/arguments.h"
#include "chat/detail/syntax.h"

namespace panal::chat::detail {

/// What a template says through raise_exception: its own word, not a fault of it or of ours.
class Refusal : public Error {
 public:
  explicit Refusal(const std::string& message) : Error(Code::kInvalidArgument, message) {}
};

/// Variables by name; a name that is not here is looked for in the parent.
struct Scope {
  std::unordered_map<std::string, Value> variables;
  std::shared_ptr<Scope> parent;
};

/// The items of a value, one at a time; nothing at the end.
using Source = std::function<std::optional<Value>()>;

/// Lists, strings and work that one step may touch: so many bytes count as one step.
constexpr std::size_t kBytesPerStep = 64;

/// One rendering. Throws Error; not thread-safe.
class Interpreter {
 public:
  using Variables = std::unordered_map<std::string, Value>;

  /// `now` is what strftime_now() writes; without it the function is refused.
  Interpreter(Variables variables, const std::optional<std::tm>& now);
  ~Interpreter();
  Interpreter(const Interpreter&) = delete;
  Interpreter& operator=(const Interpreter&) = delete;

  std::string run(const TemplateProgram& program);

  /// Counts work against the bound; called with the size of whatever is made or looked through.
  void charge(std::size_t steps);
  Value make_text(std::string text, bool is_markup = false);
  Value make_list(std::vector<Value> items, ListKind kind = ListKind::kList);
  Value make_mapping(std::vector<std::pair<Value, Value>> items);
  /// A generator over `next`, which may hold on to `held`.
  Value make_generator(std::string_view filter, Source next, const Value& held);
  std::string printed(const Value& value);

  /// What `for` goes through: the items of a list, the keys of a mapping, the characters of a
  /// string, what a generator has left.
  std::vector<Value> items_of(const Value& value);
  Source source_of(const Value& value);
  /// object.name and object[key]. A missing one is undefined; of something undefined, an error.
  Value attribute(const Value& object, std::string_view name);
  Value index(const Value& object, const Value& key);
  bool contains(const Value& container, const Value& item);

  /// left SIGN right for the signs of arithmetic and "~".
  Value binary(std::string_view sign, const Value& left, const Value& right);
  Value call(const Value& callee, const Arguments& arguments);
  Value call_method(const Value& object, std::string_view name, const Arguments& arguments);
  Value apply_filter(std::string_view name, const Value& value, const Arguments& arguments);
  bool apply_test(std::string_view name, const Value& value, const Arguments& arguments);

 private:
  enum class Flow { kNormal, kBreak, kContinue };
  class ScopeGuard;

  Flow run_block(const Block& block, std::string& out);
  Flow run_statement(const Statement& statement, std::string& out);
  Flow run_for(const Statement& statement, std::string& out);
  /// One pass of a loop over `items`; `has_run` says whether there was any.
  Flow run_loop(const Statement& statement, Source items, int depth0, std::string& out);
  Flow run_if(const Statement& statement, std::string& out);
  Flow run_scope(const Statement& statement, std::string& out);
  void run_call_block(const Statement& statement, std::string& out);
  /// What a block writes, kept from the output.
  std::string captured(const Block& block);
  Value filtered(const Statement& statement, std::string text);
  void assign(const Expression& target, const Value& value);
  void assign_member(const Expression& target, const Value& value);
  void set_member(Namespace& space, const std::string& name, const Value& value);
  void append(std::string_view text, std::string& out);

  Value evaluate(const Expression& expression);
  Value evaluate_kind(const Expression& expression);
  Value evaluate_sign(const Expression& expression);
  std::vector<Value> evaluate_children(const Expression& expression);
  Arguments evaluate_arguments(const Expression& expression);
  Value evaluate_mapping(const Expression& expression);
  Value evaluate_compare(const Expression& expression);
  Value evaluate_slice(const Expression& expression);
  Value evaluate_call(const Expression& expression);

  Value repeated(const Value& items, std::int64_t count);
  Value call_macro(const Macro& macro, const Arguments& arguments);
  void bind_parameters(const Statement& macro, const Arguments& arguments);
  Value call_function(std::string_view name, const Arguments& arguments);
  Value call_counter(Counter& counter, const Arguments& arguments);
  Value call_loop(Loop& loop, const Arguments& arguments);
  Value loop_attribute(Loop& loop, std::string_view name);
  bool pull(Loop& loop);
  Value lookup(const std::string& name) const;
  /// A scope that a value will hold: emptied at the end, so that no cycle stays.
  std::shared_ptr<Scope> held_scope();

  std::shared_ptr<Scope> scope_;  // The innermost one.
  std::vector<std::shared_ptr<Scope>> held_scopes_;
  const std::optional<std::tm> now_;
  std::uint64_t steps_ = 0;
  std::size_t output_bytes_ = 0;
  int depth_ = 0;
  int line_ = 0;
};

}  // namespace panal::chat::detail
