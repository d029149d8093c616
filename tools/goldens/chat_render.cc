// Renders chat templates for tools/goldens/chat_templates.py: a JSON request a line {template,
// messages, variables, add_generation_prompt, bos, eos} gives a line {text} or {error}.
#include <iostream>
#include <string>

#include "chat/chat_template.h"

namespace {

using panal::Json;

panal::Result<std::string> rendered(const Json& request) {
  PANAL_ASSIGN(const auto parsed,
               panal::chat::ChatTemplate::parse(request.at("template").get<std::string>()));
  panal::chat::ChatTemplateOptions options;
  options.bos = request.value("bos", "");
  options.eos = request.value("eos", "");
  options.add_generation_prompt = request.value("add_generation_prompt", false);
  options.variables = request.value("variables", Json::object());
  options.now = panal::chat::local_time(panal::SystemClock());
  return parsed.render(request.at("messages"), options);
}

}  // namespace

int main() {
  std::string line;
  while (std::getline(std::cin, line)) {
    const auto text = rendered(Json::parse(line));
    const Json answer =
        text.ok() ? Json{{"text", *text}} : Json{{"error", text.status().message()}};
    std::cout << panal::to_line(answer) << std::endl;
  }
}
