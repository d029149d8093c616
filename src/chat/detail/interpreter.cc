#include "chat/detail/interpreter.h"

#include <fmt/format.h>

#include "base/error.h"

namespace panal::chat::detail {
namespace {

constexpr std::uint64_t kMaxSteps = 2'000'000;
constexpr std::size_t kMaxOutputBytes = std::size_t{16} << 20;
constexpr int kMaxDepth = 300;  // Of expressions, blocks and macro calls together.

}  // namespace

// Opens a scope inside `parent` and goes back to the one before at the end.
class Interpreter::ScopeGuard {
 public:
  ScopeGuard(Interpreter& interpreter, std::shared_ptr<Scope> parent)
      : interpreter_(interpreter), before_(interpreter.scope_) {
    interpreter_.scope_ = std::make_shared<Scope>();
    interpreter_.scope_->parent = std::move(parent);
  }
  ~ScopeGuard() { interpreter_.scope_ = before_; }
  ScopeGuard(const ScopeGuard&) = delete;
  ScopeGuard& operator=(const ScopeGuard&) = delete;

 private:
  Interpreter& interpreter_;
  const std::shared_ptr<Scope> before_;
};

Interpreter::Interpreter(Variables variables, const std::optional<std::tm>& now) : now_(now) {
  auto given = std::make_shared<Scope>();
  given->variables = std::move(variables);
  scope_ = std::make_shared<Scope>();
  scope_->parent = std::move(given);
}

Interpreter::~Interpreter() {
  for (const auto& scope : held_scopes_) {
    // Variables are moved out first: a value that goes may look at its scope no more.
    const auto gone = std::move(scope->variables);
    scope->variables.clear();
  }
}

std::string Interpreter::run(const TemplateProgram& program) {
  std::string out;
  try {
    run_block(program.body, out);
  } catch (const Refusal& refusal) {
    throw Refusal(fmt::format("chat template, line {}: {}", line_, refusal.what()));
  } catch (const Error& error) {
    throw Error(error.code(), fmt::format("chat template, line {}: {}", line_, error.what()));
  }
  return out;
}

void Interpreter::charge(std::size_t steps) {
  steps_ += steps;
  if (steps_ > kMaxSteps) {
    throw Error(Code::kResourceExhausted, fmt::format("more than {} steps", kMaxSteps));
  }
}

Value Interpreter::make_text(std::string text, bool is_markup) {
  charge(text.size() / kBytesPerStep + 1);
  if (text.size() > kMaxOutputBytes) {
    throw Error(Code::kResourceExhausted,
                fmt::format("a string of more than {} bytes", kMaxOutputBytes));
  }
  return Value::text(std::move(text), is_markup);
}

Value Interpreter::make_list(std::vector<Value> items, ListKind kind) {
  charge(items.size() + 1);
  return Value::list(std::move(items), kind);
}

Value Interpreter::make_mapping(std::vector<std::pair<Value, Value>> items) {
  charge(items.size() * (items.size() / 8 + 1) + 1);  // Each key is looked for among the others.
  return Value::mapping(std::move(items));
}

Value Interpreter::make_generator(std::string_view filter, Source next, const Value& held) {
  constexpr int kMaxGeneratorDepth = 64;
  auto made = std::make_shared<Generator>();
  made->name = filter;
  made->next = std::move(next);
  made->depth = held.depth() + 1;
  if (made->depth > kMaxGeneratorDepth) {
    throw Error(Code::kResourceExhausted,
                fmt::format("values nested deeper than {} levels", kMaxGeneratorDepth));
  }
  return Value(std::move(made));
}

std::shared_ptr<Scope> Interpreter::held_scope() {
  held_scopes_.push_back(scope_);
  return scope_;
}

void Interpreter::append(std::string_view text, std::string& out) {
  output_bytes_ += text.size();
  if (output_bytes_ > kMaxOutputBytes) {
    throw Error(Code::kResourceExhausted,
                fmt::format("more than {} bytes of output", kMaxOutputBytes));
  }
  out += text;
}

Interpreter::Flow Interpreter::run_block(const Block& block, std::string& out) {
  if (++depth_ > kMaxDepth) throw Error(Code::kResourceExhausted, "nested too deep");
  Flow flow = Flow::kNormal;
  for (const auto& statement : block) {
    flow = run_statement(*statement, out);
    if (flow != Flow::kNormal) break;
  }
  --depth_;
  return flow;
}

Interpreter::Flow Interpreter::run_statement(const Statement& statement, std::string& out) {
  charge(1);
  line_ = statement.line;
  switch (statement.kind) {
    case Statement::Kind::kText:
      append(statement.text, out);
      return Flow::kNormal;
    case Statement::Kind::kOutput:
      append(printed(evaluate(*statement.expressions[0])), out);
      return Flow::kNormal;
    case Statement::Kind::kFor:
      return run_for(statement, out);
    case Statement::Kind::kIf:
      return run_if(statement, out);
    case Statement::Kind::kSet:
      assign(*statement.target, evaluate(*statement.expressions[0]));
      return Flow::kNormal;
    case Statement::Kind::kSetBlock:
      assign(*statement.target, filtered(statement, captured(statement.bodies[0])));
      return Flow::kNormal;
    case Statement::Kind::kFilterBlock:
      append(printed(filtered(statement, captured(statement.bodies[0]))), out);
      return Flow::kNormal;
    case Statement::Kind::kScope:
      return run_scope(statement, out);
    case Statement::Kind::kMacro:
      scope_->variables[statement.text] = Value(Macro{&statement, held_scope()});
      return Flow::kNormal;
    case Statement::Kind::kCallBlock:
      run_call_block(statement, out);
      return Flow::kNormal;
    case Statement::Kind::kBreak:
      return Flow::kBreak;
    case Statement::Kind::kContinue:
      return Flow::kContinue;
  }
  return Flow::kNormal;
}

Interpreter::Flow Interpreter::run_if(const Statement& statement, std::string& out) {
  for (std::size_t i = 0; i < statement.bodies.size(); ++i) {
    const bool is_else = i == statement.expressions.size();
    if (is_else || evaluate(*statement.expressions[i]).is_true()) {
      return run_block(statement.bodies[i], out);
    }
  }
  return Flow::kNormal;
}

Interpreter::Flow Interpreter::run_for(const Statement& statement, std::string& out) {
  return run_loop(statement, source_of(evaluate(*statement.expressions[0])), 0, out);
}

Interpreter::Flow Interpreter::run_loop(const Statement& statement, Source items, int depth0,
                                        std::string& out) {
  const auto loop = std::make_shared<Loop>();
  const std::shared_ptr<Scope> outside = scope_;
  loop->statement = &statement;
  loop->depth0 = depth0;
  loop->next = std::move(items);
  if (statement.is_recursive) loop->outside = held_scope();
  if (statement.expressions.size() > 1) {
    loop->next = [this, all = std::move(loop->next), &statement,
                  outside = held_scope()]() -> std::optional<Value> {
      while (std::optional<Value> item = all()) {
        charge(1);
        const ScopeGuard guard(*this, outside);
        assign(*statement.target, *item);
        if (evaluate(*statement.expressions[1]).is_true()) return item;
      }
      return std::nullopt;
    };
  }
  while (pull(*loop)) {
    charge(1);
    ++loop->index0;
    const ScopeGuard guard(*this, outside);
    scope_->variables["loop"] = Value(loop);
    assign(*statement.target, loop->items[std::size_t(loop->index0)]);
    if (run_block(statement.bodies[0], out) == Flow::kBreak) break;
  }
  loop->next = nullptr;  // A loop that is kept after its end holds nothing.
  if (loop->index0 >= 0 || statement.bodies.size() < 2) return Flow::kNormal;
  return run_block(statement.bodies[1], out);
}

Interpreter::Flow Interpreter::run_scope(const Statement& statement, std::string& out) {
  std::vector<Value> values;
  for (const auto& expression : statement.expressions) values.push_back(evaluate(*expression));
  const ScopeGuard guard(*this, scope_);
  for (std::size_t i = 0; i < values.size(); ++i)
    scope_->variables[statement.names[i]] = std::move(values[i]);
  return run_block(statement.bodies[0], out);
}

void Interpreter::run_call_block(const Statement& statement, std::string& out) {
  const Expression& call_expression = *statement.expressions[0];
  const Value callee = evaluate(*call_expression.children[0]);
  Arguments arguments = evaluate_arguments(call_expression);
  arguments.named.emplace_back("caller", Value(Macro{&statement, held_scope()}));
  append(printed(call(callee, arguments)), out);
}

std::string Interpreter::captured(const Block& block) {
  std::string text;
  const ScopeGuard guard(*this, scope_);
  run_block(block, text);
  output_bytes_ -= text.size();
  charge(text.size() / kBytesPerStep + 1);
  return text;
}

Value Interpreter::filtered(const Statement& statement, std::string text) {
  Value value = make_text(std::move(text));
  if (statement.expressions.empty()) return value;
  const ScopeGuard guard(*this, scope_);
  scope_->variables[""] = std::move(value);  // The parser gave the filtered content this name.
  return evaluate(*statement.expressions[0]);
}

void Interpreter::assign(const Expression& target, const Value& value) {
  if (target.kind == Expression::Kind::kName) {
    scope_->variables[target.text] = value;
    return;
  }
  if (target.kind == Expression::Kind::kAttribute) {
    assign_member(target, value);
    return;
  }
  const std::vector<Value> items = items_of(value);
  if (items.size() != target.children.size()) {
    throw Error(Code::kInvalidArgument, fmt::format("expected {} values to unpack, found {}",
                                                    target.children.size(), items.size()));
  }
  for (std::size_t i = 0; i < items.size(); ++i) assign(*target.children[i], items[i]);
}

void Interpreter::set_member(Namespace& space, const std::string& name, const Value& value) {
  if (value.shared<Namespace>()) {
    throw Error(Code::kUnsupported, "a namespace cannot be put inside another value");
  }
  if (name.starts_with('_')) {
    throw Error(Code::kInvalidArgument,
                fmt::format("names in a namespace must not begin with \"_\", found \"{}\"", name));
  }
  space.members[name] = value;
}

void Interpreter::assign_member(const Expression& target, const Value& value) {
  const std::string& name = target.children[0]->text;
  const Value object = lookup(name);
  auto* space = object.shared<Namespace>();
  if (space == nullptr) {
    throw Error(Code::kInvalidArgument,
                fmt::format("cannot set an attribute of \"{}\": it is no namespace", name));
  }
  set_member(*space, target.text, value);
}

}  // namespace panal::chat::detail
