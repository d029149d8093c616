// Statements of a template, by recursive descent over its tokens.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/error.h"
#include "chat/detail/expression_parser.h"

namespace panal::chat::detail {
namespace {

constexpr int kMaxBlockDepth = 50;
constexpr std::size_t kMaxSourceBytes = std::size_t{1} << 20;

using Node = ExpressionParser::Node;
using Kind = Statement::Kind;
using Made = std::unique_ptr<Statement>;

class StatementParser {
 public:
  explicit StatementParser(std::vector<Token> tokens)
      : cursor_(std::move(tokens)), expressions_(cursor_) {}

  TemplateProgram run() {
    TemplateProgram program;
    program.body = block({});
    if (cursor_.token().kind != Token::Kind::kEnd) cursor_.fail("unexpected tag");
    program.names = expressions_.take_names();
    return program;
  }

 private:
  // Statements up to a tag whose word is in `ends`; its "{%" is consumed, the word is not.
  Block block(const std::vector<std::string_view>& ends) {
    const Level level(cursor_, block_depth_, kMaxBlockDepth);
    Block body;
    while (cursor_.token().kind != Token::Kind::kEnd) {
      if (cursor_.token().kind == Token::Kind::kText) {
        Made text = make(Kind::kText);
        text->text = cursor_.take();
        body.push_back(std::move(text));
      } else if (cursor_.token().kind == Token::Kind::kOutputBegin) {
        cursor_.take();
        Made output = make(Kind::kOutput);
        output->expressions.push_back(expressions_.tuple_expression());
        cursor_.expect_end(Token::Kind::kOutputEnd, "}}");
        body.push_back(std::move(output));
      } else {
        cursor_.expect_end(Token::Kind::kBlockBegin, "a tag");
        if (std::ranges::any_of(ends, [&](std::string_view end) { return cursor_.is_name(end); }))
          return body;
        body.push_back(statement());
      }
    }
    if (!ends.empty()) cursor_.fail(fmt::format("expected {{% {} %}}", ends.back()));
    return body;
  }

  Made make(Kind kind) const {
    auto made = std::make_unique<Statement>();
    made->kind = kind;
    made->line = cursor_.token().line;
    return made;
  }

  void end_block() { cursor_.expect_end(Token::Kind::kBlockEnd, "%}"); }
  void end_tag(std::string_view word) {
    cursor_.expect_name(word);
    end_block();
  }
  // A body whose output goes somewhere else: no loop outside can be left from it.
  Block captured_block(std::string_view end) {
    const int loops_outside = std::exchange(loop_depth_, 0);
    Block body = block({end});
    loop_depth_ = loops_outside;
    return body;
  }

  Made statement() {
    if (cursor_.accept_name("for")) return for_statement();
    if (cursor_.accept_name("if")) return if_statement();
    if (cursor_.accept_name("set")) return set_statement();
    if (cursor_.accept_name("macro")) return macro_statement();
    if (cursor_.accept_name("call")) return call_statement();
    if (cursor_.accept_name("filter")) return filter_statement();
    if (cursor_.accept_name("with")) return with_statement();
    if (cursor_.accept_name("generation")) return generation_statement();
    if (cursor_.is_name("break") || cursor_.is_name("continue")) {
      if (loop_depth_ == 0) cursor_.fail("break or continue outside a loop");
      Made made = make(cursor_.take() == "break" ? Kind::kBreak : Kind::kContinue);
      end_block();
      return made;
    }
    cursor_.fail(
        "this tag is not known here; known are for, if, set, macro, call, filter, with, break, "
        "continue, generation, raw",
        Code::kUnsupported);
  }

  void end_with_else(Statement& made, std::string_view end) {
    if (cursor_.accept_name("else")) {
      end_block();
      made.bodies.push_back(block({end}));
    }
    end_tag(end);
  }

  Made for_statement() {
    Made made = make(Kind::kFor);
    made->target = expressions_.target(false);
    cursor_.expect_name("in");
    made->expressions.push_back(expressions_.tuple_expression(false));
    if (cursor_.accept_name("if")) made->expressions.push_back(expressions_.expression());
    made->is_recursive = cursor_.accept_name("recursive");
    end_block();
    ++loop_depth_;
    made->bodies.push_back(block({"else", "endfor"}));
    --loop_depth_;
    end_with_else(*made, "endfor");
    return made;
  }

  Made if_statement() {
    Made made = make(Kind::kIf);
    do {
      made->expressions.push_back(expressions_.tuple_expression());
      end_block();
      made->bodies.push_back(block({"elif", "else", "endif"}));
    } while (cursor_.accept_name("elif"));
    end_with_else(*made, "endif");
    return made;
  }

  Made set_statement() {
    Made made = make(Kind::kSet);
    made->target = expressions_.target(true);
    if (cursor_.accept("=")) {
      made->expressions.push_back(expressions_.tuple_expression());
      end_block();
      return made;
    }
    if (made->target->kind == Expression::Kind::kTuple) cursor_.fail("expected \"=\"");
    made->kind = Kind::kSetBlock;
    if (cursor_.is_operator("|")) {
      made->expressions.push_back(expressions_.filters(expressions_.node(Expression::Kind::kName)));
    }
    end_block();
    made->bodies.push_back(captured_block("endset"));
    end_tag("endset");
    return made;
  }

  Made filter_statement() {
    Made made = make(Kind::kFilterBlock);
    made->expressions.push_back(
        expressions_.filters_by_name(expressions_.node(Expression::Kind::kName)));
    end_block();
    made->bodies.push_back(captured_block("endfilter"));
    end_tag("endfilter");
    return made;
  }

  Made with_statement() {
    Made made = make(Kind::kScope);
    while (cursor_.token().kind != Token::Kind::kBlockEnd) {
      if (!made->names.empty()) cursor_.expect(",");
      made->names.push_back(cursor_.identifier());
      cursor_.expect("=");
      made->expressions.push_back(expressions_.expression());
    }
    end_block();
    made->bodies.push_back(block({"endwith"}));
    end_tag("endwith");
    return made;
  }

  // Marks the assistant's tokens for training; as text it is its content.
  Made generation_statement() {
    Made made = make(Kind::kScope);
    end_block();
    made->bodies.push_back(captured_block("endgeneration"));
    end_tag("endgeneration");
    return made;
  }

  void parameters(Statement& made) {
    cursor_.expect("(");
    while (!cursor_.accept(")")) {
      made.names.push_back(cursor_.identifier());
      if (cursor_.accept("=")) {
        made.expressions.push_back(expressions_.expression());
      } else if (made.expressions.size() > (made.kind == Kind::kCallBlock ? 1U : 0U)) {
        cursor_.fail("a parameter without a default follows one that has one");
      }
      if (!cursor_.is_operator(")")) cursor_.expect(",");
    }
  }

  void macro_body(Statement& made, std::string_view end) {
    end_block();
    const auto outside = expressions_.take_names();
    made.bodies.push_back(captured_block(end));
    const auto inside = expressions_.take_names();
    const auto is_parameter = [&](std::string_view name) {
      return std::ranges::find(made.names, name) != made.names.end();
    };
    made.takes_more = inside.contains("varargs") && !is_parameter("varargs");
    made.takes_more_named = inside.contains("kwargs") && !is_parameter("kwargs");
    made.takes_caller = inside.contains("caller") && !is_parameter("caller");
    expressions_.add_names(outside);
    expressions_.add_names(inside);
  }

  Made macro_statement() {
    Made made = make(Kind::kMacro);
    made->text = cursor_.identifier();
    parameters(*made);
    macro_body(*made, "endmacro");
    cursor_.expect_name("endmacro");
    if (cursor_.token().kind == Token::Kind::kName) cursor_.take();
    end_block();
    return made;
  }

  Made call_statement() {
    Made made = make(Kind::kCallBlock);
    made->text = "caller";
    made->expressions.emplace_back();  // The call, known after the parameters.
    if (cursor_.is_operator("(")) parameters(*made);
    made->expressions[0] = expressions_.expression();
    if (made->expressions[0]->kind != Expression::Kind::kCall) cursor_.fail("expected a call");
    macro_body(*made, "endcall");
    end_tag("endcall");
    return made;
  }

  TokenCursor cursor_;
  ExpressionParser expressions_;
  int block_depth_ = 0;
  int loop_depth_ = 0;
};

}  // namespace

std::unique_ptr<const TemplateProgram> parse_template(std::string_view source) {
  if (source.size() > kMaxSourceBytes) {
    throw Error(Code::kInvalidArgument,
                fmt::format("a chat template of {} bytes, at most {} are read", source.size(),
                            kMaxSourceBytes));
  }
  return std::make_unique<const TemplateProgram>(StatementParser(lex_template(source)).run());
}

}  // namespace panal::chat::detail
