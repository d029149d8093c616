// A parsed chat template: a tree of statements and expressions. Depth is bounded while parsing, so
// walking and destroying a tree cannot overflow the stack.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "chat/detail/value.h"

namespace panal::chat::detail {

struct Expression {
  enum class Kind {
    kLiteral,    // literal
    kName,       // text
    kList,       // children
    kTuple,      // children
    kMapping,    // children: key, value, key, value
    kAttribute,  // children[0], text
    kIndex,      // children[0], children[1]
    kSlice,      // children[0]; start, stop, step: each may be null
    kCall,       // children[0] is called with the rest
    kFilter,     // children[0] goes through `text` with the rest
    kTest,       // children[0] is `text` with the rest
    kNot,        // children[0]
    kNegate,     // children[0]
    kPlus,       // children[0]
    kBinary,     // children[0] `text` children[1]
    kCompare,    // children[0] names[0] children[1] names[1] children[2] ...
    kAnd,        // children[0], children[1]
    kOr,         // children[0], children[1]
    kTernary,    // children: condition, then, else (else may be null)
  };
  Kind kind = Kind::kLiteral;
  int line = 0;
  int depth = 1;
  std::string text;
  Value literal;
  std::vector<std::unique_ptr<Expression>> children;
  /// Of calls, filters and tests: one per argument, its name, or "" for one by position, "*" for
  /// more values, "**" for more named ones.
  std::vector<std::string> names;
};

struct Statement {
  enum class Kind {
    kText,         // text
    kOutput,       // expressions[0]
    kFor,          // target in expressions[0] [if expressions[1]]: bodies[0], else: bodies[1]
    kIf,           // expressions[i] guards bodies[i]; one more body is the else
    kSet,          // target = expressions[0]
    kSetBlock,     // target = output of bodies[0], through expressions[0] where there is one
    kFilterBlock,  // output of bodies[0] through expressions[0]
    kScope,        // names[i] = expressions[i], seen in bodies[0] alone
    kMacro,        // text(names), the last names have expressions as defaults: bodies[0]
    kCallBlock,    // expressions[0] is called with a caller: the rest as in a macro
    kBreak,
    kContinue,
  };
  Kind kind = Kind::kText;
  int line = 0;
  std::string text;
  std::unique_ptr<Expression> target;  // A name, an attribute of a namespace, or a tuple of them.
  std::vector<std::string> names;
  std::vector<std::unique_ptr<Expression>> expressions;
  std::vector<std::vector<std::unique_ptr<Statement>>> bodies;
  bool is_recursive = false;      // Of a loop.
  bool takes_more = false;        // Of a macro that names `varargs`.
  bool takes_more_named = false;  // Of a macro that names `kwargs`.
  bool takes_caller = false;      // Of a macro that names `caller`.
};

using Block = std::vector<std::unique_ptr<Statement>>;

struct TemplateProgram {
  Block body;
  std::set<std::string, std::less<>> names;  // Every variable or function the template mentions.
};

struct Token {
  enum class Kind {
    kText,
    kBlockBegin,
    kBlockEnd,
    kOutputBegin,
    kOutputEnd,
    kName,
    kInteger,
    kFloat,
    kString,
    kOperator,
    kEnd
  };
  Kind kind = Kind::kEnd;
  std::string text;
  int line = 0;
};

/// Throws Error(kInvalidArgument) with the line.
std::vector<Token> lex_template(std::string_view source);
/// Throws Error(kInvalidArgument or kUnsupported) with the line.
std::unique_ptr<const TemplateProgram> parse_template(std::string_view source);

}  // namespace panal::chat::detail
