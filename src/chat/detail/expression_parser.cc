#include "chat/detail/expression_parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "base/error.h"

namespace panal::chat::detail {
namespace {

constexpr int kMaxExpressionDepth = 100;

// Signs of one precedence stand together, from the loosest to the tightest; the empty ones behind
// them are no token's. All group from the left, as Jinja's do.
constexpr std::array<std::array<std::string_view, 4>, 4> kArithmetic = {
    {{"+", "-"}, {"~"}, {"*", "/", "//", "%"}, {"**"}}};

using Node = ExpressionParser::Node;

}  // namespace

const Token& TokenCursor::token(std::size_t ahead) const {
  return tokens_[std::min(at_ + ahead, tokens_.size() - 1)];
}
std::string TokenCursor::take() { return tokens_[at_++].text; }
bool TokenCursor::is_operator(std::string_view sign) const {
  return token().kind == Token::Kind::kOperator && token().text == sign;
}
bool TokenCursor::is_name(std::string_view word, std::size_t ahead) const {
  return token(ahead).kind == Token::Kind::kName && token(ahead).text == word;
}
bool TokenCursor::accept(std::string_view sign) {
  if (!is_operator(sign)) return false;
  ++at_;
  return true;
}
bool TokenCursor::accept_name(std::string_view word) {
  if (!is_name(word)) return false;
  ++at_;
  return true;
}
void TokenCursor::expect(std::string_view sign) {
  if (!accept(sign)) fail(fmt::format("expected \"{}\"", sign));
}
void TokenCursor::expect_name(std::string_view word) {
  if (!accept_name(word)) fail(fmt::format("expected \"{}\"", word));
}
void TokenCursor::expect_end(Token::Kind kind, std::string_view sign) {
  if (token().kind != kind) fail(fmt::format("expected {}", sign));
  ++at_;
}
std::string TokenCursor::identifier() {
  if (token().kind != Token::Kind::kName) fail("expected a name");
  return take();
}
void TokenCursor::fail(std::string_view what, Code code) const {
  const std::string found =
      token().kind == Token::Kind::kEnd ? "the end" : token().text.substr(0, 40);
  throw Error(code,
              fmt::format("chat template, line {}: {} (at \"{}\")", token().line, what, found));
}

Level::Level(const TokenCursor& cursor, int& depth, int limit) : depth_(depth) {
  if (++depth_ > limit) cursor.fail(fmt::format("nested deeper than {} levels", limit));
}

Node ExpressionParser::node(Expression::Kind kind) const {
  auto made = std::make_unique<Expression>();
  made->kind = kind;
  made->line = cursor_.token().line;
  return made;
}

void ExpressionParser::add(Node& parent, Node child) const {
  if (child) {
    parent->depth = std::max(parent->depth, child->depth + 1);
    if (parent->depth > kMaxExpressionDepth) {
      cursor_.fail(fmt::format("an expression of more than {} levels", kMaxExpressionDepth));
    }
  }
  parent->children.push_back(std::move(child));
}

Node ExpressionParser::binary(Expression::Kind kind, std::string text, Node left,
                              Node right) const {
  Node made = node(kind);
  made->text = std::move(text);
  add(made, std::move(left));
  add(made, std::move(right));
  return made;
}

bool ExpressionParser::ends_tuple() const {
  return cursor_.token().kind == Token::Kind::kBlockEnd ||
         cursor_.token().kind == Token::Kind::kOutputEnd || cursor_.is_operator(")") ||
         cursor_.is_operator("=") || cursor_.is_name("in");
}

template <typename Item>
Node ExpressionParser::one_or_tuple(const Item& item) {
  Node first = item();
  if (!cursor_.is_operator(",")) return first;
  Node made = node(Expression::Kind::kTuple);
  add(made, std::move(first));
  while (cursor_.accept(",")) {
    if (ends_tuple()) break;
    add(made, item());
  }
  return made;
}

Node ExpressionParser::tuple_expression(bool with_condition) {
  return one_or_tuple([&] { return with_condition ? expression() : either(); });
}

Node ExpressionParser::single_target(bool with_attributes) {
  const Level level(cursor_, depth_, kMaxExpressionDepth);
  if (cursor_.accept("(")) {
    Node made = target(with_attributes);
    cursor_.expect(")");
    return made;
  }
  Node made = node(Expression::Kind::kName);
  made->text = cursor_.identifier();
  if (!with_attributes || !cursor_.accept(".")) return made;
  Node attribute = node(Expression::Kind::kAttribute);
  add(attribute, std::move(made));
  attribute->text = cursor_.identifier();
  return attribute;
}

Node ExpressionParser::target(bool with_attributes) {
  return one_or_tuple([&] { return single_target(with_attributes); });
}

Node ExpressionParser::expression() {
  const Level level(cursor_, depth_, kMaxExpressionDepth);
  Node made = either();
  while (cursor_.accept_name("if")) {
    Node condition = either();
    Node ternary = node(Expression::Kind::kTernary);
    add(ternary, std::move(condition));
    add(ternary, std::move(made));
    add(ternary, cursor_.accept_name("else") ? expression() : nullptr);
    made = std::move(ternary);
  }
  return made;
}

Node ExpressionParser::either() {
  Node left = both();
  while (cursor_.accept_name("or"))
    left = binary(Expression::Kind::kOr, "", std::move(left), both());
  return left;
}

Node ExpressionParser::both() {
  Node left = negation();
  while (cursor_.accept_name("and"))
    left = binary(Expression::Kind::kAnd, "", std::move(left), negation());
  return left;
}

Node ExpressionParser::negation() {
  const Level level(cursor_, depth_, kMaxExpressionDepth);
  if (!cursor_.is_name("not")) return comparison();
  Node made = node(Expression::Kind::kNot);
  cursor_.take();
  add(made, negation());
  return made;
}

std::string ExpressionParser::comparison_sign() {
  constexpr std::array<std::string_view, 6> kSigns = {"==", "!=", "<", "<=", ">", ">="};
  if (cursor_.token().kind == Token::Kind::kOperator &&
      std::ranges::find(kSigns, cursor_.token().text) != kSigns.end()) {
    return cursor_.take();
  }
  if (cursor_.accept_name("in")) return "in";
  if (cursor_.is_name("not") && cursor_.is_name("in", 1)) {
    cursor_.take();
    cursor_.take();
    return "not in";
  }
  return "";
}

Node ExpressionParser::comparison() {
  Node left = arithmetic();
  std::string sign = comparison_sign();
  if (sign.empty()) return left;
  Node made = node(Expression::Kind::kCompare);
  add(made, std::move(left));
  while (!sign.empty()) {
    made->names.push_back(std::move(sign));
    add(made, arithmetic());
    sign = comparison_sign();
  }
  return made;
}

Node ExpressionParser::arithmetic(std::size_t level) {
  if (level == kArithmetic.size()) return unary(true);
  Node left = arithmetic(level + 1);
  while (std::ranges::any_of(kArithmetic[level],
                             [&](std::string_view sign) { return cursor_.is_operator(sign); })) {
    std::string sign = cursor_.take();
    Node right = arithmetic(level + 1);
    left = binary(Expression::Kind::kBinary, std::move(sign), std::move(left), std::move(right));
  }
  return left;
}

Node ExpressionParser::unary(bool with_filters) {
  const Level level(cursor_, depth_, kMaxExpressionDepth);
  Node made;
  if (cursor_.is_operator("-") || cursor_.is_operator("+")) {
    made = node(cursor_.is_operator("-") ? Expression::Kind::kNegate : Expression::Kind::kPlus);
    cursor_.take();
    add(made, unary(false));
  } else {
    made = postfix(primary());
  }
  return with_filters ? filters(std::move(made)) : std::move(made);
}

Node ExpressionParser::primary() {
  switch (cursor_.token().kind) {
    case Token::Kind::kName:
      return name_or_constant();
    case Token::Kind::kString: {
      Node made = node(Expression::Kind::kLiteral);
      std::string text;
      while (cursor_.token().kind == Token::Kind::kString) text += cursor_.take();
      made->literal = Value::text(std::move(text));
      return made;
    }
    case Token::Kind::kInteger:
    case Token::Kind::kFloat:
      return number();
    default:
      break;
  }
  if (cursor_.is_operator("(")) return parenthesised();
  if (cursor_.is_operator("[")) return list();
  if (cursor_.is_operator("{")) return mapping();
  cursor_.fail("expected an expression");
}

Node ExpressionParser::name_or_constant() {
  Node made = node(Expression::Kind::kLiteral);
  const std::string word = cursor_.identifier();
  if (word == "true" || word == "True") {
    made->literal = Value::boolean(true);
  } else if (word == "false" || word == "False") {
    made->literal = Value::boolean(false);
  } else if (word == "none" || word == "None") {
    made->literal = Value::none();
  } else {
    made->kind = Expression::Kind::kName;
    made->text = word;
    names_.insert(word);
  }
  return made;
}

Node ExpressionParser::number() {
  Node made = node(Expression::Kind::kLiteral);
  std::string_view text = cursor_.token().text;
  if (cursor_.token().kind == Token::Kind::kInteger) {
    int base = 10;
    if (text.size() > 2 && text[0] == '0') {
      const char mark = char(text[1] | 0x20);
      base = mark == 'x' ? 16 : mark == 'o' ? 8 : mark == 'b' ? 2 : 10;
      if (base != 10) text.remove_prefix(2);
    }
    std::int64_t value = 0;
    if (std::from_chars(text.data(), text.data() + text.size(), value, base).ec != std::errc())
      cursor_.fail("an integer over 64 bits");
    made->literal = Value::integer(value);
  } else {
    double value = 0;
    if (std::from_chars(text.data(), text.data() + text.size(), value).ec != std::errc())
      cursor_.fail("a number out of range");
    made->literal = Value::number(value);
  }
  cursor_.take();
  return made;
}

Node ExpressionParser::parenthesised() {
  cursor_.expect("(");
  if (cursor_.accept(")")) return node(Expression::Kind::kTuple);
  Node made = tuple_expression();
  cursor_.expect(")");
  return made;
}

Node ExpressionParser::list() {
  Node made = node(Expression::Kind::kList);
  cursor_.expect("[");
  while (!cursor_.accept("]")) {
    add(made, expression());
    if (!cursor_.is_operator("]")) cursor_.expect(",");
  }
  return made;
}

Node ExpressionParser::mapping() {
  Node made = node(Expression::Kind::kMapping);
  cursor_.expect("{");
  while (!cursor_.accept("}")) {
    add(made, expression());
    cursor_.expect(":");
    add(made, expression());
    if (!cursor_.is_operator("}")) cursor_.expect(",");
  }
  return made;
}

Node ExpressionParser::postfix(Node made) {
  while (true) {
    if (cursor_.accept(".")) {
      const bool is_index = cursor_.token().kind == Token::Kind::kInteger;
      Node next = node(is_index ? Expression::Kind::kIndex : Expression::Kind::kAttribute);
      add(next, std::move(made));
      if (is_index) {
        add(next, number());
      } else {
        next->text = cursor_.identifier();
      }
      made = std::move(next);
    } else if (cursor_.is_operator("[")) {
      made = subscript(std::move(made));
    } else if (cursor_.is_operator("(")) {
      made = call(std::move(made));
    } else {
      return made;
    }
  }
}

Node ExpressionParser::subscript(Node object) {
  Node made = node(Expression::Kind::kIndex);
  add(made, std::move(object));
  cursor_.expect("[");
  Node first = cursor_.is_operator(":") ? nullptr : expression();
  if (!cursor_.is_operator(":")) {
    if (cursor_.is_operator(",")) {
      Node keys = node(Expression::Kind::kTuple);
      add(keys, std::move(first));
      while (cursor_.accept(",")) add(keys, expression());
      first = std::move(keys);
    }
    add(made, std::move(first));
    cursor_.expect("]");
    return made;
  }
  made->kind = Expression::Kind::kSlice;
  add(made, std::move(first));
  for (int part = 1; part <= 2; ++part) {
    const bool is_given =
        cursor_.accept(":") && !cursor_.is_operator(":") && !cursor_.is_operator("]");
    add(made, is_given ? expression() : nullptr);
  }
  cursor_.expect("]");
  return made;
}

void ExpressionParser::arguments(Node& call) {
  cursor_.expect("(");
  bool has_named = false;
  while (!cursor_.accept(")")) {
    std::string name;
    if (cursor_.accept("**")) {
      name = "**";
    } else if (cursor_.accept("*")) {
      name = "*";
    } else if (cursor_.token().kind == Token::Kind::kName &&
               cursor_.token(1).kind == Token::Kind::kOperator && cursor_.token(1).text == "=") {
      name = cursor_.identifier();
      cursor_.take();
    }
    if (has_named && (name.empty() || name == "*"))
      cursor_.fail("an argument without a name follows a named one");
    has_named = has_named || (!name.empty() && name != "*");
    call->names.push_back(std::move(name));
    add(call, expression());
    if (!cursor_.is_operator(")")) cursor_.expect(",");
  }
}

Node ExpressionParser::call(Node callee) {
  Node made = node(Expression::Kind::kCall);
  add(made, std::move(callee));
  arguments(made);
  return made;
}

Node ExpressionParser::filter(Node subject) {
  Node made = node(Expression::Kind::kFilter);
  made->text = cursor_.identifier();
  add(made, std::move(subject));
  if (cursor_.is_operator("(")) arguments(made);
  return made;
}

Node ExpressionParser::filters_by_name(Node subject) { return filters(filter(std::move(subject))); }

Node ExpressionParser::filters(Node made) {
  while (true) {
    if (cursor_.accept("|")) {
      made = filter(std::move(made));
    } else if (cursor_.accept_name("is")) {
      made = test(std::move(made));
    } else if (cursor_.is_operator("(")) {
      made = call(std::move(made));
    } else {
      return made;
    }
  }
}

bool ExpressionParser::starts_test_argument() const {
  switch (cursor_.token().kind) {
    case Token::Kind::kString:
    case Token::Kind::kInteger:
    case Token::Kind::kFloat:
      return true;
    case Token::Kind::kName:
      return std::ranges::none_of(
          std::array<std::string_view, 7>{"else", "or", "and", "is", "if", "not", "in"},
          [&](std::string_view word) { return cursor_.is_name(word); });
    default:
      return cursor_.is_operator("[") || cursor_.is_operator("{");
  }
}

Node ExpressionParser::test(Node subject) {
  const bool is_negated = cursor_.accept_name("not");
  Node made = node(Expression::Kind::kTest);
  made->text = cursor_.identifier();
  add(made, std::move(subject));
  if (cursor_.is_operator("(")) {
    arguments(made);
  } else if (starts_test_argument()) {
    made->names.emplace_back();
    add(made, postfix(primary()));
  }
  if (!is_negated) return made;
  Node negated = node(Expression::Kind::kNot);
  add(negated, std::move(made));
  return negated;
}

}  // namespace panal::chat::detail
