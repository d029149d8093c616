// Recursive descent over the tokens of a template, with Jinja's precedences.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "base/error.h"
#include "chat/detail/chat_template_syntax.h"

namespace panal::chat::detail {
namespace {

using Node = std::unique_ptr<Expression>;
using TokenKind = TemplateToken::Kind;

constexpr int kMaxExpressionDepth = 100;
constexpr int kMaxBlockDepth = 50;
constexpr std::size_t kMaxSourceBytes = std::size_t{1} << 20;

class Parser {
 public:
  explicit Parser(std::vector<TemplateToken> tokens) : tokens_(std::move(tokens)) {}

  Block run() {
    Block body = block({});
    if (token().kind != TokenKind::kEnd) fail("unexpected tag");
    return body;
  }

 private:
  // One level of recursion; bounded, because the source is not ours.
  class Level {
   public:
    Level(const Parser& parser, int& depth, int limit) : depth_(depth) {
      if (++depth_ > limit) parser.fail(fmt::format("nested deeper than {} levels", limit));
    }
    ~Level() { --depth_; }
    Level(const Level&) = delete;
    Level& operator=(const Level&) = delete;

   private:
    int& depth_;
  };

  [[noreturn]] void fail(std::string_view what, Code code = Code::kInvalidArgument) const {
    const std::string found =
        token().kind == TokenKind::kEnd ? "the end" : token().text.substr(0, 40);
    throw Error(code,
                fmt::format("chat template, line {}: {} (at \"{}\")", token().line, what, found));
  }

  const TemplateToken& token(std::size_t ahead = 0) const {
    return tokens_[std::min(at_ + ahead, tokens_.size() - 1)];
  }
  bool is_operator(std::string_view sign) const {
    return token().kind == TokenKind::kOperator && token().text == sign;
  }
  bool is_name(std::string_view word, std::size_t ahead = 0) const {
    return token(ahead).kind == TokenKind::kName && token(ahead).text == word;
  }
  bool accept(std::string_view sign) {
    if (!is_operator(sign)) return false;
    ++at_;
    return true;
  }
  bool accept_name(std::string_view word) {
    if (!is_name(word)) return false;
    ++at_;
    return true;
  }
  void expect(std::string_view sign) {
    if (!accept(sign)) fail(fmt::format("expected \"{}\"", sign));
  }
  void expect_name(std::string_view word) {
    if (!accept_name(word)) fail(fmt::format("expected \"{}\"", word));
  }
  void expect_end(TokenKind kind, std::string_view sign) {
    if (token().kind != kind) fail(fmt::format("expected {}", sign));
    ++at_;
  }
  void end_block() { expect_end(TokenKind::kBlockEnd, "%}"); }
  std::string identifier() {
    if (token().kind != TokenKind::kName) fail("expected a name");
    return tokens_[at_++].text;
  }

  // ---- statements

  // Statements up to a tag whose word is in `ends`; its "{%" is consumed, the word is not.
  Block block(const std::vector<std::string_view>& ends) {
    const Level level(*this, block_depth_, kMaxBlockDepth);
    Block body;
    while (token().kind != TokenKind::kEnd) {
      if (token().kind == TokenKind::kText) {
        auto text = make(Statement::Kind::kText);
        text->text = tokens_[at_++].text;
        body.push_back(std::move(text));
      } else if (token().kind == TokenKind::kOutputBegin) {
        ++at_;
        auto output = make(Statement::Kind::kOutput);
        output->expressions.push_back(tuple_expression());
        expect_end(TokenKind::kOutputEnd, "}}");
        body.push_back(std::move(output));
      } else {
        expect_end(TokenKind::kBlockBegin, "a tag");
        for (const std::string_view end : ends) {
          if (is_name(end)) return body;
        }
        statement(body);
      }
    }
    if (!ends.empty()) fail(fmt::format("expected {{% {} %}}", ends.back()));
    return body;
  }

  std::unique_ptr<Statement> make(Statement::Kind kind) const {
    auto made = std::make_unique<Statement>();
    made->kind = kind;
    made->line = token().line;
    return made;
  }

  void statement(Block& body) {
    if (accept_name("for")) {
      body.push_back(for_statement());
    } else if (accept_name("if")) {
      body.push_back(if_statement());
    } else if (accept_name("set")) {
      body.push_back(set_statement());
    } else if (accept_name("macro")) {
      body.push_back(macro_statement());
    } else if (accept_name("break") || accept_name("continue")) {
      if (loop_depth_ == 0) fail("break or continue outside a loop");
      const bool is_break = tokens_[at_ - 1].text == "break";
      body.push_back(make(is_break ? Statement::Kind::kBreak : Statement::Kind::kContinue));
      end_block();
    } else if (accept_name("generation")) {
      // Marks the assistant's tokens for training; as text it is its content.
      end_block();
      Block inner = block({"endgeneration"});
      end_tag("endgeneration");
      std::move(inner.begin(), inner.end(), std::back_inserter(body));
    } else {
      fail(
          "this tag is not known here; known are for, if, set, macro, break, continue, generation, "
          "raw",
          Code::kUnsupported);
    }
  }

  void end_tag(std::string_view word) {
    expect_name(word);
    end_block();
  }

  std::unique_ptr<Statement> for_statement() {
    auto made = make(Statement::Kind::kFor);
    made->names = target_names();
    expect_name("in");
    made->expressions.push_back(tuple_expression(false));
    if (accept_name("if")) made->expressions.push_back(expression());
    if (is_name("recursive")) fail("recursive loops are not supported", Code::kUnsupported);
    end_block();
    ++loop_depth_;
    made->bodies.push_back(block({"else", "endfor"}));
    --loop_depth_;
    if (accept_name("else")) {
      end_block();
      made->bodies.push_back(block({"endfor"}));
    }
    end_tag("endfor");
    return made;
  }

  std::unique_ptr<Statement> if_statement() {
    auto made = make(Statement::Kind::kIf);
    do {
      made->expressions.push_back(tuple_expression());
      end_block();
      made->bodies.push_back(block({"elif", "else", "endif"}));
    } while (accept_name("elif"));
    if (accept_name("else")) {
      end_block();
      made->bodies.push_back(block({"endif"}));
    }
    end_tag("endif");
    return made;
  }

  std::vector<std::string> target_names() {
    const bool has_parentheses = accept("(");
    std::vector<std::string> names = {identifier()};
    while (accept(",")) {
      if (token().kind != TokenKind::kName || is_name("in")) break;
      names.push_back(identifier());
    }
    if (has_parentheses) expect(")");
    return names;
  }

  std::unique_ptr<Statement> set_statement() {
    auto made = make(Statement::Kind::kSet);
    made->names = target_names();
    if (made->names.size() == 1 && accept(".")) {
      made->text = std::move(made->names[0]);
      made->names[0] = identifier();
    }
    if (accept("=")) {
      made->expressions.push_back(tuple_expression());
      end_block();
      return made;
    }
    if (made->names.size() != 1 || !made->text.empty()) fail("expected \"=\"");
    made->kind = Statement::Kind::kSetBlock;
    if (is_operator("|")) {
      auto content = node(Expression::Kind::kName);
      made->expressions.push_back(filters(std::move(content)));
    }
    end_block();
    made->bodies.push_back(block({"endset"}));
    end_tag("endset");
    return made;
  }

  std::unique_ptr<Statement> macro_statement() {
    auto made = make(Statement::Kind::kMacro);
    made->text = identifier();
    expect("(");
    while (!accept(")")) {
      made->names.push_back(identifier());
      if (accept("=")) {
        made->expressions.push_back(expression());
      } else if (!made->expressions.empty()) {
        fail("a parameter without a default follows one that has one");
      }
      if (!is_operator(")")) expect(",");
    }
    end_block();
    const int loops_outside = std::exchange(loop_depth_, 0);
    made->bodies.push_back(block({"endmacro"}));
    loop_depth_ = loops_outside;
    expect_name("endmacro");
    if (token().kind == TokenKind::kName) ++at_;
    end_block();
    return made;
  }

  // ---- expressions

  Node node(Expression::Kind kind) const {
    auto made = std::make_unique<Expression>();
    made->kind = kind;
    made->line = token().line;
    return made;
  }

  void add(Node& parent, Node child) const {
    if (child) {
      parent->depth = std::max(parent->depth, child->depth + 1);
      if (parent->depth > kMaxExpressionDepth) {
        fail(fmt::format("an expression of more than {} levels", kMaxExpressionDepth));
      }
    }
    parent->children.push_back(std::move(child));
  }

  Node binary(Expression::Kind kind, std::string text, Node left, Node right) const {
    Node made = node(kind);
    made->text = std::move(text);
    add(made, std::move(left));
    add(made, std::move(right));
    return made;
  }

  bool ends_tuple() const {
    return token().kind == TokenKind::kBlockEnd || token().kind == TokenKind::kOutputEnd ||
           is_operator(")") || is_name("in");
  }

  // "a" or "a, b": the second is a tuple.
  Node tuple_expression(bool with_condition = true) {
    const auto item = [&] { return with_condition ? expression() : either(); };
    Node first = item();
    if (!is_operator(",")) return first;
    Node made = node(Expression::Kind::kTuple);
    add(made, std::move(first));
    while (accept(",")) {
      if (ends_tuple()) break;
      add(made, item());
    }
    return made;
  }

  Node expression() {
    const Level level(*this, expression_depth_, kMaxExpressionDepth);
    Node made = either();
    while (accept_name("if")) {
      Node condition = either();
      Node ternary = node(Expression::Kind::kTernary);
      add(ternary, std::move(condition));
      add(ternary, std::move(made));
      add(ternary, accept_name("else") ? expression() : nullptr);
      made = std::move(ternary);
    }
    return made;
  }

  Node either() {
    Node left = both();
    while (accept_name("or")) left = binary(Expression::Kind::kOr, "", std::move(left), both());
    return left;
  }

  Node both() {
    Node left = negation();
    while (accept_name("and"))
      left = binary(Expression::Kind::kAnd, "", std::move(left), negation());
    return left;
  }

  Node negation() {
    const Level level(*this, expression_depth_, kMaxExpressionDepth);
    if (!is_name("not")) return comparison();
    Node made = node(Expression::Kind::kNot);
    ++at_;
    add(made, negation());
    return made;
  }

  std::string comparison_sign() {
    constexpr std::array<std::string_view, 6> kSigns = {"==", "!=", "<", "<=", ">", ">="};
    if (token().kind == TokenKind::kOperator &&
        std::find(kSigns.begin(), kSigns.end(), token().text) != kSigns.end()) {
      return tokens_[at_++].text;
    }
    if (accept_name("in")) return "in";
    if (is_name("not") && is_name("in", 1)) {
      at_ += 2;
      return "not in";
    }
    return "";
  }

  Node comparison() {
    Node left = sum();
    std::string sign = comparison_sign();
    if (sign.empty()) return left;
    Node made = node(Expression::Kind::kCompare);
    add(made, std::move(left));
    while (!sign.empty()) {
      made->names.push_back(std::move(sign));
      add(made, sum());
      sign = comparison_sign();
    }
    return made;
  }

  Node sum() {
    Node left = concatenation();
    while (is_operator("+") || is_operator("-")) {
      std::string sign = tokens_[at_++].text;
      left = binary(Expression::Kind::kBinary, std::move(sign), std::move(left), concatenation());
    }
    return left;
  }

  Node concatenation() {
    Node left = product();
    while (accept("~")) left = binary(Expression::Kind::kBinary, "~", std::move(left), product());
    return left;
  }

  Node product() {
    Node left = power();
    while (is_operator("*") || is_operator("/") || is_operator("//") || is_operator("%")) {
      std::string sign = tokens_[at_++].text;
      left = binary(Expression::Kind::kBinary, std::move(sign), std::move(left), power());
    }
    return left;
  }

  Node power() {
    Node left = unary(true);
    while (accept("**"))
      left = binary(Expression::Kind::kBinary, "**", std::move(left), unary(true));
    return left;
  }

  Node unary(bool with_filters) {
    const Level level(*this, expression_depth_, kMaxExpressionDepth);
    Node made;
    if (is_operator("-") || is_operator("+")) {
      made = node(is_operator("-") ? Expression::Kind::kNegate : Expression::Kind::kPlus);
      ++at_;
      add(made, unary(false));
    } else {
      made = postfix(primary());
    }
    return with_filters ? filters(std::move(made)) : std::move(made);
  }

  Node primary() {
    const TemplateToken& first = token();
    switch (first.kind) {
      case TokenKind::kName:
        return name_or_constant();
      case TokenKind::kString: {
        Node made = node(Expression::Kind::kLiteral);
        std::string text;
        while (token().kind == TokenKind::kString) text += tokens_[at_++].text;
        made->literal = TemplateValue::text(std::move(text));
        return made;
      }
      case TokenKind::kInteger:
      case TokenKind::kFloat:
        return number();
      default:
        break;
    }
    if (is_operator("(")) return parenthesised();
    if (is_operator("[")) return list();
    if (is_operator("{")) return mapping();
    fail("expected an expression");
  }

  Node name_or_constant() {
    Node made = node(Expression::Kind::kLiteral);
    const std::string word = identifier();
    if (word == "true" || word == "True") {
      made->literal = TemplateValue::boolean(true);
    } else if (word == "false" || word == "False") {
      made->literal = TemplateValue::boolean(false);
    } else if (word == "none" || word == "None") {
      made->literal = TemplateValue::none();
    } else {
      made->kind = Expression::Kind::kName;
      made->text = word;
    }
    return made;
  }

  Node number() {
    Node made = node(Expression::Kind::kLiteral);
    const std::string& text = token().text;
    const char* end = text.data() + text.size();
    if (token().kind == TokenKind::kInteger) {
      std::int64_t value = 0;
      if (std::from_chars(text.data(), end, value).ec != std::errc())
        fail("an integer over 64 bits");
      made->literal = TemplateValue::integer(value);
    } else {
      double value = 0;
      if (std::from_chars(text.data(), end, value).ec != std::errc()) fail("a number out of range");
      made->literal = TemplateValue::number(value);
    }
    ++at_;
    return made;
  }

  Node parenthesised() {
    expect("(");
    if (accept(")")) return node(Expression::Kind::kTuple);
    Node made = tuple_expression();
    expect(")");
    return made;
  }

  Node list() {
    Node made = node(Expression::Kind::kList);
    expect("[");
    while (!accept("]")) {
      add(made, expression());
      if (!is_operator("]")) expect(",");
    }
    return made;
  }

  Node mapping() {
    Node made = node(Expression::Kind::kMapping);
    expect("{");
    while (!accept("}")) {
      add(made, expression());
      expect(":");
      add(made, expression());
      if (!is_operator("}")) expect(",");
    }
    return made;
  }

  Node postfix(Node made) {
    while (true) {
      if (accept(".")) {
        const bool is_index = token().kind == TokenKind::kInteger;
        Node next = node(is_index ? Expression::Kind::kIndex : Expression::Kind::kAttribute);
        add(next, std::move(made));
        if (is_index) {
          add(next, number());
        } else {
          next->text = identifier();
        }
        made = std::move(next);
      } else if (is_operator("[")) {
        made = subscript(std::move(made));
      } else if (is_operator("(")) {
        Node call = node(Expression::Kind::kCall);
        add(call, std::move(made));
        arguments(call);
        made = std::move(call);
      } else {
        return made;
      }
    }
  }

  Node subscript(Node object) {
    Node made = node(Expression::Kind::kIndex);
    add(made, std::move(object));
    expect("[");
    Node first = is_operator(":") ? nullptr : expression();
    if (!is_operator(":")) {
      add(made, std::move(first));
      expect("]");
      return made;
    }
    made->kind = Expression::Kind::kSlice;
    add(made, std::move(first));
    for (int part = 1; part <= 2; ++part) {
      const bool is_given = accept(":") && !is_operator(":") && !is_operator("]");
      add(made, is_given ? expression() : nullptr);
    }
    expect("]");
    return made;
  }

  void arguments(Node& call) {
    expect("(");
    while (!accept(")")) {
      if (is_operator("*") || is_operator("**"))
        fail("*arguments are not supported", Code::kUnsupported);
      if (token().kind == TokenKind::kName && token(1).kind == TokenKind::kOperator &&
          token(1).text == "=") {
        call->names.push_back(identifier());
        ++at_;
      } else if (!call->names.empty()) {
        fail("an argument without a name follows a named one");
      }
      add(call, expression());
      if (!is_operator(")")) expect(",");
    }
  }

  Node filters(Node made) {
    while (true) {
      if (accept("|")) {
        Node filter = node(Expression::Kind::kFilter);
        filter->text = identifier();
        add(filter, std::move(made));
        if (is_operator("(")) arguments(filter);
        made = std::move(filter);
      } else if (accept_name("is")) {
        made = test(std::move(made));
      } else if (is_operator("(")) {
        Node call = node(Expression::Kind::kCall);
        add(call, std::move(made));
        arguments(call);
        made = std::move(call);
      } else {
        return made;
      }
    }
  }

  bool starts_test_argument() const {
    switch (token().kind) {
      case TokenKind::kString:
      case TokenKind::kInteger:
      case TokenKind::kFloat:
        return true;
      case TokenKind::kName:
        return !is_name("else") && !is_name("or") && !is_name("and") && !is_name("is") &&
               !is_name("if") && !is_name("not") && !is_name("in");
      default:
        return is_operator("[") || is_operator("{");
    }
  }

  Node test(Node subject) {
    const bool is_negated = accept_name("not");
    Node made = node(Expression::Kind::kTest);
    made->text = identifier();
    add(made, std::move(subject));
    if (is_operator("(")) {
      arguments(made);
    } else if (starts_test_argument()) {
      add(made, postfix(primary()));
    }
    if (!is_negated) return made;
    Node negated = node(Expression::Kind::kNot);
    add(negated, std::move(made));
    return negated;
  }

  std::vector<TemplateToken> tokens_;
  std::size_t at_ = 0;
  int expression_depth_ = 0;
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
  auto program = std::make_unique<TemplateProgram>();
  program->body = Parser(lex_template(source)).run();
  return program;
}

}  // namespace panal::chat::detail
