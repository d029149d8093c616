#include <fmt/format.h>

#include <memory>
#include <string>
#include <vector>

#include "api/routes.h"
#include "base/stop_on_signal.h"
#include "cli/ask_client.h"
#include "cli/commands/commands.h"
#include "hub/answering.h"
#include "hub/model_source.h"

namespace panal::cli {
namespace {

constexpr std::uint16_t kDefaultPort = 7070;

struct UpOptions {
  std::string host = "127.0.0.1";
  int port = kDefaultPort;
  std::vector<std::string> allowed_hosts;
  std::string model;  // Only this one: `panal serve`.
};

bool is_loopback(const std::string& host) {
  return host == "127.0.0.1" || host == "::1" || host == "localhost";
}

Result<hub::ServedEndpoint> endpoint_for(const std::string& name, Workspace& workspace) {
  PANAL_ASSIGN(hub::Hive * hive, workspace.hive());
  PANAL_ASSIGN(const hub::ModelSource source, hub::find_model_source(*hive, name));
  hub::ServedEndpoint made;
  made.core = source.core;
  made.revision = "fixed";
  made.is_default = true;
  made.created_unix_ms = workspace.clock().unix_ms();
  made.endpoint.name =
      source.version ? source.version->name : std::filesystem::path(name).filename().string();
  made.endpoint.core = made.endpoint.name;
  made.endpoint.core_version = source.label;
  if (source.adapter) {
    made.endpoint.core = "core";
    made.adapters.emplace_back(source.version->name, *source.adapter);
    made.endpoint.experts.push_back({.name = source.version->name,
                                     .label = source.version->name,
                                     .partition = "",
                                     .version = source.label});
  }
  return made;
}

Result<Json> serve_until_stopped(std::unique_ptr<hub::Endpoints> endpoints,
                                 const UpOptions& options, const std::string& what,
                                 Workspace& workspace) {
  if (!is_loopback(options.host)) {
    return Status(Code::kInvalidArgument,
                  fmt::format("--host must be 127.0.0.1, ::1 or localhost, found \"{}\": there are "
                              "no API keys yet, so only this machine may ask",
                              options.host));
  }
  PANAL_ASSIGN(hub::Hive * hive, workspace.hive());
  hub::Answering answering(std::move(endpoints), hub::answering_options(*hive), workspace.clock());
  net::HttpServerOptions server;
  server.address = options.host == "localhost" ? "127.0.0.1" : options.host;
  server.port = static_cast<std::uint16_t>(options.port);
  PANAL_ASSIGN(const auto api,
               api::ApiServer::start(
                   server, {.allowed_hosts = options.allowed_hosts, .version = hub::code_version()},
                   answering, workspace.clock()));
  Terminal& terminal = workspace.terminal();
  const std::string url = fmt::format("http://{}:{}", server.address, api->port());
  terminal.note("loading the model");
  const Status proof = answering.prove();
  // One model is all that `serve` has; a hub waits for what is deployed next.
  if (!proof.ok() && !options.model.empty()) return proof;
  if (!proof.ok()) terminal.note(proof.message());
  terminal.print(fmt::format("{} on {}/v1, page on {}/  (Ctrl-C stops)", what, url, url));
  terminal.print_json(to_line(Json{{"url", url + "/v1"}, {"port", api->port()}}));
  PANAL_TRY(terminal.output_status());  // Nobody would know where it listens.
  wait_for_stop(workspace.stop());
  terminal.note("stopping");
  api->stop(std::chrono::seconds(5));
  return Json(nullptr);
}

Result<Json> run_up(const UpOptions& options, Workspace& workspace) {
  PANAL_ASSIGN(registry::Catalogue * catalogue, workspace.catalogue());
  PANAL_ASSIGN(const auto lock, store::ProcessLock::take(
                                    catalogue->home().run / "up.lock",
                                    fmt::format("the hub of {}", catalogue->home().root.string())));
  return serve_until_stopped(std::make_unique<hub::Endpoints>(*catalogue, workspace.clock()),
                             options, "panal is up", workspace);
}

Result<Json> run_serve(const UpOptions& options, Workspace& workspace) {
  PANAL_ASSIGN(registry::Catalogue * catalogue, workspace.catalogue());
  PANAL_ASSIGN(hub::ServedEndpoint endpoint, endpoint_for(options.model, workspace));
  return serve_until_stopped(
      std::make_unique<hub::Endpoints>(*catalogue, workspace.clock(), std::move(endpoint)), options,
      options.model, workspace);
}

void add_listen_options(CLI::App* command, UpOptions& options) {
  command->add_option("--port", options.port, "TCP port; 0 takes a free one")
      ->check(CLI::Range(0, 65535))
      ->capture_default_str();
  command->add_option("--host", options.host, "Address of this machine to listen on")
      ->capture_default_str();
  command
      ->add_option("--allow-host", options.allowed_hosts,
                   "A name besides localhost by which clients may call this server, and whose web "
                   "pages may use it; again for more")
      ->allow_extra_args(false);
}

Result<Json> run_ask(const Question& question, Workspace& workspace) {
  Terminal& terminal = workspace.terminal();
  PANAL_ASSIGN(const HubAnswer answer, ask_hub(
                                           question,
                                           [&](std::string_view text) {
                                             terminal.stream(text);
                                             return terminal.output_status();
                                           },
                                           workspace.stop()));
  terminal.print("");
  if (answer.trace) print_trace(*answer.trace, terminal);
  return to_json(answer);
}

}  // namespace

void add_up_command(CLI::App& app, Action& action) {
  auto options = std::make_shared<UpOptions>();  // Shared by the flags and the callback.
  CLI::App* command = app.add_subcommand(
      "up", "Serve everything deployed: OpenAI's API and a page on http://127.0.0.1:7070");
  add_listen_options(command, *options);
  command->callback([options, &action] {
    action = [options](Workspace& workspace) { return run_up(*options, workspace); };
  });
}

void add_serve_command(CLI::App& app, Action& action) {
  auto options = std::make_shared<UpOptions>();  // Shared by the flags and the callback.
  CLI::App* command = app.add_subcommand("serve", "Serve one model only, with OpenAI's API");
  command->add_option("model", options->model, "Registered name, model folder or GGUF file")
      ->required();
  add_listen_options(command, *options);
  command->callback([options, &action] {
    action = [options](Workspace& workspace) { return run_serve(*options, workspace); };
  });
}

void add_ask_command(CLI::App& app, Action& action) {
  auto question = std::make_shared<Question>();  // Shared by the flags and the callback.
  CLI::App* command =
      app.add_subcommand("ask", "Ask the hub that `panal up` runs; shows route, speed and energy");
  command->add_option("question", question->text, "What to ask")->required();
  command->add_option("--url", question->url, "Where the hub listens, with or without /v1")
      ->capture_default_str();
  command->add_option("--model", question->model, "auto, an endpoint, a core or an expert")
      ->capture_default_str();
  command->add_option("--max-tokens", question->max_tokens, "Most tokens of the answer")
      ->check(CLI::PositiveNumber);
  command
      ->add_option("--temperature", question->temperature,
                   "0 takes the likeliest token; by default what the model's generation config "
                   "says, or 0.7")
      ->check(CLI::Range(0.0, 2.0));
  command->add_option("--seed", question->seed,
                      "Of the random numbers; by default another one each time");
  command->callback([question, &action] {
    action = [question](Workspace& workspace) { return run_ask(*question, workspace); };
  });
}

}  // namespace panal::cli
