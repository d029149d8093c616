#include <fmt/format.h>

#include <memory>

#include "cli/commands/commands.h"

namespace panal::cli {
namespace {

Result<Json> list_deployments(Workspace& workspace) {
  PANAL_ASSIGN(hub::Hive * hive, workspace.hive());
  PANAL_ASSIGN(const auto deployments, hub::list_endpoints(*hive));
  std::vector<std::vector<std::string>> rows = {{"ENDPOINT", "CORE", "EXPERTS", "DEFAULT"}};
  Json list = Json::array();
  for (const auto& deployment : deployments) {
    std::string experts;
    for (const auto& expert : deployment.experts)
      experts += (experts.empty() ? "" : ", ") + expert.model.label();
    rows.push_back(
        {deployment.name, deployment.core.label(), experts, deployment.is_default ? "yes" : ""});
    list.push_back(registry::to_json(deployment));
  }
  if (deployments.empty()) {
    workspace.terminal().print(
        "Nothing is deployed. Deploy a model: panal deploy NAME --core MODEL");
  } else {
    workspace.terminal().table(rows);
  }
  return Json{{"deployments", list}};
}

Result<Json> undeploy(const std::string& name, Workspace& workspace) {
  PANAL_ASSIGN(hub::Hive * hive, workspace.hive());
  PANAL_TRY(hub::undeploy(*hive, name));
  workspace.terminal().print(fmt::format("{} is taken down", name));
  return Json{{"removed", name}};
}

}  // namespace

Result<Json> deploy(const hub::DeployEndpoint& request, Workspace& workspace) {
  PANAL_ASSIGN(hub::Hive * hive, workspace.hive());
  PANAL_ASSIGN(const auto deployment, hub::deploy(*hive, request));
  workspace.terminal().print(fmt::format("{} answers with core {} and {} experts", deployment.name,
                                         deployment.core.label(), deployment.experts.size()));
  return registry::to_json(deployment);
}

void add_deploy_command(CLI::App& app, Action& action) {
  struct Options {
    hub::DeployEndpoint deploy;
    std::string removed;
  };
  auto options = std::make_shared<Options>();  // Shared by the flags and the callback.
  CLI::App* command = app.add_subcommand(
      "deploy", "Make a core and its experts one endpoint; without arguments, list endpoints");
  command->add_option("name", options->deploy.name,
                      "Name of the endpoint: what clients write as \"model\"");
  command->add_option("--core", options->deploy.core, "Registered base model");
  command->add_option("--experts", options->deploy.experts, "Registered experts")->delimiter(',');
  command->add_option("--partitioning", options->deploy.partitioning,
                      "Number of the partitioning whose topics route requests");
  command->add_option("--remove", options->removed, "Take this endpoint down");
  command->callback([options, &action] {
    action = [options](Workspace& workspace) -> Result<Json> {
      if (!options->removed.empty()) return undeploy(options->removed, workspace);
      if (options->deploy.name.empty()) return list_deployments(workspace);
      if (options->deploy.core.empty())
        return Status(Code::kInvalidArgument, "panal deploy NAME needs --core MODEL");
      return deploy(options->deploy, workspace);
    };
  });
}

}  // namespace panal::cli
