// The optimizer's states of all ranks, gathered at rank 0 for a checkpoint and handed back from
// one: through the host's memory, tensor by tensor.
#include <ATen/core/grad_mode.h>
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/error.h"
#include "base/json.h"
#include "train/detail/broadcast_tensor.h"
#include "train/detail/data_parallel.h"

namespace panal::train::detail {
namespace {

using tensor::NamedTensor;
using TensorsByName = std::map<std::string, at::Tensor>;

TensorsByName by_name(const std::vector<NamedTensor>& tensors) {
  TensorsByName found;
  for (const auto& entry : tensors) found[entry.name] = entry.value;
  return found;
}

// A state tensor is in the whole optimizer, which rank 0 has, in this rank's own, or only in
// passing.
Status broadcast_state(swarm::Group& group, const std::string& name, std::size_t bytes, int root,
                       const TensorsByName& all, const TensorsByName& owned,
                       std::vector<std::byte>& passing) {
  for (const TensorsByName* tensors : {&all, &owned}) {
    const auto found = tensors->find(name);
    if (found != tensors->end()) return broadcast_tensor(group, found->second, root);
  }
  passing.resize(bytes);
  return group.broadcast_bytes(passing, root);
}

}  // namespace

// State tensors are named "<rule>.<what>/<parameter>".
int DataParallel::owner_of_state(std::string_view name) const {
  const std::string_view parameter = name.substr(std::min(name.size(), name.find('/') + 1));
  for (std::size_t i = 0; i < tensors_.parameters.size(); ++i) {
    if (tensors_.parameters[i].name == parameter) return tensors_.owners[i];
  }
  return 0;
}

// Rank 0 alone knows the whole state; the others learn what there is, in its order.
std::vector<DataParallel::StateTensor> DataParallel::agreed_state(const optim::Optimizer* whole) {
  Json list = Json::array();
  if (whole != nullptr) {
    for (const auto& entry : whole->state()) list.push_back({entry.name, entry.value.nbytes()});
  }
  constexpr std::string_view kWhere = "state of rank 0";
  const std::string text = value_or_throw(broadcast_text(group_, to_line(list)));
  const Json told = value_or_throw(parse_json(text, kWhere));
  std::vector<StateTensor> agreed;
  for (const Json& entry : told) {
    PANAL_REQUIRE(entry.is_array() && entry.size() == 2 && entry[0].is_string() &&
                      entry[1].is_number_unsigned(),
                  "rank 0's state must be named tensors with their bytes, found another thing");
    agreed.push_back({entry[0].get<std::string>(), entry[1].get<std::size_t>()});
  }
  return agreed;
}

void DataParallel::gather_state(const optim::Optimizer& own, optim::Optimizer* whole) {
  const at::NoGradGuard no_gradients;
  const auto owned = by_name(own.state());
  const auto all = by_name(whole == nullptr ? std::vector<NamedTensor>() : whole->state());
  std::vector<std::byte> passing;
  for (const auto& [name, bytes] : agreed_state(whole)) {
    const auto mine = owned.find(name);
    if (whole != nullptr && mine != owned.end()) all.at(name).copy_(mine->second);
    ok_or_throw(broadcast_state(group_, name, bytes, owner_of_state(name), all, owned, passing));
  }
  if (whole != nullptr) whole->set_num_steps(own.num_steps());
}

void DataParallel::scatter_state(const optim::Optimizer* whole, optim::Optimizer& own) {
  const at::NoGradGuard no_gradients;
  const auto owned = by_name(own.state());
  const auto all = by_name(whole == nullptr ? std::vector<NamedTensor>() : whole->state());
  std::vector<std::byte> passing;
  for (const auto& [name, bytes] : agreed_state(whole)) {
    ok_or_throw(broadcast_state(group_, name, bytes, 0, all, owned, passing));
    const auto mine = owned.find(name);
    if (whole != nullptr && mine != owned.end()) mine->second.copy_(all.at(name));
  }
  std::int64_t steps = whole == nullptr ? 0 : whole->num_steps();
  ok_or_throw(group_.broadcast_bytes(std::as_writable_bytes(std::span(&steps, 1)), 0));
  own.set_num_steps(steps);
}

}  // namespace panal::train::detail
