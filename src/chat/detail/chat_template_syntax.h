// A parsed chat template: a tree of statements and expressions. Depth is bounded while parsing, so
// walking and destroying a tree cannot overflow the stack.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "chat/detail/chat_template_value.h"

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
    kCall,       // children[0] is called with the rest; names are those of the last arguments
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
  TemplateValue literal;
  std::vector<std::unique_ptr<Expression>> children;
  std::vector<std::string> names;
};

struct Statement {
  enum class Kind {
    kText,      // text
    kOutput,    // expressions[0]
    kFor,       // names in expressions[0] [if expressions[1]]: body, else: bodies[1]
    kIf,        // expressions[i] guards bodies[i]; one more body is the else
    kSet,       // names or text.names[0] = expressions[0]
    kSetBlock,  // names[0] = output of bodies[0], through expressions[0] where there is one
    kMacro,     // text(names), the last names have expressions as defaults: bodies[0]
    kBreak,
    kContinue,
  };
  Kind kind = Kind::kText;
  int line = 0;
  std::string text;
  std::vector<std::string> names;
  std::vector<std::unique_ptr<Expression>> expressions;
  std::vector<std::vector<std::unique_ptr<Statement>>> bodies;
};

using Block = std::vector<std::unique_ptr<Statement>>;

struct TemplateProgram {
  Block body;
};

struct TemplateToken {
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
std::vector<TemplateToken> lex_template(std::string_view source);
/// Throws Error(kInvalidArgument or kUnsupported) with the line.
std::unique_ptr<const TemplateProgram> parse_template(std::string_view source);

}  // namespace panal::chat::detail
