// Expressions of a template, by recursive descent over its tokens with Jinja's precedences.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "chat/detail/syntax.h"

namespace panal::chat::detail {

/// Where a parser is in the tokens.
class TokenCursor {
 public:
  explicit TokenCursor(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

  const Token& token(std::size_t ahead = 0) const;
  std::string take();
  bool is_operator(std::string_view sign) const;
  bool is_name(std::string_view word, std::size_t ahead = 0) const;
  bool accept(std::string_view sign);
  bool accept_name(std::string_view word);
  void expect(std::string_view sign);
  void expect_name(std::string_view word);
  void expect_end(Token::Kind kind, std::string_view sign);
  std::string identifier();
  [[noreturn]] void fail(std::string_view what, Code code = Code::kInvalidArgument) const;

 private:
  std::vector<Token> tokens_;
  std::size_t at_ = 0;
};

/// One level of recursion; bounded, because the source is not ours.
class Level {
 public:
  Level(const TokenCursor& cursor, int& depth, int limit);
  ~Level() { --depth_; }
  Level(const Level&) = delete;
  Level& operator=(const Level&) = delete;

 private:
  int& depth_;
};

class ExpressionParser {
 public:
  using Node = std::unique_ptr<Expression>;

  explicit ExpressionParser(TokenCursor& cursor) : cursor_(cursor) {}

  /// "a if b else c".
  Node expression();
  /// "a" or "a, b": the second is a tuple. A loop's iterable has no condition of its own.
  Node tuple_expression(bool with_condition = true);
  /// What `for` and `set` assign to.
  Node target(bool with_attributes);
  /// "| a | b(c)" applied to `subject`.
  Node filters(Node subject);
  /// The first filter of `{% filter NAME %}`, without its "|", and those that follow.
  Node filters_by_name(Node subject);
  Node node(Expression::Kind kind) const;

  /// Names read since the last call.
  std::set<std::string, std::less<>> take_names() { return std::exchange(names_, {}); }
  void add_names(const std::set<std::string, std::less<>>& names) {
    names_.insert(names.begin(), names.end());
  }

 private:
  Node either();
  Node both();
  Node negation();
  std::string comparison_sign();
  Node comparison();
  /// What operators of this precedence and of tighter ones join.
  Node arithmetic(std::size_t level = 0);
  Node unary(bool with_filters);
  Node primary();
  Node name_or_constant();
  Node number();
  Node parenthesised();
  Node list();
  Node mapping();
  Node postfix(Node made);
  Node subscript(Node object);
  void arguments(Node& call);
  Node call(Node callee);
  Node filter(Node subject);
  bool starts_test_argument() const;
  Node test(Node subject);
  Node single_target(bool with_attributes);
  /// `item`, or as many of them as commas follow.
  template <typename Item>
  Node one_or_tuple(const Item& item);

  void add(Node& parent, Node child) const;
  Node binary(Expression::Kind kind, std::string text, Node left, Node right) const;
  bool ends_tuple() const;

  TokenCursor& cursor_;  // Outlives this.
  std::set<std::string, std::less<>> names_;
  int depth_ = 0;
};

}  // namespace panal::chat::detail
