#include "cli/usage.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <vector>

#include "base/config.h"

namespace panal::cli {
namespace {

// "panal models show"
std::string full_name(const CLI::App& app) {
  const CLI::App* parent = app.get_parent();
  return parent == nullptr ? app.get_name() : full_name(*parent) + " " + app.get_name();
}

std::vector<std::string> command_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; }))
    names.push_back(command->get_name());
  return names;
}

// A command also takes what stands before it: `panal jobs --json` is `panal --json jobs`.
const CLI::Option* find_option(const CLI::App* app, const std::string& name) {
  for (; app != nullptr; app = app->get_parent()) {
    if (const CLI::Option* option = app->get_option_no_throw(name)) return option;
  }
  return nullptr;
}

std::vector<std::string> option_names(const CLI::App* app) {
  std::vector<std::string> names;
  for (; app != nullptr; app = app->get_parent()) {
    for (const CLI::Option* option : app->get_options()) {
      for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
    }
  }
  return names;
}

bool has_positionals(const CLI::App& app) {
  const auto options =
      app.get_options([](const CLI::Option* one) { return one->get_positional(); });
  return !options.empty();
}

std::string or_known(const std::string& word, const std::vector<std::string>& known) {
  const std::string near = nearest_word(word, known);
  return near.empty() ? fmt::format("; there are: {}", fmt::join(known, ", "))
                      : fmt::format("; did you mean \"{}\"?", near);
}

// Follows the words as the parser does, until one that nothing takes.
class Walk {
 public:
  explicit Walk(const CLI::App& app) : here_(&app) {}

  // The sentence about the first word that is not known, or "".
  std::string find(std::span<const std::string> arguments) {
    for (std::size_t i = 0; i < arguments.size() && arguments[i] != "--"; ++i) {
      const std::string& word = arguments[i];
      const bool is_option = word.size() > 1 && word[0] == '-';
      std::string wrong = is_option ? take_option(word, arguments, i) : take_word(word);
      if (!wrong.empty()) return wrong;
    }
    if (here_->get_require_subcommand_min() == 0) return "";
    return fmt::format("{} needs a command: {}", full_name(*here_),
                       fmt::join(command_names(*here_), ", "));
  }
  const CLI::App& last_command() const { return *here_; }

 private:
  std::string take_option(const std::string& word, std::span<const std::string> arguments,
                          std::size_t& i) {
    const std::size_t equals = word.find('=');
    const std::string name = word.substr(0, equals);
    const CLI::Option* option = find_option(here_, name);
    if (option == nullptr) {
      return fmt::format("{} has no option \"{}\"{}", full_name(*here_), name,
                         or_known(name, option_names(here_)));
    }
    if (equals != std::string::npos || option->get_items_expected_max() == 0) return "";
    ++i;  // Its value, whatever it looks like.
    const bool takes_many = option->get_items_expected_max() > 1;
    while (takes_many && i + 1 < arguments.size() && !arguments[i + 1].starts_with('-')) ++i;
    return "";
  }

  std::string take_word(const std::string& word) {
    if (const CLI::App* command = find_command(word)) {
      here_ = command;
      return "";
    }
    if (has_positionals(*here_)) return "";
    const auto commands = command_names(*here_);
    if (commands.empty()) return fmt::format("{} does not take \"{}\"", full_name(*here_), word);
    return fmt::format("{} has no command \"{}\"{}", full_name(*here_), word,
                       or_known(word, commands));
  }

  const CLI::App* find_command(const std::string& name) const {
    const auto found =
        here_->get_subcommands([&](const CLI::App* one) { return one->get_name() == name; });
    return found.empty() ? nullptr : found.front();
  }

  const CLI::App* here_;
};

}  // namespace

std::string usage_message(const CLI::App& app, std::span<const std::string> arguments,
                          const CLI::ParseError& error) {
  Walk walk(app);
  std::string wrong = walk.find(arguments);
  const std::string command = full_name(walk.last_command());
  if (wrong.empty()) wrong = fmt::format("{}: {}", command, error.what());
  return fmt::format("{}\n{} --help tells what it takes", wrong, command);
}

}  // namespace panal::cli
